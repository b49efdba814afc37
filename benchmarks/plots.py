"""Plots of a run, as SVG for the documentation. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from benchmarks.charts import bars, curves
from benchmarks.figures import Result
from benchmarks.report import Run

Draw = Callable[[Sequence[Result]], str]


def plots(run: Run) -> dict[str, str]:
    """The SVG of each plot for which the run has results, by file name."""
    made: dict[str, Draw] = {"ratios.svg": _ratios, "phases.svg": _phases, "peers.svg": _peers, "scale.svg": _scale}
    made |= {f"{what}.svg": _traffic(what) for what in ("throughput", "latency")}
    drawn = {name: draw(run.results) for name, draw in made.items()}
    return {name: svg for name, svg in drawn.items() if svg}


def _ratios(results: Sequence[Result]) -> str:
    found = [one for one in results if one.baseline and one.benchmark.group not in {"phases", "traffic"}]
    labels = [one.benchmark.name for one in found]
    rows = {"ratio to what it is compared with, smaller is better": [one.figure.median for one in found]}
    return bars("Ratios within one run (1 is as fast as the other side)", labels, rows)


def _phases(results: Sequence[Result]) -> str:
    found = [one for one in results if one.benchmark.group == "phases" and one.baseline]
    labels = [one.benchmark.name.removeprefix("phase ") for one in found]
    return bars("Seconds of each phase", labels, {"lab up": _subjects(found), "by hand": _baselines(found)})


def _peers(results: Sequence[Result]) -> str:
    found = [one for one in results if one.benchmark.name.endswith(", whole job") and one.baseline]
    labels = [one.benchmark.group for one in found]
    rows = {"lab up, lab verify": _subjects(found), "the other": _baselines(found)}
    return bars("Seconds for the same job on the same nodes", labels, rows)


def _traffic(what: str) -> Draw:
    def draw(results: Sequence[Result]) -> str:
        found = [one for one in results if one.benchmark.name.startswith(f"{what}, ")]
        labels = [one.benchmark.name.removeprefix(f"{what}, ") for one in found]
        unit = found[0].benchmark.unit if found else ""
        return bars(f"{what.capitalize()} of each way to a task", labels, {unit: _subjects(found)})

    return draw


def _scale(results: Sequence[Result]) -> str:
    found = {one.benchmark.name: one for one in results if one.benchmark.group == "scale"}
    sizes = [name.split()[1].strip(",") for name in found if name.endswith(", up")]

    def values(what: str) -> Iterator[float | None]:
        for size in sizes:
            one = found.get(f"scale {size}, {what}")
            yield one.subject.median if one else None

    rows = {
        "lab up, seconds for each node added": list(values("up")),
        "lab verify, seconds": list(values("verify")),
    }
    return curves("Nodes of one cluster on one machine", sizes, rows)


def _subjects(results: Sequence[Result]) -> list[float]:
    return [one.subject.median for one in results]


def _baselines(results: Sequence[Result]) -> list[float]:
    return [one.baseline.median for one in results if one.baseline]
