"""Results as a table for people, as Markdown for the documentation, and as a document for programs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from benchmarks.figures import Result, Series

SCHEMA = 1
HEADINGS = ("benchmark", "figure: median (min–max)", "aim", "measured", "compared with", "runs")


def table(results: Sequence[Result]) -> Table:
    """A table for a terminal: the aim is green where it is reached and red where it is not."""
    made = Table(show_lines=True)
    for heading in HEADINGS:
        made.add_column(heading, overflow="fold")
    colours = {True: "green", False: "red", None: ""}
    for result in results:
        name, figure, *rest = _cells(result)
        made.add_row(name, Text(figure, style=colours[result.met]), *(Text(cell) for cell in rest))
    return made


def markdown(results: Sequence[Result], machine: Mapping[str, str]) -> str:
    """The machine in a line and the results as a Markdown table."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *(_cells(result) for result in results)]
    described = "; ".join(f"{key}: {value}" for key, value in machine.items())
    return "\n".join([described, "", *(f"| {' | '.join(row)} |" for row in rows), ""])


def document(results: Sequence[Result], machine: Mapping[str, str], taken: str) -> dict[str, Any]:
    """All results with all their values; ``taken`` is the time of the run as ISO 8601 has it."""
    return {
        "schema": SCHEMA,
        "taken": taken,
        "machine": dict(machine),
        "results": [_entry(result) for result in results],
    }


def _entry(result: Result) -> dict[str, Any]:
    benchmark = result.benchmark
    baseline = result.baseline and {"what": benchmark.baseline, "unit": benchmark.unit, **_series(result.baseline)}
    return {
        "name": benchmark.name,
        "figure": {"unit": result.unit, **_series(result.figure)},
        "aim": benchmark.aim,
        "met": result.met,
        "subject": {"what": benchmark.subject, "unit": benchmark.unit, **_series(result.subject)},
        "baseline": baseline,
    }


def _series(series: Series) -> dict[str, Any]:
    return {"median": series.median, "min": series.low, "max": series.high, "values": list(series.values)}


def _cells(result: Result) -> tuple[str, ...]:
    benchmark = result.benchmark
    mark = {True: " ✓", False: " ✗", None: ""}[result.met]
    return (
        benchmark.name,
        _spread(result.figure, result.unit) + mark,
        "–" if benchmark.aim is None else f"≤ {benchmark.aim:g} {result.unit}",
        f"{benchmark.subject}: {_spread(result.subject, benchmark.unit)}",
        f"{benchmark.baseline}: {_spread(result.baseline, benchmark.unit)}" if result.baseline else "–",
        str(len(result.subject.values)),
    )


def _spread(series: Series, unit: str) -> str:
    return f"{series.median:.2f} {unit} ({series.low:.2f}–{series.high:.2f})"
