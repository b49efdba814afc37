"""The nodes' part of a plan: who initialises the swarm, who joins, who changes role, availability or labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.model.inventory import Availability, Inventory, NodeConfig, Role
from orchestrator.model.labels import CLUSTER
from orchestrator.model.observed import ClusterView, SwarmNode, SwarmState, SwarmView
from orchestrator.model.plan import InitSwarm, JoinSwarm, RemoveMember, Step, UpdateNode
from orchestrator.planning.cluster import (
    CLUSTER_PORT,
    Place,
    active,
    advertised,
    places,
    stale_members,
    why_unreachable,
)

OUR_LABELS = "swarm-mesh-lab.labels"
"""Label of a member that lists (as JSON) the keys of the labels that we gave it: no others are ever removed."""


@dataclass(frozen=True)
class MemberSteps:
    """The steps for nodes; ``swarm`` are the ids of those after which there is a swarm to put objects into."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    swarm: tuple[str, ...]


def plan_members(inventory: Inventory, view: ClusterView) -> MemberSteps:
    """What makes every node that answers the wanted member. Assumes that nothing stands in the way."""
    found = places(inventory.nodes, view)
    starting = [] if view.swarm else [_init(inventory, found[_first(inventory)])]
    swarm = tuple(step.id for step in starting)
    via = _via(found, view.swarm, inventory)
    removals = list(_removals(found, view.swarm, via)) if view.swarm else []
    joins = list(_joins(joining(found, view), via, (*swarm, *(step.id for step in removals))))
    updates = list(_updates(found, [*starting, *joins]))
    steps = (*starting, *removals, *joins, *updates)
    return MemberSteps(steps, tuple(_notes(found, view)), swarm)


def joining(found: Sequence[Place], view: ClusterView) -> tuple[Place, ...]:
    """The nodes that answer and are in no swarm, without the one that starts the swarm; managers first."""
    outside = [place for place in found if place.view.reachable and place.view.swarm is SwarmState.INACTIVE]
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


def _removals(found: Sequence[Place], swarm: SwarmView, via: Place) -> Iterator[Step]:
    for place, member in stale_members(found, swarm):
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


def _updates(found: Sequence[Place], entering: Sequence[Step]) -> Iterator[Step]:
    """Labels and availability side by side; roles one after another, promotions before demotions."""
    entered = {_node(step): step.id for step in entering}
    turns = tuple(entered.values())
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


def _notes(found: Sequence[Place], view: ClusterView) -> Iterator[str]:
    for place in found:
        if not place.view.reachable:
            yield f"{place.name} cannot be reached ({why_unreachable(place.view)}): its steps are left out"
        elif active(place) and place.member and place.member.state != "ready":
            yield f"{place.name} answers us, but the managers see it as {place.member.state}"
    if view.swarm:
        known = {place.member.id for place in found if place.member}
        known |= {member.id for _, member in stale_members(found, view.swarm)}
        for member in view.swarm.nodes:
            if member.id not in known:
                yield f"member {member.hostname} ({member.state}) is not in the inventory: left alone"
