"""Swarms that are not ours: named as exactly as they are known, with what one can do instead. Nothing is taken over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.model.inventory import Inventory, ProviderKind
from orchestrator.model.labels import CLUSTER
from orchestrator.model.observed import NodeView, SwarmNode, SwarmView
from orchestrator.model.plan import Refusal
from orchestrator.planning.attach import ID_LENGTH
from orchestrator.planning.cluster import Place, active, belongs

LEAVE = "docker swarm leave --force"
"""What a person types on a host to take it out of its swarm."""


def foreign_swarm(inventory: Inventory, nodes: Sequence[Place], swarm: SwarmView) -> Iterator[Refusal]:
    """The swarm that was found is somebody else's, or another cluster's of ours."""
    inside = [place.name for place in nodes if active(place) and belongs(place.view, swarm)]
    owner = swarm.labels.get(CLUSTER, "")
    members = ", ".join(map(_member, sorted(swarm.nodes, key=lambda member: member.hostname)))
    made = f"lab made for the cluster {owner}" if owner else f"was not made for the cluster {inventory.name}"
    yield Refusal(
        swarm.seen_by,
        f"it is in the swarm {swarm.cluster_id[:ID_LENGTH]}, which {made}: {members}",
        "; ".join(_instead(inventory, owner, inside)),
    )
    for place in nodes:
        if active(place) and not belongs(place.view, swarm):
            yield another_swarm(place, "it is in another swarm still")


def another_swarm(place: Place, what: str) -> Refusal:
    """A host that is in some other swarm than the one that was found."""
    hint = f"if it is free to be used here, run `{LEAVE}` on {place.name}"
    return Refusal(place.name, f"{what} ({describe(place.view)})", hint)


def describe(seen: NodeView) -> str:
    """What a node itself knows of its swarm: only managers know its id."""
    if seen.cluster_id:
        return f"a manager of {seen.cluster_id[:ID_LENGTH]}"
    managers = ", ".join(sorted(seen.remote_managers))
    return f"a worker; its managers: {managers}" if managers else "a worker"


def _instead(inventory: Inventory, owner: str, inside: Sequence[str]) -> Iterator[str]:
    """What one can do, from the harmless to the final."""
    if inventory.provider is ProviderKind.SSH:
        yield "look at it as it is, which changes nothing: `lab status --attach`, `lab verify --attach`"
    if owner:
        yield f"take that cluster away: `lab down --name {owner}`"
    yield "choose other hosts"
    yield f"if nothing needs that swarm any more, take these hosts out of it by hand: `{LEAVE}` on {', '.join(inside)}"


def _member(member: SwarmNode) -> str:
    role = "leader" if member.leader else member.role.value
    return f"{member.hostname} ({role}, {member.state})"
