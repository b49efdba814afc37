"""The report of ``lab verify`` as text: a matrix, who answered, every check, one summary line."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from orchestrator.model.outcome import VerifyOutcome
from orchestrator.model.probe import OPERATOR
from orchestrator.model.verdict import Cell, CheckReport, CheckResult, PortReport, Verdict
from orchestrator.report.console import MARKS, STYLES
from orchestrator.report.tables import folded
from orchestrator.report.words import count, latency, seconds

LOOPBACK = "127.0.0.1"


def render_verify(outcome: VerifyOutcome, width: int) -> list[RenderableType]:
    """The whole report for a terminal of ``width`` columns."""
    parts: list[RenderableType] = []
    names = task_names(outcome)
    for port in outcome.report.ports:
        parts.append(Text(f"{port.service}  :{port.published}", style="bold"))
        parts += _matrix(port, width)
        parts += _answers(port, names, width)
        parts += _checks(port.checks)
        parts.append(Text())
    parts += _checks(outcome.report.checks)
    for lab in dict.fromkeys(report.lab for report in outcome.report.labs):
        parts.append(Text(lab, style="bold"))
        for report in outcome.report.labs:
            parts += _lab_check(report) if report.lab == lab else []
        parts.append(Text())
    parts += [Text.assemble(("· ", "dim"), note) for note in outcome.notes]
    parts.append(_summary(outcome))
    return parts


def task_names(outcome: VerifyOutcome) -> dict[str, str]:
    """Task ids as people know them: ``1 on n2`` (slot and node), as far as the answers told it."""
    names = {}
    for observation in outcome.observations:
        answer = observation.answer
        if answer.task and answer.node:
            names[answer.task] = f"{answer.slot} on {answer.node}" if answer.slot else f"on {answer.node}"
    return names


def column(cell: Cell) -> str:
    """The matrix column of a cell: its entry node, or loopback for a node that asks itself there.

    The operator may reach every node by a forwarded port on its own loopback: that is still the node's column.
    """
    own = cell.vantage != OPERATOR and cell.address.startswith("127.")
    return LOOPBACK if own else cell.entry


def _matrix(port: PortReport, width: int) -> list[RenderableType]:
    columns = sorted(dict.fromkeys(column(cell) for cell in port.cells), key=lambda name: name == LOOPBACK)
    notes: dict[str, int] = {}
    rows: dict[str, dict[str, Text]] = {}
    for cell in port.cells:
        rows.setdefault(cell.vantage, {})[column(cell)] = _cell(cell, notes)
    parts = folded("from ╲ to", columns, rows, width)
    return parts + [Text(f"   [{number}] {reason}") for reason, number in notes.items()]


def _cell(cell: Cell, notes: dict[str, int]) -> Text:
    """One cell: mark and median latency, or mark, how many answered, and the number of the reason below."""
    if cell.verdict is Verdict.PASS:
        words = latency(cell.latency_median) if cell.answered else "closed"
    else:
        where = f"{cell.vantage} → {cell.entry} {cell.address}:{cell.port}"
        reason = cell.reason if cell.vantage in cell.reason else f"{where}: {cell.reason}"
        number = notes.setdefault(reason, len(notes) + 1)
        words = f"{cell.answered}/{cell.asked} [{number}]" if cell.asked else f"[{number}]"
    return Text(f"{MARKS[cell.verdict]} {words}", style=STYLES[cell.verdict])


def _answers(port: PortReport, names: dict[str, str], width: int) -> list[RenderableType]:
    """Who answered how often through each entry, all vantages together."""
    rows: dict[str, dict[str, int]] = {}
    for cell in port.cells:
        row = rows.setdefault(cell.entry, {})
        for task, times in cell.tasks.items():
            row[task] = row.get(task, 0) + times
    tasks = sorted({task for row in rows.values() for task in row}, key=lambda task: (names.get(task, "~"), task))
    if not tasks:
        return []
    titles = _titles(tasks, names)
    shown = {
        f"via {entry}": {
            title: Text(str(row.get(task, 0)), style="" if row.get(task) else "yellow")
            for task, title in zip(tasks, titles, strict=True)
        }
        for entry, row in rows.items()
    }
    return [Text(), *folded("answers of", titles, shown, width), Text()]


def _titles(tasks: Sequence[str], names: dict[str, str]) -> list[str]:
    """A column title per task; two tasks may have had the same slot, one after the other."""
    titles = [names.get(task, task[:12]) for task in tasks]
    return [
        f"{title} ({task[:6]})" if titles.count(title) > 1 else title for task, title in zip(tasks, titles, strict=True)
    ]


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
        for check in same:
            if check.verdict is not Verdict.PASS:
                lines += _story(check)
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
    return lines + [line for result in report.results if result.verdict is not Verdict.PASS for line in _story(result)]


def _story(check: CheckResult) -> list[RenderableType]:
    at = f"  [look at {', '.join(check.nodes)}]" if check.nodes else ""
    first = Text.assemble(
        (f"    {MARKS[check.verdict]} ", STYLES[check.verdict]), f"{check.subject}: {check.reason}", (at, "bold")
    )
    return [first, Text(f"      {check.hint}", style="dim")] if check.hint else [first]


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
