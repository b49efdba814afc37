"""A place of its own for every run: own state, the normal cache, and nothing left at the end."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.config.inventory import load_inventory
from orchestrator.errors import EnvironmentProblem, Interrupted, LabError
from orchestrator.images.debian import run_told
from orchestrator.model.inventory import Inventory
from orchestrator.providers.vm import processes
from orchestrator.runtime import paths
from orchestrator.runtime.context import Context

INVENTORY = Path(__file__).with_name("inventory.yaml")
LAB = str(Path(sys.executable).with_name("lab"))
_REASONS = 5
"""How many details of its error tell why a part failed."""

LAP = "lap: "
"""How a script by hand says that a part of its work begins."""


@dataclass(frozen=True)
class Options:
    """What a person asked for.

    ``runs`` is how often each side is measured, ``restores`` how often each snapshot is restored, ``nodes`` up to how
    many nodes the cluster of ``scale`` may grow.
    """

    runs: int
    restores: int = 1
    nodes: int = 6


@dataclass
class Bench:
    """One run of the program: where it works, what it measures on, and what it has measured so far.

    ``notes`` are sentences that belong to the results, by benchmark: what no number tells. ``failures`` tell why parts
    of the run were given up.
    """

    context: Context
    folder: Path
    inventory: Inventory
    options: Options
    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def runs(self) -> int:
        """How often each side is measured."""
        return self.options.runs

    def on(self, inventory: Path) -> Bench:
        """The same run, measuring on the nodes of another inventory file."""
        return replace(self, inventory=load_inventory(inventory, os.environ).value)

    @property
    def state(self) -> Path:
        """The folder of all clusters of this run."""
        return self.folder / "state"

    def shelf(self, name: str) -> Path:
        """The folder of another lab, beside that of the inventory."""
        return self.inventory.labs[0].parent / name

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What can fail without an end to the run: then nothing that it measured counts, and its clusters are gone."""
        before = {key: len(values) for key, values in self.samples.items()}
        try:
            yield
        except Interrupted:
            raise
        except LabError as error:
            for key, values in self.samples.items():
                del values[before.get(key, 0) :]
            clear(self.state)
            failure = f"{name}: {'; '.join([error.message, *error.details[:_REASONS]])}"
            self.failures.append(failure)
            self.context.notice(failure, level="warning")

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

    def run(self, *command: str, title: str, told: Callable[[str], None] = lambda _line: None) -> None:
        """Run a command to its end, telling what it prints (``told`` gets each line of it as well).

        Raises ``EnvironmentProblem`` where it fails.
        """
        with self.context.step(title, title) as progress:

            def tell(message: str, fraction: float = -1.0) -> None:
                told(message)
                progress(message, fraction)

            run_told(self.context, command, tell, hint="try that command alone")

    def laps(self, prefix: str, *command: str, title: str) -> None:
        """Run a script that says where each part of its work begins; the seconds of each become ``PREFIX PART``."""
        begun: list[tuple[str, float]] = []

        def told(line: str) -> None:
            if line.startswith(LAP):
                begun.append((line.removeprefix(LAP), time.perf_counter()))

        self.run(*command, title=title, told=told)
        ends = [moment for _, moment in begun[1:]] + [time.perf_counter()]
        for (part, start), end in zip(begun, ends, strict=True):
            self.take(f"{prefix} {part}", end - start)

    def document(self, *command: str, title: str) -> Any:  # noqa: ANN401 (JSON has no narrower type)
        """Run a command that prints one JSON document. Raises ``EnvironmentProblem`` with what it printed."""
        file = self.folder / "document.json"
        try:
            self.run("sh", "-c", 'out=$1; shift; exec "$@" > "$out"', "sh", str(file), *command, title=title)
        except EnvironmentProblem as problem:
            said = reasons(file.read_text()) if file.exists() else []
            raise EnvironmentProblem(
                f"{title} failed: {problem.message}", details=[*said, *problem.details], hint=problem.hint
            ) from problem
        return json.loads(file.read_text())

    def lab(self, *arguments: str, environment: Sequence[str] = ()) -> None:
        """Run the installed ``lab`` on the benchmark's inventory; ``environment`` are assignments ``NAME=VALUE``."""
        command = [LAB, *arguments, "--inventory", str(self.inventory.path)]
        self.run("env", *environment, *command, title=f"lab {' '.join(arguments)}")

    def lab_document(self, *arguments: str) -> Any:  # noqa: ANN401 (JSON has no narrower type)
        """The document of a command of ``lab`` on the benchmark's inventory."""
        command = [LAB, *arguments, "--inventory", str(self.inventory.path), "--output", "json"]
        return self.document(*command, title=f"lab {' '.join(arguments)}")


@contextmanager
def bench(context: Context, options: Options) -> Iterator[Bench]:
    """A fresh place. At its end every process that names it is ended and it is deleted, whatever happened."""
    before = os.environ.get(paths.STATE_VARIABLE)
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    made = Bench(context, folder, load_inventory(INVENTORY, os.environ).value, options)
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


def reasons(text: str) -> list[str]:
    """What a failed command printed: the error or the checks that did not pass, else its last lines. Pure."""
    try:
        document = json.loads(text)
    except ValueError:
        return text.splitlines()[-40:]
    if "error" in document:
        return [document["error"]["message"], *document["error"]["details"]]
    if "verdict" not in document:
        return []
    of_ports = (check for port in document["ports"] for check in port["checks"])
    of_labs = (check for lab in document["labs"] for check in lab["results"])
    checks = (check for check in (*document["checks"], *of_ports, *of_labs) if check["verdict"] != "pass")
    return [f"{one['check']} of {one['subject']}: {one['reason']}" for one in checks]


def _restore(before: str | None) -> None:
    if before is None:
        del os.environ[paths.STATE_VARIABLE]
    else:
        os.environ[paths.STATE_VARIABLE] = before
