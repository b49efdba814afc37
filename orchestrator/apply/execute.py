"""Carry out a plan: each step as soon as those before it have succeeded, several at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from orchestrator.apply.pace import coming_services, next_step
from orchestrator.apply.site import Job, Site
from orchestrator.apply.steps import carry_out
from orchestrator.errors import LabError, NodeError, RefusedError
from orchestrator.model.image import LabImage
from orchestrator.model.observed import Problem
from orchestrator.model.plan import Plan, Step
from orchestrator.runtime.context import Context
from orchestrator.transport.base import Host


@dataclass(frozen=True)
class ApplyReport:
    """Ids of the steps that changed something, and of those that found nothing left to do, in order of their end."""

    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


@dataclass
class _Run:
    """A plan under way."""

    site: Site
    steps: dict[str, Step]
    fence: Callable[[Step], None]
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failures: dict[str, BaseException] = field(default_factory=dict)

    def carry_out(self, step: Step) -> bool:
        node = getattr(step.action, "node", "")
        self.fence(step)
        with self.site.context.step(step.id, step.summary, node=node, reason=step.reason) as progress:
            return carry_out(Job(self.site, progress), step.action)

    def coming(self, running: Collection[Step]) -> set[str]:
        """The services whose tasks are not all there yet."""
        done = {*self.changed, *self.unchanged}
        return coming_services(self.steps.values(), done | {step.id for step in running}, done | self.failures.keys())

    def finish(self, step: Step, future: Future[bool]) -> bool:
        """Write down how a step ended; whether those after it may start."""
        error = future.exception()
        if error is not None:
            self.failures[step.id] = error
            return False
        (self.changed if future.result() else self.unchanged).append(step.id)
        return True


def apply_plan(
    context: Context,
    plan: Plan,
    hosts: Mapping[str, Host | Problem],
    *,
    images: Mapping[str, LabImage],
    manager: str,
    workers: int = 8,
    converge_seconds: float = 240.0,
    fence: Callable[[Step], None] = lambda _: None,
) -> ApplyReport:
    """Carry out every step of ``plan``, at most ``workers`` at a time, and no more services coming up than nodes.

    ``images`` are the lab images by reference; ``manager`` is the node to ask first about the swarm (another one is
    asked where it is gone); ``converge_seconds`` is how long a service may take to come up; ``fence`` is called just
    before each step and raises what keeps it from being carried out. A failed step keeps
    those after it from starting, all others are carried out; then the failures are raised as one ``NodeError``
    (a single one as it is). Raises ``RefusedError`` for a plan with refusals, ``Interrupted`` when cancelled.
    """
    if plan.refusals:
        raise RefusedError("the plan must not be carried out", details=[one.reason for one in plan.refusals])
    run = _Run(Site(context, hosts, images, manager, converge_seconds), {step.id: step for step in plan.steps}, fence)
    sorter = TopologicalSorter({step.id: step.after for step in plan.steps})
    sorter.prepare()
    with ThreadPoolExecutor(workers, thread_name_prefix="apply") as pool:
        running: dict[Future[bool], Step] = {}
        ready: list[Step] = []
        while True:
            ready += [run.steps[step] for step in sorter.get_ready()]
            while step := next_step(ready, running.values(), run.coming(running.values()), len(hosts)):
                ready.remove(step)
                running[pool.submit(run.carry_out, step)] = step
            if not running:
                break
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            sorter.done(*(step.id for future in ended if run.finish(step := running.pop(future), future)))
    context.check()
    if run.failures:
        raise _combined(run)
    return ApplyReport(tuple(run.changed), tuple(run.unchanged))


def _combined(run: _Run) -> BaseException:
    """One error that tells all failures. A fault of our own is not dressed up as the node's."""
    for error in run.failures.values():
        if not isinstance(error, LabError):
            return error
    left = [step for step in run.steps if step not in {*run.changed, *run.unchanged, *run.failures}]
    errors = [error for error in run.failures.values() if isinstance(error, LabError)]
    if len(errors) == 1 and not left:
        return errors[0]
    details = [line for step, error in run.failures.items() for line in _lines(run.steps[step], error)]
    if left:
        details.append(f"not started because of that: {', '.join(left)}")
    hint = next((error.hint for error in errors if error.hint), "")
    count = "1 step" if len(errors) == 1 else f"{len(errors)} steps"
    return NodeError(f"{count} of {len(run.steps)} failed", node=errors[0].node, details=details, hint=hint)


def _lines(step: Step, error: BaseException) -> list[str]:
    if not isinstance(error, LabError):
        return []
    where = f"{error.node}: " if error.node else ""
    return [f"{step.id}: {where}{error.message}", *(f"  {line}" for line in error.details)]
