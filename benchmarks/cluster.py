"""A whole lab: bringing it up (against doing it by hand), again, asking it, and what it takes of the memory."""

from __future__ import annotations

from collections.abc import Collection

import psutil

from benchmarks import baseline, byhand, loops, phases, snapshots
from benchmarks.workspace import Bench, clear
from orchestrator.providers.vm import processes
from orchestrator.providers.vm.golden import Golden

GROUPS = frozenset({"up", "phases", "noop", "verify", "checks", "memory", "snapshot"})
"""The benchmarks that need a running lab."""

COMPARED = frozenset({"up", "phases"})
"""Those of them that need the same lab by hand."""


def measure(bench: Bench, golden: Golden, wanted: Collection[str]) -> None:
    """One lab after the other, each serving all benchmarks that are wanted; by hand and by `lab` in turn."""
    several, by_hand = {"noop", "snapshot", *COMPARED}.intersection(wanted), COMPARED.intersection(wanted)
    for number in range(bench.runs if several else 1):
        with bench.part("a lab"):
            if by_hand and number % 2:
                _by_hand(bench, golden)
            _one_lab(bench, wanted, first=number == 0)
            if by_hand and not number % 2:
                _by_hand(bench, golden)


def _one_lab(bench: Bench, wanted: Collection[str], *, first: bool) -> None:
    with bench.timed("up"):
        done = bench.lab_document("up")
    for part, seconds in phases.parts(done).items():
        bench.take(f"part {part}", seconds)
    if "noop" in wanted:
        with bench.timed("up again"):
            bench.lab("up")
    if "verify" in wanted and first:
        loops.measure(bench)
    if "checks" in wanted and first:
        byhand.measure(bench)
    if "memory" in wanted:
        _memory(bench)
    if "snapshot" in wanted:
        with bench.part("snapshot"):
            snapshots.measure(bench)
    bench.lab("down")


def _by_hand(bench: Bench, golden: Golden) -> None:
    folder = bench.folder / "hand"
    folder.mkdir(mode=0o700)
    try:
        baseline.prepare(bench, golden, folder)
        with bench.timed("shell"):
            bench.laps("hand", str(baseline.SCRIPT), str(folder), title="the same by hand")
    finally:
        clear(folder)


def _memory(bench: Bench) -> None:
    pss, rss = memory(bench)
    bench.take("pss", pss)
    bench.take("rss", rss)


def memory(bench: Bench) -> tuple[float, float]:
    """Gigabytes (10⁹ bytes) of all processes of the lab together: shared pages counted once, and in each (PSS, RSS)."""
    infos = [psutil.Process(process.pid).memory_full_info() for process in processes.find(f"{bench.state}/")]
    return sum(info.pss for info in infos) / 1e9, sum(info.rss for info in infos) / 1e9
