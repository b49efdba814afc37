"""A place of its own for every run: own state, the normal cache, and nothing left at the end."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.config.inventory import load_inventory
from orchestrator.images.debian import run_told
from orchestrator.model.inventory import Inventory
from orchestrator.providers.vm import processes
from orchestrator.runtime import paths
from orchestrator.runtime.context import Context

INVENTORY = Path(__file__).with_name("inventory.yaml")
LAB = str(Path(sys.executable).with_name("lab"))


@dataclass
class Bench:
    """One run of the program: where it works, what it measures on, and what it has measured so far."""

    context: Context
    folder: Path
    inventory: Inventory
    runs: int
    restores: int = 1
    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def state(self) -> Path:
        """The folder of all clusters of this run."""
        return self.folder / "state"

    @contextmanager
    def timed(self, key: str) -> Iterator[None]:
        """Take the seconds that the body needs as a sample, if it succeeds."""
        started = time.perf_counter()
        yield
        self.take(key, time.perf_counter() - started)

    def take(self, key: str, value: float) -> None:
        """Keep a sample and tell it."""
        self.samples[key].append(value)
        self.context.notice(f"{key}: {value:.2f}")

    def run(self, *command: str, title: str) -> None:
        """Run a command to its end, telling what it prints. Raises ``EnvironmentProblem`` where it fails."""
        with self.context.step(title, title) as progress:
            run_told(self.context, command, progress, hint="try that command alone")

    def lab(self, *arguments: str, environment: Sequence[str] = ()) -> None:
        """Run the installed ``lab`` on the benchmark's inventory; ``environment`` are assignments ``NAME=VALUE``."""
        command = [LAB, *arguments, "--inventory", str(self.inventory.path)]
        self.run("env", *environment, *command, title=f"lab {' '.join(arguments)}")


@contextmanager
def bench(context: Context, runs: int, restores: int = 1) -> Iterator[Bench]:
    """A fresh place. At its end every process that names it is ended and it is deleted, whatever happened."""
    before = os.environ.get(paths.STATE_VARIABLE)
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    made = Bench(context, folder, load_inventory(INVENTORY, os.environ).value, runs, restores)
    os.environ[paths.STATE_VARIABLE] = str(made.state)
    try:
        yield made
    finally:
        _restore(before)
        clear(folder)


def clear(folder: Path) -> None:
    """End every process that names the folder or something below it, then delete it."""
    processes.end(processes.find(f"{folder}/"))
    shutil.rmtree(folder, ignore_errors=True)


def _restore(before: str | None) -> None:
    if before is None:
        del os.environ[paths.STATE_VARIABLE]
    else:
        os.environ[paths.STATE_VARIABLE] = before
