"""The nodes' part of a plan: who initialises the swarm, who joins, who changes role, availability or labels."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.model.inventory import Availability, Inventory, NodeConfig, Role
from orchestrator.model.labels import CLUSTER
from orchestrator.model.observed import ClusterView, SwarmNode, SwarmState, SwarmView
from orchestrator.model.plan import Deferral, InitSwarm, JoinSwarm, LeaveSwarm, RemoveMember, Step, UpdateNode
from orchestrator.planning.cluster import (
    CLUSTER_PORT,
    Place,
    active,
    advertised,
    places,
    stale_members,
    why_unreachable,
)
from orchestrator.planning.former import former_members
from orchestrator.planning.quorum import holds, managers_of, share, without

OUR_LABELS = "swarm-mesh-lab.labels"
"""Label of a member that lists (as JSON) the keys of the labels that we gave it: no others are ever removed."""


@dataclass(frozen=True)
class MemberSteps:
    """The steps for nodes; ``swarm`` are the ids of those after which there is a swarm to put objects into."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    swarm: tuple[str, ...]
    left: tuple[Deferral, ...] = ()


def plan_members(inventory: Inventory, view: ClusterView, known: Collection[str] = ()) -> MemberSteps:
    """What makes every node that answers the wanted member. Assumes that nothing stands in the way.

    ``known`` are the ids that were seen in a swarm of ours.
    """
    found = places(inventory.nodes, view)
    starting = [] if view.swarm else [_init(inventory, found[_first(inventory)])]
    swarm = tuple(step.id for step in starting)
    via = _via(found, view.swarm, inventory)
    former = former_members(found, view.swarm, known)
    leaves = [_leave(inventory.name, place) for place in former]
    newcomers = joining(found, view, former)
    waiting = unsafe_departures(found, view.swarm, newcomers) if view.swarm else {}
    held = {deferral.subject for deferral in waiting.values()}
    newcomers = tuple(place for place in newcomers if place.name not in held)
    removals = list(_removals(found, view.swarm, via, waiting)) if view.swarm else []
    joins = list(_joins(newcomers, via, (*swarm, *(step.id for step in [*leaves, *removals]))))
    updates = list(_updates([_held(place, waiting) for place in found], [*starting, *joins], removals))
    steps = (*starting, *leaves, *removals, *joins, *updates)
    return MemberSteps(steps, tuple(_notes(found, view)), swarm, tuple(_left(found, waiting)))


def unsafe_departures(found: Sequence[Place], swarm: SwarmView, newcomers: Sequence[Place]) -> dict[str, Deferral]:
    """The managers (by member id) that must stay for now: without them too few of the others would be left.

    A node whose former identity has to stay does not enter the swarm anew.
    Looked at in the order in which it happens: former identities are removed first, then managers join and are
    promoted, and last they are demoted. What is not up does not count, whatever the managers still believe of it.
    """
    stale = {member.id: place for place, member in stale_members(found, swarm) if member.role is Role.MANAGER}
    managers = {identity: up and identity not in stale for identity, up in managers_of(swarm).items()}
    waiting: dict[str, Deferral] = {}
    for identity, place in stale.items():
        managers = _depart(managers, identity, f"removing the former {place.name}", place.name, waiting)
    held = {deferral.subject for deferral in waiting.values()}
    managers |= {p.name: True for p in newcomers if p.config.role is Role.MANAGER and p.name not in held}
    moving = [(place, place.member) for place in found if place.view.reachable and place.member and changes_role(place)]
    managers |= {member.id: member.state == "ready" for place, member in moving if place.config.role is Role.MANAGER}
    for place, member in moving:
        if place.config.role is Role.WORKER:
            managers = _depart(managers, member.id, f"demoting {place.name}", place.name, waiting)
    return waiting


def _depart(
    managers: dict[str, bool], identity: str, what: str, name: str, waiting: dict[str, Deferral]
) -> dict[str, bool]:
    """The managers without this one, or, where they would lose their majority, as they are; that is put down."""
    after = without(managers, identity)
    if holds(managers) and holds(after):
        return after
    reason = f"{what} would leave {share(after)} in reach, which is no majority: it waits"
    waiting[identity] = Deferral(name, reason, "bring the other managers back, then run `lab up` again")
    return managers


def _held(place: Place, waiting: Mapping[str, Deferral]) -> Place:
    """A node that must stay a manager for now keeps that role; whatever else it needs is done all the same."""
    if place.member is None or place.member.id not in waiting:
        return place
    return replace(place, config=replace(place.config, role=place.member.role))


def joining(found: Sequence[Place], view: ClusterView, former: Collection[Place] = ()) -> tuple[Place, ...]:
    """The nodes that answer and are in no swarm, without the one that starts the swarm; managers first.

    With them those of a ``former`` swarm, which have to leave that before.
    """
    idle = [place for place in found if place.view.reachable and place.view.swarm is SwarmState.INACTIVE]
    outside = [place for place in found if place in idle or place in former]
    ordered = sorted(outside, key=lambda place: place.config.role is not Role.MANAGER)
    return tuple(ordered if view.swarm else ordered[1:])


def label_changes(config: NodeConfig, member: SwarmNode | None) -> tuple[dict[str, str], tuple[str, ...]]:
    """The labels to set on a member and the keys to remove from it, both empty where it is as wanted.

    Removed are only labels that we set before (:data:`OUR_LABELS`) and that are no longer in the inventory.
    """
    there = member.labels if member else {}
    target = dict(config.labels)
    if target:
        target[OUR_LABELS] = json.dumps(sorted(target))
    gone = [*_recorded(there), *([OUR_LABELS] if OUR_LABELS in there else [])]
    changed = {key: value for key, value in target.items() if there.get(key) != value}
    return changed, tuple(key for key in gone if key in there and key not in target)


def _recorded(labels: dict[str, str]) -> list[str]:
    """The label keys that we set on a member; none where somebody has damaged the record."""
    try:
        keys = json.loads(labels.get(OUR_LABELS, "[]"))
    except json.JSONDecodeError:
        return []
    return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []


def _first(inventory: Inventory) -> int:
    return inventory.nodes.index(inventory.managers[0])


def _via(found: Sequence[Place], swarm: SwarmView | None, inventory: Inventory) -> Place:
    """The manager that admits the others: the one that told us of the swarm, else the one that will start it."""
    name = swarm.seen_by if swarm else inventory.managers[0].name
    return next(place for place in found if place.name == name)


def _init(inventory: Inventory, place: Place) -> Step:
    address = advertised(place.config)
    data_path = place.config.data_path_addr or ""
    action = InitSwarm(place.name, address, data_path, inventory.swarm, labels={CLUSTER: inventory.name})
    summary = f"start the swarm on {place.name}, advertised as {address}"
    return Step(f"init {place.name}", action, summary, "no node is in a swarm yet")


def _leave(cluster: str, place: Place) -> Step:
    action = LeaveSwarm(place.name, force=True, cluster=cluster, former=place.view.node_id)
    summary = f"{place.name} leaves the swarm that it was in"
    return Step(f"leave {place.name}", action, summary, "we made that swarm, and its managers have left it")


def _removals(found: Sequence[Place], swarm: SwarmView, via: Place, waiting: Mapping[str, Deferral]) -> Iterator[Step]:
    for place, member in stale_members(found, swarm):
        if member.id in waiting:
            continue
        yield Step(
            f"remove member {member.id}",
            RemoveMember(member.id, member.hostname, via.name),
            f"remove the former {member.hostname} ({member.id}) from the list of members",
            f"it is {member.state}, and {place.name} now has another identity",
        )


def _joins(newcomers: Sequence[Place], via: Place, after: tuple[str, ...]) -> Iterator[Step]:
    """Managers join one after another, since each changes the quorum; workers all at once."""
    turn = after
    for place in newcomers:
        if place.config.role is Role.MANAGER:
            step = _join(place, via, turn)
            turn = (step.id,)
            yield step
        else:
            yield _join(place, via, after)


def _join(place: Place, via: Place, after: tuple[str, ...]) -> Step:
    """``remote_addr`` is "" where only the manager's engine can tell its address (the inventory names an interface)."""
    remote = f"{via.address}:{CLUSTER_PORT}" if via.address else ""
    action = JoinSwarm(
        place.name, place.config.role, via.name, remote, advertised(place.config), place.config.data_path_addr or ""
    )
    summary = f"join {place.name} as {place.config.role} through {via.name}"
    return Step(f"join {place.name}", action, summary, f"{place.name} is not in the swarm", after)


def _updates(found: Sequence[Place], entering: Sequence[Step], removals: Sequence[Step]) -> Iterator[Step]:
    """Labels and availability side by side; roles one after another, promotions before demotions.

    Roles wait for all that changes who is a manager: the majority was reckoned in that order.
    """
    entered = {_node(step): step.id for step in entering}
    turns = (*(step.id for step in removals), *entered.values())
    for place in sorted(found, key=_turn):
        own = (entered[place.name],) if place.name in entered else ()
        if not place.view.reachable or not (place.member or own):
            continue
        step = _update(place, turns if changes_role(place) else own)
        if step:
            yield step
            turns = (step.id,) if changes_role(place) else turns


def changes_role(place: Place) -> bool:
    """Whether a member has to be promoted or demoted."""
    return place.member is not None and place.member.role is not place.config.role


def _turn(place: Place) -> int:
    if not changes_role(place):
        return 0
    return 1 if place.config.role is Role.MANAGER else 2


def _node(step: Step) -> str:
    return step.action.node if isinstance(step.action, InitSwarm | JoinSwarm) else ""


def _differences(place: Place) -> Iterator[str]:
    """What a member has to change, each as a reason for a person."""
    member, config = place.member, place.config
    if member and changes_role(place):
        yield f"role: {member.role} → {config.role}"
    availability = member.availability if member else Availability.ACTIVE
    if availability is not config.availability:
        yield f"availability: {availability} → {config.availability}"
    there = member.labels if member else {}
    changed, gone = label_changes(config, member)
    for key, value in changed.items():
        if key != OUR_LABELS:
            yield f"label {key}: {there.get(key, '–')} → {value}"
    for key in gone:
        if key != OUR_LABELS:
            yield f"label {key}: {there[key]} → –"


def _update(place: Place, after: tuple[str, ...]) -> Step | None:
    labels, gone = label_changes(place.config, place.member)
    reasons = list(_differences(place))
    if not (labels or gone or reasons):
        return None
    reason = "; ".join(reasons) or "the note of which labels are ours is out of date"
    action = UpdateNode(place.name, place.config.role, place.config.availability, labels, gone)
    return Step(f"node {place.name}", action, f"update node {place.name}", reason, after)


def _left(found: Sequence[Place], waiting: Mapping[str, Deferral]) -> Iterator[Deferral]:
    for place in found:
        if not place.view.reachable:
            hint = place.view.problem.hint if place.view.problem else ""
            reason = f"cannot be reached ({why_unreachable(place.view)}): its steps are left out"
            yield Deferral(place.name, reason, hint or "run `lab up` again when it is back")
    yield from waiting.values()


def _notes(found: Sequence[Place], view: ClusterView) -> Iterator[str]:
    for place in found:
        if active(place) and place.member and place.member.state != "ready":
            yield f"{place.name} answers us, but the managers see it as {place.member.state}"
    if view.swarm:
        known = {place.member.id for place in found if place.member}
        known |= {member.id for _, member in stale_members(found, view.swarm)}
        for member in view.swarm.nodes:
            if member.id not in known:
                yield f"member {member.hostname} ({member.state}) is not in the inventory: left alone"
