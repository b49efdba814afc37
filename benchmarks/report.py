"""Results as a table for people, as Markdown for the documentation, and as a document for programs (and back). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

from benchmarks.figures import Benchmark, Result, Series

SCHEMA = 3
HEADINGS = ("benchmark", "figure: median (min–max)", "aim", "measured", "compared with", "runs")


@dataclass(frozen=True)
class Run:
    """What came of one run, on which machine; ``notes`` by benchmark are what no number tells."""

    results: Sequence[Result]
    machine: Mapping[str, str]
    notes: Mapping[str, str] = field(default_factory=dict)
    failures: Sequence[str] = ()


def table(run: Run) -> Table:
    """A table for a terminal: the aim is green where it is reached and red where it is not."""
    made = Table(show_lines=True)
    for heading in HEADINGS:
        made.add_column(heading, overflow="fold")
    colours = {True: "green", False: "red", None: ""}
    for result in run.results:
        name, figure, *rest = _cells(result)
        made.add_row(name, Text(figure, style=colours[result.met]), *(Text(cell) for cell in rest))
    for name, note in run.notes.items():
        made.add_row(name, Text(note))
    for failure in run.failures:
        made.add_row("failed", Text(failure, style="red"))
    return made


def markdown(run: Run) -> str:
    """The machine in a line, the results as a Markdown table, and the notes."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *(_cells(result) for result in run.results)]
    described = "; ".join(f"{key}: {value}" for key, value in run.machine.items())
    said = [f"{name}: {note}." for name, note in run.notes.items()]
    failed = [f"Failed, and not in the table: {failure}" for failure in run.failures]
    notes = [line for text in (*said, *failed) for line in ("", text)]
    return "\n".join([described, "", *(f"| {' | '.join(row)} |" for row in rows), *notes, ""])


def document(run: Run, taken: str) -> dict[str, Any]:
    """All results with all their values; ``taken`` is the time of the run as ISO 8601 has it."""
    return {
        "schema": SCHEMA,
        "taken": taken,
        "machine": dict(run.machine),
        "results": [_entry(result) for result in run.results],
        "notes": dict(run.notes),
        "failures": list(run.failures),
    }


def read(document: Mapping[str, Any]) -> Run:
    """The run that :func:`document` was made of. Raises ``ValueError`` for a document of another version."""
    if document.get("schema") != SCHEMA:
        raise ValueError(f"these are results of schema {document.get('schema')}; this version reads {SCHEMA}")
    results = [_result(entry) for entry in document["results"]]
    return Run(results, document["machine"], document["notes"], document["failures"])


def _result(entry: Mapping[str, Any]) -> Result:
    subject, baseline = entry["subject"], entry["baseline"]
    benchmark = Benchmark(
        entry["name"],
        entry["group"],
        "subject",
        subject["what"],
        subject["unit"],
        "baseline" if baseline else "",
        baseline["what"] if baseline else "",
        entry["aim"],
    )
    partner = Series(tuple(baseline["values"])) if baseline else None
    return Result(benchmark, Series(tuple(subject["values"])), partner)


def _entry(result: Result) -> dict[str, Any]:
    benchmark = result.benchmark
    baseline = result.baseline and {"what": benchmark.baseline, "unit": benchmark.unit, **_series(result.baseline)}
    return {
        "name": benchmark.name,
        "group": benchmark.group,
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
