"""The real command, run as a person runs it: a process of its own, with its own state folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 900
SHOWN = 3000
"""Characters of what a command printed that a failed test repeats."""


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict:
        """The JSON document on standard output."""
        return json.loads(self.out)

    def ok(self, code: int = 0) -> Done:
        """Itself, if the exit code is ``code``; shows what was said otherwise, shortened: findings, then the end."""
        assert self.code == code, "\n".join(
            (
                f"exit code {self.code}, wanted {code}",
                f"--- stderr\n{self.err[-SHOWN:]}",
                f"--- stdout\n{self.out[-SHOWN:]}",
                *self._findings(),
            )
        )
        return self

    def _findings(self) -> list[str]:
        """Every verdict of ``lab verify -o json`` that is not ``pass``, with its reason."""
        try:
            report = self.document
        except ValueError:
            return []
        if "verdict" not in report:
            return []
        results = [*report.get("checks", ()), *(one for port in report.get("ports", ()) for one in port["checks"])]
        results += [one for lab in report.get("labs", ()) for one in lab["results"]]
        return [
            f"--- {one['check']}: {one['subject']}: {one['verdict']}: {one['reason']}"
            for one in results
            if one["verdict"] != "pass"
        ] + [f"--- note: {note}" for note in report.get("notes", ())]


@dataclass(frozen=True)
class Lab:
    """``lab`` with an inventory and a state folder of the test's own; the cache is the user's (images are large).

    ``path`` is what it finds programs in, ``variables`` what its environment has besides.
    """

    inventory: Path
    state: Path
    path: str = os.environ["PATH"]
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        own = {"LAB_STATE_DIR": str(self.state), "PATH": self.path, "NO_COLOR": "1", "COLUMNS": "120"}
        return {**os.environ, **own, **self.variables}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "orchestrator", "-i", str(self.inventory), *words]

    def run(self, *words: str) -> Done:
        done = subprocess.run(
            self.command(*words),
            env=self.environment(),
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def json(self, *words: str, code: int = 0) -> dict:
        return self.run(*words, "-o", "json").ok(code).document

    def verified(self, *words: str, code: int = 0) -> Done:
        """``lab verify``, again until it ends with ``code``: what was done by hand is not known to every node at once.

        That goes for what was undone by hand, too. Of a swarm in which two nodes have just joined, or one was cut off,
        one may wait 30 s for the gossip of the others.
        """
        for _ in range(6):
            done = self.run("verify", "-o", "json", *words)
            if done.code == code:
                break
        return done.ok(code)

    def shell(self, node: str, line: str) -> str:
        """What a shell line on a node prints."""
        return self.run("ssh", node, "--", line).ok().out

    @contextmanager
    def broken(self, node: str, breaking: str, healing: str) -> Iterator[None]:
        """A node on which a shell line has broken something, and another one heals it afterwards."""
        self.shell(node, breaking)
        try:
            yield
        finally:
            self.shell(node, healing)

    def interrupt(self, words: tuple[str, ...], at: str, number: signal.Signals) -> Done:
        """Run until progress shows ``at``, then send the signal; what came of it."""
        process = subprocess.Popen(
            self.command(*words),
            env=self.environment(),
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        said = []
        with process:
            for line in process.stderr:
                said.append(line)
                if re.search(at, line):
                    process.send_signal(number)
                    break
            else:
                raise AssertionError(f"{at!r} was never said:\n{''.join(said)}")
            said.append(process.stderr.read())
        return Done(process.returncode, "", "".join(said))

    def processes(self) -> list[str]:
        """Command lines of every process that names the state folder."""
        found = []
        for process in psutil.process_iter(["cmdline", "pid"]):
            words = process.info["cmdline"] or []
            if process.pid != os.getpid() and any(str(self.state) in word for word in words):
                found.append(" ".join(words)[:200])
        return found

    def files(self) -> list[str]:
        """What is left in the state folder."""
        return sorted(str(path.relative_to(self.state)) for path in self.state.rglob("*"))
