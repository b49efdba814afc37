"""What the operator's side takes for many hosts: time, CPU, memory and threads of observing and of verifying."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from benchmarks.figures import SIZES
from benchmarks.workspace import Bench
from orchestrator.errors import EnvironmentProblem

GROUP = "fanout"
PLAN = "nodes"
"""The plan of pairs that every size is verified with: what is asked then grows as the hosts and the tasks do."""

LOOK = 0.05
"""Seconds between two looks at how many threads there are."""


def measure(bench: Bench, sizes: tuple[int, ...] = SIZES) -> None:
    """Take all samples, size by size, so that each run of a size follows the one before on the same hosts."""
    from benchmarks.simulated import simulated

    for size in sizes:
        folder = bench.folder / f"hosts-{size}"
        folder.mkdir(mode=0o700)
        with simulated(folder, size, size):
            for _ in range(bench.runs):
                for what in ("observe", "verify"):
                    with bench.context.step(f"{what} {size}", f"{what} {size} simulated hosts"):
                        _take(bench, f"{what} {size}", size, operate(bench, what, folder))


def _take(bench: Bench, key: str, size: int, told: Mapping[str, Any]) -> None:
    bench.take(key, told["seconds"])
    bench.take(f"{key} memory", told["memory"])
    bench.take(f"{key} threads", told["threads"])
    bench.take(f"{key} cpu", told["cpu"])
    bench.take(f"{key} cpu per host", 1000 * told["cpu"] / size)
    bench.take(f"{key} memory per host", (told["memory"] - told["memory before"]) / size)
    bench.take(f"{key} logins", size / told["phases"]["connect"])


def operate(bench: Bench, what: str, folder: Path) -> dict[str, Any]:
    """What the operator's side tells of itself, and the most threads that it had. Raises ``EnvironmentProblem``."""
    command = [sys.executable, "-m", "benchmarks.operator_side", what, str(folder), PLAN]
    threads = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        seen = psutil.Process(process.pid)
        try:
            while process.poll() is None:
                bench.context.wait(LOOK)
                threads = max(threads, _threads(seen))
        finally:
            process.kill()
        assert process.stdout is not None  # noqa: S101 (a pipe)
        said = process.stdout.read()
    if process.returncode:
        raise EnvironmentProblem(f"the operator's side failed at `{what}`", hint="what it said stands above")
    return {**json.loads(said), "threads": threads}


def _threads(process: psutil.Process) -> int:
    try:
        return process.num_threads()
    except psutil.Error:
        return 0
