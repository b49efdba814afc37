"""The check ``scale``: scale a service to nothing and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from orchestrator.apply.alter import set_replicas
from orchestrator.apply.converge import await_service
from orchestrator.apply.site import Job
from orchestrator.checks.base import Item
from orchestrator.checks.scale import ScaleCheck
from orchestrator.errors import NodeError
from orchestrator.model.lab import Lab
from orchestrator.model.plan import AwaitService
from orchestrator.model.verdict import CheckReport, CheckResult, Verdict
from orchestrator.observe import observe
from orchestrator.runtime.context import Context
from orchestrator.usecases.checking import ask_until, run_checks
from orchestrator.usecases.connect import Hosts, connections
from orchestrator.usecases.experiments import Ground, answering_again, failure, judged_unasked, report, taking_back


def scale(ground: Ground, lab: Lab, check: ScaleCheck) -> CheckReport:
    """Scale a service to nothing and back."""
    with connections(ground.context, ground.provider, ground.inventory.nodes) as hosts:
        topology = ground.topology(hosts, lab)
        items = check.plan(topology)
        hindered = judged_unasked(check, items)
        live = topology.live_service(check.service)
        if hindered or live is None:
            return report(lab, check, hindered)
        name, replicas = live.spec.name, live.spec.replicas
        with ground.context.step(f"scale {name}", f"scale {name} to {check.to} and back to {replicas}") as progress:
            job = Job(ground.site(ground.context, hosts, check.within), progress)

            def undo(context: Context) -> None:
                set_replicas(ground.afresh(context), name, replicas)

            with taking_back(ground, f"scaling {name} back to {replicas}", undo):
                gone, down = _timed(lambda: _emptied(job, hosts, lab, check, name, items))
            back, up = _timed(lambda: _complete(ground, job, hosts, lab, check, name))
    line = f"nothing left of it after {down:.1f} s; scaled back, all of it answered after {up:.1f} s"
    return report(lab, check, [*gone, *back], (line,), {"gone": round(down, 3), "back": round(up, 3)})


def _emptied(
    job: Job, hosts: Hosts, lab: Lab, check: ScaleCheck, name: str, items: Sequence[Item]
) -> Sequence[CheckResult]:
    set_replicas(job.site, name, check.to)
    try:
        await_service(job, AwaitService(name))
    except NodeError as error:
        return [failure(check, f"{name} scaled to {check.to}", error)]
    return ask_until(job.context, hosts, lab, check, items).results


def _complete(ground: Ground, job: Job, hosts: Hosts, lab: Lab, check: ScaleCheck, name: str) -> Sequence[CheckResult]:
    subject = f"{name} scaled back"
    try:
        answering_again(ground, job, hosts, name)
    except NodeError as error:
        return [failure(check, subject, error)]
    view = observe(ground.context, hosts, ())
    names = replace(lab, checks=tuple(check.complete(ground.topology(hosts, lab))))
    known, _ = run_checks(ground.context, hosts, ground.inventory.nodes, view, [names])
    answers = CheckResult(check.kind, f"{subject}: every entry leads to every task", Verdict.PASS)
    return [answers, *(replace(result, check=check.kind) for one in known for result in one.results)]


def _timed(work: Callable[[], Sequence[CheckResult]]) -> tuple[Sequence[CheckResult], float]:
    started = time.monotonic()
    return work(), time.monotonic() - started
