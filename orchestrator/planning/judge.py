"""What the observations of ``lab verify`` mean: a matrix and a list of checks for every published port."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.model.lab import PublishMode
from orchestrator.model.labels import LAB
from orchestrator.model.observed import ClusterView
from orchestrator.model.probe import Expectation, Observation
from orchestrator.model.verdict import CheckResult, PortReport, Verdict
from orchestrator.planning.checks import (
    coverage_check,
    entry_check,
    identity_check,
    mesh_checks,
    share_check,
    uncovered_check,
)
from orchestrator.planning.probes import ProbePlan
from orchestrator.planning.scene import Scene, scene
from orchestrator.planning.tally import Way, by_entry, cell, tally


def judge(
    plan: ProbePlan, observations: Sequence[Observation], view: ClusterView, *, tolerance: float = 0.2
) -> tuple[PortReport, ...]:
    """Judge every published port that was asked.

    ``view`` is the cluster as it was when the probes were planned. ``tolerance`` is how far a task's share of the
    answers may be from even, relative to an even share. What a dead vantage could not ask is inconclusive and never a
    failure of the target; whatever else is not as expected is a failure.
    """
    ports: dict[tuple[str, int], list[Way]] = {}
    for way in tally(plan.probes, observations):
        ports.setdefault((way.probe.service, way.probe.published), []).append(way)
    return tuple(_port(service, port, ways, view, tolerance) for (service, port), ways in ports.items())


def _port(service: str, port: int, ways: Sequence[Way], view: ClusterView, tolerance: float) -> PortReport:
    live = next((found for found in (view.swarm.services if view.swarm else ()) if found.spec.name == service), None)
    mesh = live is None or all(p.mode is PublishMode.INGRESS for p in live.spec.ports if p.published == port)
    found = scene(view, service, port, ways, mesh=mesh)
    checks = [*mesh_checks(found)]
    if not found.anonymous:
        checks += _entry_checks(found, view, tolerance)
    order = {"mesh": 0, "publish-mode": 0, "identity": 1, "coverage": 2, "share": 3, "entry": 4}
    return PortReport(
        lab=live.spec.labels.get(LAB, "") if live else "",
        service=service,
        published=port,
        cells=tuple(cell(way) for way in ways),
        checks=tuple(sorted(checks, key=lambda check: order[check.check])),
    )


def _entry_checks(found: Scene, view: ClusterView, tolerance: float) -> Iterator[CheckResult]:
    """What the answers through each entry tell; where there are none, the mesh check has said all.

    Shares say something only where every task has answered. A port in host mode has neither coverage nor shares nor
    an ingress address.
    """
    ingress = {seen.name: seen.ingress_address for seen in view.nodes if seen.ingress_address}
    for entry, ways in by_entry(found.ways).items():
        if ways[0].probe.expect is Expectation.REFUSED or not any(way.answers for way in ways):
            continue
        yield identity_check(found, entry, ways, view)
        if not found.mesh:
            continue
        yield from _task_checks(found, entry, ways, tolerance)
        yield entry_check(found, entry, ways, ingress)


def _task_checks(found: Scene, entry: str, ways: Sequence[Way], tolerance: float) -> Iterator[CheckResult]:
    """Which tasks answered through an entry, and how often, where enough was to be asked to tell."""
    if not found.planned(entry):
        return
    if found.thin(entry):
        yield uncovered_check(found, entry)
        return
    covered = coverage_check(found, entry, ways)
    yield covered
    if covered.verdict is Verdict.PASS and found.tasks:
        yield share_check(found, entry, ways, tolerance)
