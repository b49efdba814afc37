"""A swarm that somebody else made, taken as it stands: is it one, and what in it can be checked. Pure."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.model.labels import CLUSTER, LAB, STACK
from orchestrator.model.observed import ClusterView, LiveNetwork, LiveService, NodeView, SwarmState, SwarmView
from orchestrator.planning.cluster import belongs

ID_LENGTH = 12
"""Characters of an id that are worth showing."""


def strays(view: ClusterView) -> tuple[str, ...]:
    """What was found on every host, where those that answer are not all in one swarm; empty where they are.

    A host that cannot be reached says nothing against it, and as long as there is one, the managers may be there.
    """
    asked = [seen for seen in view.nodes if seen.reachable]
    lost = [seen for seen in view.nodes if not seen.reachable]
    if not asked:
        return ()
    if view.swarm is None:
        # Workers of one swarm cannot be told from those of another where no manager lists them.
        fine = all(seen.swarm is SwarmState.ACTIVE for seen in asked) and (lost or any(s.is_manager for s in asked))
    else:
        fine = all(_inside(seen, view.swarm) for seen in asked)
    return () if fine else tuple(f"{seen.name}: {_found(seen, view.swarm)}" for seen in view.nodes)


def _inside(seen: NodeView, swarm: SwarmView) -> bool:
    return seen.swarm is SwarmState.ACTIVE and belongs(seen, swarm)


def _found(seen: NodeView, swarm: SwarmView | None) -> str:
    """What a host says of its place in a swarm, for a person."""
    if not seen.reachable:
        return f"cannot be reached ({seen.problem.message if seen.problem else 'not observed'})"
    if seen.swarm is SwarmState.INACTIVE:
        return "in no swarm"
    if seen.swarm is not SwarmState.ACTIVE:
        return f"its swarm state is {seen.swarm}"
    if seen.is_manager and seen.cluster_id:
        return f"a manager of swarm {seen.cluster_id[:ID_LENGTH]}"
    if swarm and _inside(seen, swarm):
        return f"a worker of swarm {swarm.cluster_id[:ID_LENGTH]}"
    managers = ", ".join(sorted(seen.remote_managers)) or "not known"
    return f"{'a manager' if seen.is_manager else 'a worker'} of some swarm whose managers are {managers}"


def as_labs(view: ClusterView, cluster: str) -> ClusterView:
    """The view with every service and network looking as if it were of a lab of ours, for whoever checks labs.

    This is in memory alone: nobody writes these labels anywhere. A lab is a stack, or a service that is in none. Keys
    are the full names, which are unique in a swarm where those of two stacks' files may be equal.
    """
    if view.swarm is None:
        return view
    services = tuple(_as_ours(live, cluster) for live in view.swarm.services)
    networks = tuple(_network_as_ours(live, cluster) for live in view.swarm.networks)
    return replace(view, swarm=replace(view.swarm, services=services, networks=networks))


def stack_of(labels: dict[str, str], name: str) -> str:
    """The stack that an object belongs to, or its own name where it was made by hand."""
    return labels.get(STACK) or name


def is_job(live: LiveService) -> bool:
    """Whether a service runs to its end, as jobs do: nothing of it can be expected to run or to answer."""
    return any(setting.startswith("Mode.") for setting in live.unsupported)


def without_jobs(view: ClusterView) -> tuple[ClusterView, tuple[str, ...]]:
    """The view without the services of which nothing can be checked, and what is to be told of these."""
    if view.swarm is None:
        return view, ()
    jobs = [live.spec.name for live in view.swarm.services if is_job(live)]
    services = tuple(live for live in view.swarm.services if not is_job(live))
    notes = tuple(f"{name} is not checked: it is a job, which runs to its end" for name in jobs)
    return replace(view, swarm=replace(view.swarm, services=services)), notes


def _as_ours(live: LiveService, cluster: str) -> LiveService:
    name, labels = live.spec.name, live.spec.labels
    marked = {**labels, CLUSTER: cluster, LAB: stack_of(labels, name)}
    return replace(live, spec=replace(live.spec, key=name, labels=marked))


def _network_as_ours(live: LiveNetwork, cluster: str) -> LiveNetwork:
    name, labels = live.spec.name, live.spec.labels
    marked = {**labels, CLUSTER: cluster, LAB: stack_of(labels, name)}
    return replace(live, spec=replace(live.spec, key=name, labels=marked))
