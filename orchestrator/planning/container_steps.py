"""The plain containers' part of a plan: the steps for containers and bridges of each node, and what they wait for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from orchestrator.model.lab import PREDEFINED_NETWORKS, Container
from orchestrator.model.labels import LAB
from orchestrator.model.plan import (
    AwaitService,
    CreateBridge,
    CreateService,
    InitSwarm,
    JoinSwarm,
    LoadImage,
    RemoveBridge,
    RemoveContainer,
    RemoveNetwork,
    RemoveService,
    RunContainer,
    Step,
    UpdateService,
)
from orchestrator.planning.containers import NodeGoal
from orchestrator.planning.survey import Survey


def removal_id(node: str, name: str) -> str:
    """The id of the step that removes a container."""
    return f"remove container {node} {name}"


def container_removals(cluster: str, goals: Sequence[NodeGoal]) -> Iterator[Step]:
    """Everything that goes, before anything comes: it may hold ports, names and networks that others need."""
    for goal in goals:
        for name, reason in goal.leaving.items():
            action = RemoveContainer(goal.node, goal.live_containers[name].id, name, cluster)
            yield Step(removal_id(goal.node, name), action, f"remove container {name} on {goal.node}", reason)


def bridge_steps(cluster: str, goals: Sequence[NodeGoal]) -> Iterator[Step]:
    """Old bridges go once nothing of ours is on them, then the new ones come: they may take over addresses."""
    for goal in goals:
        node, gone = goal.node, tuple(f"remove bridge {goal.node} {name}" for name in goal.leaving_bridges)
        for name, reason in goal.leaving_bridges.items():
            action = RemoveBridge(node, goal.live_bridges[name].id, name, cluster)
            after = tuple(removal_id(node, user) for user in goal.leaving)
            yield Step(f"remove bridge {node} {name}", action, f"remove bridge {name} on {node}", reason, after)
        for name, reason in goal.coming_bridges.items():
            spec = goal.bridges[name]
            subnet = f" ({spec.subnet})" if spec.subnet else ""
            summary = f"create bridge {name}{subnet} on {node}"
            yield Step(f"bridge {node} {name}", CreateBridge(node, spec), summary, reason, gone)


def behind_removals(steps: Sequence[Step], goals: Sequence[NodeGoal]) -> list[Step]:
    """The steps for the swarm's objects, behind the containers that give up ports or are on networks that go."""
    going = [(goal.node, goal.live_containers[name]) for goal in goals for name in goal.leaving]
    publishers = [removal_id(node, live.name) for node, live in going if live.spec is None or live.spec.ports]
    behind: list[Step] = []
    for step in steps:
        more: list[str] = []
        if isinstance(step.action, CreateService | UpdateService) and step.action.spec.ports:
            more = publishers
        elif isinstance(step.action, RemoveNetwork):
            more = [removal_id(node, live.name) for node, live in going if step.action.name in live.networks]
        behind.append(replace(step, after=(*step.after, *more)))
    return behind


def run_steps(found: Survey, goals: Sequence[NodeGoal], others: Sequence[Step]) -> Iterator[Step]:
    """The containers that come, on each node those that end last; ``others`` are all steps before them."""
    for goal in goals:
        ordered = sorted(goal.coming, key=lambda name: goal.containers[name].ends)
        lasting = [_run_id(goal, name) for name in ordered if not goal.containers[name].ends]
        for name in ordered:
            spec = goal.containers[name]
            after = [*_needs(found, goal, spec, others)]
            if spec.ends:
                after += [*lasting, *_services_of_lab(found, spec, others)]
            summary = f"run container {name} on {goal.node}" + (" until it ends" if spec.ends else "")
            yield Step(
                _run_id(goal, name),
                RunContainer(goal.node, spec),
                summary,
                goal.coming[name],
                tuple(dict.fromkeys(after)),
            )


def _run_id(goal: NodeGoal, name: str) -> str:
    return f"container {goal.node} {name}"


def _needs(found: Survey, goal: NodeGoal, spec: Container, others: Sequence[Step]) -> Iterator[str]:
    """What every container waits for: its image, its network and, on an overlay, its node's membership, its ports."""
    references = {reference for reference, image in found.wanted.images.items() if image.id == spec.image}
    overlay = spec.network not in {*PREDEFINED_NETWORKS, *goal.bridges}
    network = f"network {spec.network}" if overlay else f"bridge {goal.node} {spec.network}"
    updated = {step.action.spec.name for step in others if isinstance(step.action, UpdateService)}
    for step in others:
        action = step.action
        match action:
            case LoadImage():
                needed = action.node == goal.node and action.reference in references
            case InitSwarm() | JoinSwarm():
                needed = overlay and action.node == goal.node
            case RemoveContainer():
                needed = action.node == goal.node
            case RemoveService():
                needed = bool(spec.ports)
            case AwaitService():
                needed = bool(spec.ports) and action.service in updated
            case _:
                needed = step.id == network
        if needed:
            yield step.id


def _services_of_lab(found: Survey, spec: Container, others: Sequence[Step]) -> Iterator[str]:
    """What shall end may be there to meet the ports of its lab's services: it comes after these."""
    names = {service.name for service in found.wanted.services if service.labels[LAB] == spec.labels[LAB]}
    for step in others:
        if isinstance(step.action, AwaitService) and step.action.service in names:
            yield step.id
