"""Carry out the checks of labs: look, ask, judge, and ask again what may still come right."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from orchestrator.checks.base import Check, Item, verdict_of
from orchestrator.checks.topology import Topology
from orchestrator.model.inventory import NodeConfig
from orchestrator.model.lab import Lab
from orchestrator.model.observed import ClusterView
from orchestrator.model.verdict import CheckReport, CheckResult, Verdict
from orchestrator.observe import observe
from orchestrator.observe.sandboxes import observe_sandboxes
from orchestrator.planning.cluster import places
from orchestrator.planning.doubt import unanswered
from orchestrator.runtime.context import Context
from orchestrator.transport.asking import ask
from orchestrator.usecases.connect import Hosts

PAUSE = 0.5
"""Seconds between two rounds of asking what has not passed."""


@dataclass
class _Run:
    """One check under way. ``open`` are the subjects that have not passed, ``done`` the results by subject.

    ``doubtful`` are those of ``open`` about which a question got no answer in the last round.
    """

    lab: Lab
    check: Check
    open: list[Item] = field(default_factory=list)
    doubtful: list[Item] = field(default_factory=list)
    done: dict[str, CheckResult] = field(default_factory=dict)
    waited: float = 0.0

    def plan(self, topology: Topology) -> None:
        """Take up what has not passed as things are now; subjects that are gone (a task was replaced) are forgotten."""
        items = {item.subject: item for item in self.check.plan(topology)}
        self.done = {subject: result for subject, result in self.done.items() if subject in items}
        passed = {subject for subject, result in self.done.items() if result.verdict is Verdict.PASS}
        self.open = [item for subject, item in items.items() if subject not in passed]

    def report(self) -> CheckReport:
        """What became of it."""
        title = self.check.title or ""
        return CheckReport(
            self.lab.name, self.check.kind, title, tuple(self.check.claims), tuple(self.done.values()), self.waited
        )


def topology_of(context: Context, hosts: Hosts, nodes: Sequence[NodeConfig], view: ClusterView, lab: Lab) -> Topology:
    """The lab as it stands now."""
    names = {service.name for service in lab.services}
    tasks = {task.id for task in (view.swarm.tasks if view.swarm else ()) if task.service in names}
    return Topology(lab, places(nodes, view), view, observe_sandboxes(context, hosts, view, tasks))


def run_checks(
    context: Context,
    hosts: Hosts,
    nodes: Sequence[NodeConfig],
    view: ClusterView,
    labs: Sequence[Lab],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[list[CheckReport], int]:
    """Carry out all checks of these labs that change nothing; their reports, and how many questions were asked.

    All are asked at once. What has not passed is looked at and asked again, as long as its check may wait. Where it may
    not, and a question got no answer in time, it is asked once more: with the others out of the way, a busy machine is
    no longer what keeps the answer back.
    """
    started = clock()
    runs = []
    for lab in labs:
        topology = topology_of(context, hosts, nodes, view, lab)
        for check in lab.checks:
            if not check.alters:
                runs.append(_Run(lab, check))
                runs[-1].plan(topology)
    asked = _round(context, hosts, runs)
    if again := [run for run in runs if run.doubtful and not run.check.within]:
        for run in again:
            run.open = run.doubtful
        asked += _round(context, hosts, again)
        for run in again:
            run.waited = clock() - started
    while waiting := [run for run in runs if run.open and clock() - started < run.check.within]:
        context.wait(PAUSE)
        fresh = observe(context, hosts, ())
        for run in waiting:
            run.plan(topology_of(context, hosts, nodes, fresh, run.lab))
        asked += _round(context, hosts, waiting)
        for run in waiting:
            run.waited = clock() - started
    return [run.report() for run in runs], asked


def ask_until(
    context: Context,
    hosts: Hosts,
    lab: Lab,
    check: Check,
    items: Sequence[Item],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> CheckReport:
    """Ask about these items, and again about those that have not passed, as long as the check may wait."""
    run, started = _Run(lab, check, list(items)), clock()
    _round(context, hosts, [run])
    while run.open and clock() - started < check.within:
        context.wait(PAUSE)
        _round(context, hosts, [run])
    return run.report()


def _round(context: Context, hosts: Hosts, runs: Sequence[_Run]) -> int:
    """Ask about all open subjects at once and judge them; those that pass are done."""
    questions = [question for run in runs for item in run.open for question in item.questions]
    replies = ask(context, questions, hosts)
    for run in runs:
        results = {item.subject: verdict_of(run.check, item, replies) for item in run.open}
        run.done |= results
        run.open = [item for item in run.open if results[item.subject].verdict is not Verdict.PASS]
        run.doubtful = [item for item in run.open if any(unanswered(replies[asked]) for asked in item.questions)]
    return len(replies)
