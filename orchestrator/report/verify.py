"""The report of ``lab verify`` as text: a matrix, who answered, every check, one summary line."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from orchestrator.model.outcome import VerifyOutcome
from orchestrator.model.probe import Pairs, Sample
from orchestrator.model.verdict import CheckReport, CheckResult, Verdict
from orchestrator.report.console import MARKS, STYLES
from orchestrator.report.matrix import answers, matrix, task_names
from orchestrator.report.words import count, seconds

STORIES = 20
"""The most failures of one kind that are told one by one."""


def render_verify(outcome: VerifyOutcome, width: int) -> list[RenderableType]:
    """The whole report for a terminal of ``width`` columns."""
    parts: list[RenderableType] = []
    names = task_names(outcome)
    for port in outcome.report.ports:
        parts.append(Text(f"{port.service}  :{port.published}", style="bold"))
        parts += matrix(port, width)
        parts += answers(port, names, width)
        parts += _checks(port.checks)
        parts.append(Text())
    parts += _checks(outcome.report.checks)
    for lab in dict.fromkeys(report.lab for report in outcome.report.labs):
        parts.append(Text(lab, style="bold"))
        for report in outcome.report.labs:
            parts += _lab_check(report) if report.lab == lab else []
        parts.append(Text())
    parts += [Text.assemble(("· ", "dim"), note) for note in (*_sampled(outcome.report.sample), *outcome.notes)]
    parts.append(_summary(outcome))
    return parts


def _checks(checks: Sequence[CheckResult]) -> list[RenderableType]:
    """One line per kind of check, what is to be said of those that passed, the whole story of each that did not."""
    lines: list[RenderableType] = []
    for kind in dict.fromkeys(check.check for check in checks):
        same = [check for check in checks if check.check == kind]
        good = [check for check in same if check.verdict is Verdict.PASS]
        worst = next(
            (verdict for verdict in MARKS if verdict is not Verdict.PASS and any(c.verdict is verdict for c in same)),
            Verdict.PASS,
        )
        tally = f"{kind:<13}{len(good)} of {len(same)}"
        lines.append(Text.assemble((f"{MARKS[worst]} ", STYLES[worst]), tally))
        lines += [Text(f"    · {reason}", style="dim") for reason in dict.fromkeys(c.reason for c in good) if reason]
        lines += _stories(same)
    return lines


def _stories(checks: Sequence[CheckResult]) -> list[RenderableType]:
    """The whole story of each that did not pass, as far as anybody will read them."""
    told = [check for check in checks if check.verdict is not Verdict.PASS]
    lines = [line for check in told[:STORIES] for line in _story(check)]
    if len(told) > STORIES:
        lines.append(Text(f"    … and {len(told) - STORIES} more; `-o json` has them all", style="dim"))
    return lines


def _lab_check(report: CheckReport) -> list[RenderableType]:
    """One check of a lab file: how many of its subjects passed, what was measured, and what did not pass."""
    good = [result for result in report.results if result.verdict is Verdict.PASS]
    worst = next(
        (v for v in MARKS if v is not Verdict.PASS and any(r.verdict is v for r in report.results)), Verdict.PASS
    )
    tally = f"{report.kind:<13}{len(good)} of {len(report.results)}"
    waited = f" (after {seconds(report.waited)})" if report.waited else ""
    claims = (
        f"  [claim{'s' if len(report.claims) > 1 else ''} {', '.join(map(str, report.claims))}]"
        if report.claims
        else ""
    )
    title = f"  {report.title}" if report.title else ""
    first = Text.assemble((f"{MARKS[worst]} ", STYLES[worst]), tally, waited, (title, ""), (claims, "dim"))
    lines: list[RenderableType] = [first, *(Text(f"    {line}") for line in report.drawing)]
    return lines + _stories(report.results)


def _story(check: CheckResult) -> list[RenderableType]:
    at = f"  [look at {', '.join(check.nodes)}]" if check.nodes else ""
    first = Text.assemble(
        (f"    {MARKS[check.verdict]} ", STYLES[check.verdict]), f"{check.subject}: {check.reason}", (at, "bold")
    )
    return [first, Text(f"      {check.hint}", style="dim")] if check.hint else [first]


def _sampled(sample: Sample | None) -> list[str]:
    """What was asked of all that could be, where it was not all."""
    if sample is None or sample.pairs is Pairs.ALL:
        return []
    ways = f"{sample.ways} of {sample.all_ways} ways between {sample.vantages} vantages and {sample.entries} nodes"
    paths = f"{sample.paths} of {sample.all_paths} paths from a node to one with a task"
    return [f"a sample of the pairs ({sample.pairs}, seed {sample.seed}): {ways}, and {paths}; {sample.promise}"]


def _summary(outcome: VerifyOutcome) -> Text:
    report = outcome.report
    checks = report.every_check
    parts = []
    for verdict, word in ((Verdict.FAIL, "failed"), (Verdict.INCONCLUSIVE, "inconclusive"), (Verdict.PASS, "passed")):
        number = sum(check.verdict is verdict for check in checks)
        if number:
            parts.append(f"{number} {word}")
    found = ", ".join(parts) or "nothing was checked"
    size = f"{count(report.probes, 'probe')}, {count(report.requests, 'request')} in {seconds(report.seconds)}"
    line = f"{report.verdict.value.upper()}  cluster {report.cluster}: {found}; {size}"
    return Text(line, style=STYLES[report.verdict])
