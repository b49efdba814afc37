"""The way back: take away what carries our label, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from orchestrator.model.inventory import NodeConfig, Role
from orchestrator.model.labels import owned_by
from orchestrator.model.observed import ClusterView, SwarmState, SwarmView
from orchestrator.model.plan import LeaveSwarm, Plan, Refusal, RemoveMember, Step
from orchestrator.planning.cluster import Place, all_labels, belongs, of_lab, places, why_unreachable
from orchestrator.planning.removal import Chosen, removal_steps, still_used


def plan_down(cluster: str, view: ClusterView, *, own_swarm: bool, nodes: Sequence[NodeConfig]) -> Plan:
    """Remove all objects of ``cluster``, and dissolve the swarm if it is ours.

    The label on the swarm tells whether it is; ``own_swarm`` (we remember having made it) counts only where no manager
    can be asked. ``nodes`` are the nodes as remembered. Objects of others in a swarm that we made go with it.
    """
    swarm = view.swarm
    found = places(nodes, view)
    chosen = partial(owned_by, cluster=cluster)
    objects = removal_steps(cluster, view, chosen)
    dissolve = owned_by(swarm.labels, cluster) if swarm else own_swarm
    leaving = [place for place in found if _ours(place, swarm, found)] if dissolve else []
    members = _departures(cluster, leaving, found, swarm, tuple(step.id for step in objects)) if dissolve else ()
    notes = [*_node_notes(found, leaving)]
    if swarm:
        notes += _stranger_notes(swarm, chosen, found) if dissolve else _used_notes(swarm, chosen)
    return Plan(steps=(*objects, *members), notes=tuple(notes))


def plan_remove_labs(cluster: str, view: ClusterView, labs: Sequence[str]) -> Plan:
    """Remove the objects of these labs of ours; the swarm and the other labs stay."""
    swarm = view.swarm
    if swarm is None:
        reason = "no manager can be reached, and only a manager can remove a lab"
        return Plan(refusals=(Refusal(", ".join(labs), reason, "see `lab status` for what ails the managers"),))

    def chosen(labels: dict[str, str]) -> bool:
        return of_lab(labels, cluster, labs)

    absent = [lab for lab in labs if not any(of_lab(found, cluster, [lab]) for found in all_labels(view))]
    notes = [f"nothing of the lab {lab} is there" for lab in absent]
    return Plan(steps=removal_steps(cluster, view, chosen), notes=(*notes, *_used_notes(swarm, chosen)))


def _ours(place: Place, swarm: SwarmView | None, found: Sequence[Place]) -> bool:
    """Whether a node is in the swarm that we made.

    Where no manager can be asked, or a node is half way in or out, the managers that it talks to must be ours.
    """
    seen = place.view
    if not seen.reachable or seen.swarm is SwarmState.INACTIVE:
        return False
    if swarm and belongs(seen, swarm):
        return True
    if swarm and seen.swarm is SwarmState.ACTIVE:
        return False
    managers = {other.address for other in found if other.config.role is Role.MANAGER}
    return bool({address.rpartition(":")[0] for address in seen.remote_managers} & managers)


def _departures(
    cluster: str, leaving: Sequence[Place], found: Sequence[Place], swarm: SwarmView | None, after: tuple[str, ...]
) -> tuple[Step, ...]:
    """Workers leave side by side, lost ones are struck off, then the managers leave one by one, the first one last."""
    forced = swarm is None
    workers = [_leave(place, cluster, forced, after) for place in leaving if not place.view.is_manager]
    lost = list(_lost(found, swarm, after)) if swarm else []
    turn = (*after, *(step.id for step in [*workers, *lost]))
    managers = []
    for place in reversed([place for place in leaving if place.view.is_manager]):
        managers.append(_leave(place, cluster, True, turn))
        turn = (managers[-1].id,)
    return (*workers, *lost, *managers)


def _leave(place: Place, cluster: str, force: bool, after: tuple[str, ...]) -> Step:
    action = LeaveSwarm(place.name, force, cluster)
    return Step(f"leave {place.name}", action, f"{place.name} leaves the swarm", "we made this swarm", after)


def _lost(found: Sequence[Place], swarm: SwarmView, after: tuple[str, ...]) -> Iterator[Step]:
    """Workers that cannot be reached and that the managers see as down."""
    for place in found:
        member = place.member
        if place.view.reachable or member is None or member.state != "down" or member.role is Role.MANAGER:
            continue
        action = RemoveMember(member.id, member.hostname, swarm.seen_by)
        summary = f"strike {member.hostname} off the list of members"
        yield Step(f"remove member {member.id}", action, summary, "it is down and cannot leave by itself", after)


def _node_notes(found: Sequence[Place], leaving: Sequence[Place]) -> Iterator[str]:
    for place in found:
        if not place.view.reachable:
            why = why_unreachable(place.view)
            yield f"{place.name} cannot be reached ({why}): it stays as it is until the next `lab down`"
        elif place.view.swarm is not SwarmState.INACTIVE and place not in leaving:
            yield f"{place.name} stays in its swarm ({place.view.swarm}), which is not known to be ours"


def _stranger_notes(swarm: SwarmView, chosen: Chosen, found: Sequence[Place]) -> Iterator[str]:
    """What others put into the swarm that is about to end."""
    for kind, things in (("service", swarm.services), ("network", swarm.networks), ("config", swarm.configs)):
        for thing in things:
            if not chosen(thing.spec.labels):
                yield f"{kind} {thing.spec.name} is not ours, and ends with the swarm that we made"
    ours = {place.member.id for place in found if place.member} | {place.view.node_id for place in found}
    for member in swarm.nodes:
        if member.id not in ours and member.state != "down":
            yield f"member {member.hostname} is not one of our nodes, and loses its managers"


def _used_notes(swarm: SwarmView, chosen: Chosen) -> Iterator[str]:
    for kind, name, users in still_used(swarm, chosen):
        yield f"{kind} {name} stays, in use by {', '.join(users)}"
