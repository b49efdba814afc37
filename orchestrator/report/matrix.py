"""The matrix of one published port, and who answered through which node; of many nodes only what is not fine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from rich.console import RenderableType
from rich.text import Text

from orchestrator.model.outcome import VerifyOutcome
from orchestrator.model.probe import OPERATOR
from orchestrator.model.verdict import Cell, PortReport, Verdict
from orchestrator.report.console import MARKS, STYLES
from orchestrator.report.tables import folded
from orchestrator.report.words import count, latency

LOOPBACK = "127.0.0.1"

LARGE = 25
"""More vantages, nodes or tasks than a matrix can show: then it shows only what is not fine."""

SHOWN = 20
"""The most rows, columns and reasons that are shown of what is not fine."""


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


def matrix(port: PortReport, width: int) -> list[RenderableType]:
    """A row per vantage, a column per node that was asked, and the reasons of what failed."""
    rows: dict[str, dict[str, Cell]] = {}
    for cell in port.cells:
        rows.setdefault(cell.vantage, {})[column(cell)] = cell
    order = {name: place for place, name in enumerate(dict.fromkeys([*rows, *map(column, port.cells)]))}
    columns = sorted(dict.fromkeys(map(column, port.cells)), key=lambda name: (name == LOOPBACK, order[name]))
    if len(rows) <= LARGE:
        return _table(columns, rows, width, placed=True)
    bad = {name: row for name, row in rows.items() if any(map(_odd, row.values()))}
    odd = [name for name in columns if any(name in row and _odd(row[name]) for row in bad.values())]
    shown = dict(list(bad.items())[:SHOWN])
    parts: list[RenderableType] = [_summary(port, len(rows), len(bad))]
    parts += _table(odd[:SHOWN], shown, width, placed=False) if bad else []
    parts += _left(len(bad) - len(shown), "row") + _left(len(odd) - SHOWN, "column")
    return parts


def _left(number: int, what: str) -> list[RenderableType]:
    """How much is not shown."""
    told = f"   … and {count(number, f'more {what}')}; `-o json` has them all"
    return [Text(told, style="dim")] if number > 0 else []


def _odd(cell: Cell) -> bool:
    return cell.verdict is not Verdict.PASS


def _summary(port: PortReport, vantages: int, bad: int) -> Text:
    """What is not shown, because it is fine."""
    good = [cell for cell in port.cells if not _odd(cell)]
    times = [cell.latency_median for cell in good if cell.answered]
    slowest = max((cell.latency_max for cell in good if cell.answered), default=0.0)
    after = f"; answers after {latency(median(times))} (median), {latency(slowest)} at most" if times else ""
    ways = f"{len(good)} of {count(len(port.cells), 'way')}"
    return Text(f" fine: {vantages - bad} of {count(vantages, 'vantage')}, {ways}{after}")


def _table(
    columns: Sequence[str], rows: Mapping[str, Mapping[str, Cell]], width: int, *, placed: bool
) -> list[RenderableType]:
    """Cells and their reasons. With ``placed``, a reason says where it was met; else equal ones are told once."""
    notes: dict[str, int] = {}
    shown = {
        vantage: {name: _cell(cell, notes, placed=placed) for name, cell in row.items() if name in columns}
        for vantage, row in rows.items()
    }
    parts = folded("from ╲ to", columns, shown, width)
    parts += [Text(f"   [{number}] {reason}") for reason, number in list(notes.items())[:SHOWN]]
    return parts + _left(len(notes) - SHOWN, "reason")


def _cell(cell: Cell, notes: dict[str, int], *, placed: bool) -> Text:
    """One cell: mark and median latency, or mark, how many answered, and the number of the reason below."""
    if cell.verdict is Verdict.PASS:
        words = latency(cell.latency_median) if cell.answered else "closed"
    else:
        where = f"{cell.vantage} → {cell.entry} {cell.address}:{cell.port}"
        reason = cell.reason if cell.vantage in cell.reason or not placed else f"{where}: {cell.reason}"
        number = notes.setdefault(reason, len(notes) + 1)
        words = f"{cell.answered}/{cell.asked} [{number}]" if cell.asked else f"[{number}]"
    return Text(f"{MARKS[cell.verdict]} {words}", style=STYLES[cell.verdict])


def answers(port: PortReport, names: dict[str, str], width: int) -> list[RenderableType]:
    """Who answered how often through each entry, all vantages together."""
    rows: dict[str, dict[str, int]] = {}
    for cell in port.cells:
        row = rows.setdefault(cell.entry, {})
        for task, times in cell.tasks.items():
            row[task] = row.get(task, 0) + times
    tasks = sorted({task for row in rows.values() for task in row}, key=lambda task: (names.get(task, "~"), task))
    if not tasks:
        return []
    if len(rows) > LARGE or len(tasks) > LARGE:
        return [_answers_in_brief(rows, tasks)]
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


def _answers_in_brief(rows: Mapping[str, Mapping[str, int]], tasks: Sequence[str]) -> Text:
    each = [sum(row.get(task, 0) for row in rows.values()) for task in tasks]
    through = [len(row) for row in rows.values()]
    return Text(
        f" answers: of {count(len(tasks), 'task')}, {_range(each)} of each; "
        f"through each of {count(len(rows), 'node')} of {_range(through)} of them"
    )


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"
