"""The benchmark program on a real cluster, the cheapest part of it: it does its work. No time is asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.lab_command import PATIENCE, REPOSITORY

CHEAP = ("cli", "verify", "memory")
RESULTS = REPOSITORY / "build" / "benchmarks.json"
"""Kept, so that the figures of one run of CI can be laid beside those of another."""


def test_the_cheapest_benchmarks_measure_and_leave_nothing(workshop: Path) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    scratch = workshop / "b"
    scratch.mkdir()
    command = [sys.executable, "-m", "benchmarks", *CHEAP, "--runs", "1", "--json", str(RESULTS)]
    done = subprocess.run(
        command,
        env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    results = {one["name"]: one for one in json.loads(RESULTS.read_text())["results"]}
    assert set(results) == {
        "verify",
        "verify command",
        "cli help",
        "cli completion",
        "memory",
        "memory, unshared",
    }
    assert all(value > 0 for one in results.values() for value in one["figure"]["values"])
    assert all(one["subject"]["values"] for one in results.values())
    assert results["verify"]["baseline"]["values"]
    assert list(scratch.iterdir()) == []
