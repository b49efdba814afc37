"""The command itself: what its start costs, and how long it builds a node image."""

from __future__ import annotations

import os
import resource
import subprocess

from benchmarks.workspace import LAB, Bench
from orchestrator.errors import EnvironmentProblem
from orchestrator.runtime import paths

COMPLETION = {"_LAB_COMPLETE": "complete_bash", "COMP_WORDS": "lab ", "COMP_CWORD": "1"}
"""What bash sets when one presses the tabulator key after ``lab``."""


def measure_start(bench: Bench) -> None:
    """Seconds of CPU of help and completion, after one start of each that does not count."""
    for key, arguments, environment in (("help", ["--help"], {}), ("completion", [], COMPLETION)):
        _start(arguments, environment)
        for _ in range(bench.runs):
            bench.context.check()
            bench.take(key, _start(arguments, environment))


def _start(arguments: list[str], environment: dict[str, str]) -> float:
    """Run `lab` to its end; user and system seconds of it and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [LAB, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or "verify" not in done.stdout:
        raise EnvironmentProblem(f"`lab {' '.join(arguments)}` does not name its commands", details=[done.stderr])
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure_image(bench: Bench) -> None:
    """Seconds to build a node image once, in a cache of its own."""
    cache = bench.folder / "cache"
    with bench.timed("image"):
        bench.lab("image", "build", environment=[f"{paths.CACHE_VARIABLE}={cache}"])
