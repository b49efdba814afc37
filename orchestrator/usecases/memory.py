"""What the use cases remember of a cluster between two commands. Pure: saving is the use cases' own step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from orchestrator.errors import RefusedError
from orchestrator.model.inventory import Inventory
from orchestrator.model.lab import Lab
from orchestrator.model.labels import owned_by
from orchestrator.model.observed import ClusterView, SwarmState
from orchestrator.runtime.state import ClusterState, LabRecord


def remembered(state: ClusterState | None, inventory: Inventory, labs: Sequence[Lab]) -> ClusterState:
    """The state that ``lab up`` of this inventory and these labs leads to, before the swarm is known.

    Raises :class:`RefusedError` where the inventory no longer describes the cluster that is up.
    """
    if state is None:
        state = ClusterState(inventory, created=datetime.now(UTC))
    _check_same_cluster(state.inventory, inventory)
    known = {record.name: record for record in state.labs}
    known |= {lab.name: LabRecord(lab.name, lab.path) for lab in labs}
    return replace(state, inventory=inventory, labs=tuple(known.values()))


def with_swarm(state: ClusterState, view: ClusterView) -> ClusterState:
    """The state with the swarm's id and its members' ids, where a manager of a swarm of ours was seen."""
    if view.swarm is None or not owned_by(view.swarm.labels, state.name):
        return state
    members = {*state.members, *(node.id for node in view.swarm.nodes)}
    return replace(state, cluster_id=view.swarm.cluster_id, members=tuple(sorted(members)))


def without_labs(state: ClusterState, labs: Iterable[str]) -> ClusterState:
    """The state after labs were taken away."""
    gone = set(labs)
    return replace(state, labs=tuple(record for record in state.labs if record.name not in gone))


def swarm_is_ours(view: ClusterView, cluster: str, state: ClusterState | None) -> bool:
    """Whether the swarm on the reachable hosts is the one that we made.

    The label on the swarm says so. Where no manager is left to ask, every host that is still a member of a swarm
    must have an id that was seen in ours.
    """
    if view.swarm is not None:
        return owned_by(view.swarm.labels, cluster)
    if state is None:
        return False
    members = [node for node in view.nodes if node.reachable and node.swarm is not SwarmState.INACTIVE]
    return all(node.node_id in state.members for node in members)


def _check_same_cluster(was: Inventory, now: Inventory) -> None:
    """A node that leaves the inventory would be forgotten, swarm membership and all: that needs a `down` first."""
    hint = "run `lab down` first (it works from what was brought up), or put the inventory back as it was"
    if was.provider is not now.provider:
        kinds = f"with the provider {was.provider.value}, the inventory says {now.provider.value}"
        raise RefusedError(f"cluster {now.name!r} is up {kinds}", hint=hint)
    names = {node.name for node in now.nodes}
    dropped = [node.name for node in was.nodes if node.name not in names]
    if dropped:
        raise RefusedError(
            f"cluster {now.name!r} is up with {', '.join(dropped)}, which the inventory no longer names", hint=hint
        )
