"""How large a real cluster this machine carries: nodes are added to one lab until something gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.cluster import memory
from benchmarks.figures import STEP
from benchmarks.workspace import Bench
from orchestrator.errors import EnvironmentProblem
from orchestrator.runtime.paths import write_atomic

GROUP = "scale"
RESERVE = 1.5
"""GiB that one more node may need: with less left nothing is added, or the kernel would choose what to kill."""


def measure(bench: Bench) -> None:
    """Grow a cluster by :data:`STEP` nodes at a time, up to as many as asked for; a note says what gave, and when.

    It grows on where `lab verify` does not pass, and ends where `lab up` fails or memory may run out.
    """
    gave: list[str] = []
    before = 0
    grown: Bench | None = None
    for size in sizes(bench.options.nodes):
        short = shortage(psutil.virtual_memory().available / 1024**3, size - before)
        if short:
            gave.append(f"more than {before} nodes were not tried: {short}")
            break
        grown = bench.on(_inventory(bench, size))
        try:
            _up(grown, size, size - before)
        except EnvironmentProblem as problem:
            gave.append(f"with {size} nodes `lab up` failed: {reason(problem)}")
            break
        before = size
        try:
            _verify(grown, size)
        except EnvironmentProblem as problem:
            gave.append(f"with {size} nodes `lab verify` did not pass: {reason(problem)}")
    bench.notes[GROUP] = "; ".join([f"{before} nodes came up", *(gave or ["nothing gave"])])
    if grown:
        grown.lab("down")


def sizes(most: int) -> Iterator[int]:
    """3, 6, 9 … up to ``most``, and ``most`` itself. Pure."""
    yield from range(STEP, most, STEP)
    yield most


def shortage(available: float, more: int) -> str:
    """Why ``more`` nodes do not fit into so many GiB of free memory; "" where they do. Pure."""
    needed = more * RESERVE
    return f"{available:.1f} GiB of memory are free, {needed:.1f} might be needed" if available < needed else ""


def reason(problem: EnvironmentProblem) -> str:
    """The first that the failed command said of itself. Pure."""
    return next(iter(problem.details), problem.message)


def _up(bench: Bench, size: int, added: int) -> None:
    with bench.timed(f"{size} nodes up"):
        bench.lab_document("up")
    bench.take(f"{size} nodes, each", bench.samples[f"{size} nodes up"][-1] / added)
    bench.take(f"{size} nodes memory", memory(bench)[0] / size)


def _verify(bench: Bench, size: int) -> None:
    with bench.timed(f"{size} nodes verify"):
        bench.lab_document("verify", "--look-only")


def _inventory(bench: Bench, size: int) -> Path:
    """The inventory of the run with so many nodes, one of them a manager, as a file."""
    nodes = [f"  - {{name: n{number + 1}, role: {'worker' if number else 'manager'}}}" for number in range(size)]
    labs = [f"  - {lab.resolve()}" for lab in bench.inventory.labs]
    lines = [f"name: {bench.inventory.name}", "provider: vm", "nodes:", *nodes, "labs:", *labs, ""]
    path = bench.folder / "scale.yaml"
    write_atomic(path, "\n".join(lines).encode())
    return path
