"""A running QEMU, spoken to through its QMP socket and its folder."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import EnvironmentProblem
from orchestrator.providers.vm import processes, qmp
from orchestrator.providers.vm.files import MANAGEMENT_ADDRESS
from orchestrator.providers.vm.machine import CONSOLE, LOG, SOCKET, MachineSpec, command_line
from orchestrator.providers.vm.rescue import BUSY
from orchestrator.providers.vm.sockets import listens
from orchestrator.runtime.context import Context

_FORWARD = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)")
_IGNORE_SHARED: qmp.Command = (
    "migrate-set-capabilities",
    {"capabilities": [{"capability": "x-ignore-shared", "state": True}]},
)
_WHOLE_MEMORY: qmp.Command = (
    "migrate-set-capabilities",
    {"capabilities": [{"capability": "x-ignore-shared", "state": False}]},
)
_AT_FULL_SPEED: qmp.Command = ("migrate-set-parameters", {"max-bandwidth": 1 << 40})
_POLL = 0.02


@dataclass(frozen=True)
class Running:
    """A QEMU process whose working directory is ``folder``; ``name`` is for messages."""

    name: str
    folder: Path

    def ask(self, *commands: qmp.Command) -> list[Any]:
        """Run QMP commands; see :func:`qmp.execute`."""
        return qmp.execute(self.folder / SOCKET, *commands, node=self.name)

    def await_socket(self, context: Context, pid: int, patience: float = 20.0) -> None:
        """Wait until QEMU listens for commands. Raises ``EnvironmentProblem`` where it ends instead."""
        for _ in range(int(patience / _POLL)):
            if listens(self.folder / SOCKET):
                return
            if not processes.alive(pid):
                break
            context.wait(_POLL)
        raise EnvironmentProblem(
            "QEMU did not start",
            node=self.name,
            details=processes.tail_of(self.folder / LOG),
            hint="run: lab doctor",
        )

    def await_console(self, context: Context, word: str, patience: float, *, offset: int = 0) -> None:
        """Wait until the machine says ``word`` on its serial line, at most ``patience`` seconds.

        ``offset`` is where to begin in the console file. Raises ``EnvironmentProblem`` with the last lines said.
        """
        console = self.folder / CONSOLE
        for _ in range(int(patience / 0.2)):
            if console.exists() and word.encode() in console.read_bytes()[offset:]:
                return
            if not processes.find(label_of(self.folder)):
                break
            context.wait(0.2)
        raise EnvironmentProblem(
            f"the machine did not say {word!r} on its console within {patience:.0f} s",
            node=self.name,
            details=[*processes.tail_of(console), *processes.tail_of(self.folder / LOG)],
            hint="try again; on a very slow machine give the nodes one CPU: vm: {cpus: 1}",
        )

    def resume(self, context: Context, state: Path) -> None:
        """Load device state saved by :meth:`save` and let the machine run."""
        self.ask(_IGNORE_SHARED, ("migrate-incoming", {"uri": f"exec:cat {shlex.quote(str(state))}"}))
        self._await_status(context, lambda status: status != "inmigrate")
        self.ask(("cont", {}))

    def save(self, context: Context, state: Path) -> None:
        """Stop the machine, write its device state to ``state`` and end it; memory stays in its shared file."""
        self.ask(("stop", {}), _IGNORE_SHARED, ("migrate", {"uri": f"exec:cat > {shlex.quote(str(state))}"}))
        self._await_status(context, lambda status: status == "postmigrate")
        self.ask(("quit", {}))
        _await_end(context, self)

    def save_memory(self, context: Context, file: Path) -> None:
        """Write all memory and the state of devices of the stopped machine to ``file``; it stays stopped.

        Raises ``EnvironmentProblem`` where it cannot be written.
        """
        self.ask(_WHOLE_MEMORY, _AT_FULL_SPEED, ("migrate", {"uri": f"exec:cat > '{file}'"}))
        end = self._await_migration(context)
        if end.get("status") != "completed":
            raise EnvironmentProblem(
                f"the machine's memory cannot be saved: {end.get('error-desc') or end.get('status')}",
                node=self.name,
                details=processes.tail_of(self.folder / LOG),
                hint=f"is there space for it below {file.parent}?",
            )

    def load(self, context: Context, file: Path) -> None:
        """Load what :meth:`save_memory` wrote into a machine that was started for it; it stays stopped."""
        self.ask(_WHOLE_MEMORY, ("migrate-incoming", {"uri": f"exec:cat '{file}'"}))
        self._await_status(context, lambda status: status != "inmigrate")

    def run_on(self) -> None:
        """Let a stopped machine run, be its memory just saved, being saved, or none of it."""
        self.ask(("migrate_cancel", {}))
        self._await_migration(Context(lambda _event: None))
        self.ask(("cont", {}))

    def ssh_port(self) -> int:
        """The port on loopback that leads to the machine's sshd."""
        return self.forwards()[22]

    def forwards(self) -> dict[int, int]:
        """TCP ports of the machine that can be reached from here: port on the machine → port on loopback."""
        (text,) = self.ask(("human-monitor-command", {"command-line": "info usernet"}))
        return parse_forwards(str(text))

    def forward(self, port: int) -> int:
        """Make a TCP port of the machine reachable; the port on loopback (127.0.0.1) that leads there."""
        known = self.forwards()
        if port not in known:
            rule = f"hostfwd_add management tcp:127.0.0.1:0-{MANAGEMENT_ADDRESS}:{port}"
            (complaint,) = self.ask(("human-monitor-command", {"command-line": rule}))
            known = self.forwards()
            if port not in known:
                raise EnvironmentProblem(
                    f"QEMU does not forward a port to {port}: {str(complaint).strip()}", node=self.name
                )
        return known[port]

    def _await_migration(self, context: Context) -> dict[str, Any]:
        """Wait until no migration is under way; what QEMU says of the last one."""
        while True:
            answer: dict[str, Any] = self.ask(("query-migrate", {}))[0]
            if answer.get("status") not in BUSY:
                return answer
            context.wait(_POLL)

    def _await_status(self, context: Context, wanted: Callable[[str], bool]) -> None:
        for _ in range(3000):
            (answer,) = self.ask(("query-status", {}))
            if wanted(answer["status"]):
                return
            context.wait(_POLL)
        raise EnvironmentProblem("the machine's state was not taken over", node=self.name)


def label_of(folder: Path) -> str:
    """The argument by which a machine's process is found; the slash keeps ``n1`` apart from ``n10``."""
    return f"{folder}/"


def parse_forwards(text: str) -> dict[int, int]:
    """The table of QEMU's monitor command ``info usernet``: port on the machine → port on loopback."""
    return {int(inner): int(outer) for outer, inner in _FORWARD.findall(text)}


def start(context: Context, name: str, folder: Path, spec: MachineSpec) -> Running:
    """Start QEMU in ``folder`` and wait until it takes commands."""
    (folder / SOCKET).unlink(missing_ok=True)
    pid = processes.start(command_line(spec), folder, LOG, name)
    machine = Running(name, folder)
    machine.await_socket(context, pid)
    return machine


@contextmanager
def temporary(context: Context, folder: Path, spec: MachineSpec) -> Iterator[Running]:
    """A machine that is gone when the body ends, whatever happens."""
    try:
        yield start(context, "golden", folder, spec)
    finally:
        processes.end(processes.find(label_of(folder)))


def _await_end(context: Context, machine: Running) -> None:
    for _ in range(500):
        if not processes.find(label_of(machine.folder)):
            return
        context.wait(_POLL)
