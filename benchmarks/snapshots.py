"""A running lab as files and back: saving it, and restoring it again and again, against bringing it up anew."""

from __future__ import annotations

import statistics
import time

from benchmarks.workspace import Bench
from orchestrator.runtime.snapshots import remove_snapshot

NAME = "bench"
REQUESTS = "4"
"""Requests per way when a restored lab is verified: enough for both tasks to be seen through every entry."""


def measure(bench: Bench) -> None:
    """Take the samples on the lab that was just brought up. Every restore has to verify, or none of them counts.

    The time of that `lab up` is a sample here as well: each of these has its partner, whatever became of other runs.
    """
    bench.take("up before", bench.samples["up"][-1])
    with bench.timed("save"):
        bench.lab("snapshot", "save", NAME)
    took = [_restore(bench) for _ in range(bench.options.restores)]
    bench.take("restore", statistics.median(took))
    bench.lab("down")
    with bench.timed("up from"):
        bench.lab("up", "--from", NAME)
    remove_snapshot(NAME)


def _restore(bench: Bench) -> float:
    """Restore and verify; seconds of the restore."""
    started = time.perf_counter()
    bench.lab("restore", NAME)
    took = time.perf_counter() - started
    bench.take("each restore", took)
    bench.lab("verify", "--requests", REQUESTS)
    return took
