"""How much may start at once: a node that starts many containers at a time answers nobody meanwhile.

Its heartbeats come too late then, the managers take it for down and start its tasks elsewhere, which makes it worse.
Plain containers come after the services: the engine asks a manager to attach one to an overlay, for 20 s at most.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from orchestrator.model.plan import AwaitService, CreateService, RunContainer, Step, UpdateService

CONTAINERS_PER_NODE = 2
"""How many plain containers start at once on one node."""


def next_step(ready: Sequence[Step], running: Collection[Step], coming: Collection[str], services: int) -> Step | None:
    """The step to start now, the first that may, containers last; ``None`` to wait for one that runs.

    ``coming`` are services whose tasks are not all there yet, of which there may be ``services`` (one at least). Where
    nothing runs something is started in any case.
    """
    for step in sorted(ready, key=lambda step: isinstance(step.action, RunContainer)):
        if _may_start(step, running, coming, services):
            return step
    return ready[0] if ready and not running else None


def _may_start(step: Step, running: Collection[Step], coming: Collection[str], services: int) -> bool:
    match step.action:
        case CreateService() | UpdateService():
            return len(coming) < services
        case RunContainer(node=node):
            starting = [one.action for one in running if isinstance(one.action, RunContainer)]
            return not coming and sum(action.node == node for action in starting) < CONTAINERS_PER_NODE
        case _:
            return True


def coming_services(steps: Collection[Step], started: Collection[str], ended: Collection[str]) -> set[str]:
    """Services that were created or updated, or are about to be, and that a step of the plan waits for.

    ``started`` are the ids of steps that run or have succeeded, ``ended`` of those that run no more.
    """
    awaited = {step.action.service for step in steps if isinstance(step.action, AwaitService) and step.id not in ended}
    return {
        step.action.spec.name
        for step in steps
        if isinstance(step.action, CreateService | UpdateService)
        and step.id in started
        and step.action.spec.name in awaited
    }
