"""What checks that change something have in common: whatever happens, the change is taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from orchestrator.apply.converge import await_service
from orchestrator.apply.site import Job, Site
from orchestrator.checks.base import Check, Item, verdict_of
from orchestrator.checks.topology import Topology
from orchestrator.errors import LabError
from orchestrator.model.inventory import Inventory, Role
from orchestrator.model.lab import Lab
from orchestrator.model.plan import AwaitService
from orchestrator.model.verdict import CheckReport, CheckResult, Verdict
from orchestrator.observe import observe
from orchestrator.providers.base import Provider
from orchestrator.runtime.context import Context
from orchestrator.usecases.answering import mesh_probes, tasks_due, wait_until_answering
from orchestrator.usecases.checking import topology_of
from orchestrator.usecases.connect import Hosts, reach


@dataclass(frozen=True)
class Ground:
    """Where experiments take place."""

    context: Context
    inventory: Inventory
    provider: Provider

    def site(self, context: Context, hosts: Hosts, patience: float = 240.0) -> Site:
        """For changes through a manager; ``patience`` is how long a service may take to converge, in seconds."""
        manager = next(node.name for node in self.inventory.nodes if node.role is Role.MANAGER)
        return Site(context, hosts, {}, manager, patience)

    def afresh(self, context: Context) -> Site:
        """As :meth:`site`, over connections that stand or are made anew."""
        return self.site(context, reach(context, self.provider, self.inventory.nodes))

    def topology(self, hosts: Hosts, lab: Lab) -> Topology:
        """The lab as it stands now."""
        view = observe(self.context, hosts, ())
        return topology_of(self.context, hosts, self.inventory.nodes, view, lab)


@contextmanager
def taking_back(ground: Ground, what: str, undo: Callable[[Context], None]) -> Iterator[None]:
    """Carry out ``undo`` after the body, whatever ends it: after Ctrl-C too, hence with a context of its own.

    Where ``undo`` fails the person is told at once, as the error may be lost behind another one.
    """
    try:
        yield
    finally:
        try:
            undo(Context(ground.context.emit))
        except LabError as error:
            reason = f"{what} failed: {error.message}; `lab up` puts it right"
            ground.context.notice(reason, level="warning", node=error.node)
            raise


def answering_again(ground: Ground, job: Job, hosts: Hosts, name: str) -> None:
    """Wait until a service has converged and every entry leads to each of its tasks. Raises ``NodeError``."""
    await_service(job, AwaitService(name))
    view = observe(job.context, hosts, ())
    asked = mesh_probes(ground.inventory.name, ground.inventory.nodes, view, (), hosts)
    mine = replace(asked, probes=tuple(probe for probe in asked.probes if probe.service == name))
    wait_until_answering(job.context, hosts, mine, tasks_due(view), deadline=job.site.converge_seconds)


def judged_unasked(check: Check, items: Sequence[Item]) -> list[CheckResult]:
    """The verdicts of items that say themselves why nothing can be tried."""
    return [verdict_of(check, item, {}) for item in items if item.problem or item.unasked]


def failure(check: Check, subject: str, error: LabError) -> CheckResult:
    """An error of a node as the verdict on what was tried."""
    reason = "; ".join([error.message, *error.details])
    return CheckResult(check.kind, subject, Verdict.FAIL, reason, error.hint, (error.node,) if error.node else ())


def report(
    lab: Lab, check: Check, results: Sequence[CheckResult], drawing: Sequence[str] = (), measured: object = None
) -> CheckReport:
    """What became of an experiment."""
    return CheckReport(
        lab.name, check.kind, check.title or "", tuple(check.claims), tuple(results), 0.0, tuple(drawing), measured
    )
