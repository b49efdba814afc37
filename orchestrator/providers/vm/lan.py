"""The cluster LAN: one Ethernet switch per cluster, on UNIX sockets, so that its frames never touch a real network.

It is ``vde_switch`` where that is installed and QEMU was built with VDE, and else, as on Ubuntu, :mod:`.lan_switch`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import EnvironmentProblem
from orchestrator.providers.vm import lan_switch, processes
from orchestrator.providers.vm.machine import QEMU
from orchestrator.providers.vm.sockets import listens
from orchestrator.runtime.context import Context

VDE_SWITCH = "vde_switch"

_LOG = "switch.log"


@dataclass(frozen=True)
class Lan:
    """A cluster LAN whose sockets are in ``folder``; ``vde`` says which switch it is."""

    folder: Path
    vde: bool

    @property
    def netdev(self) -> str:
        """QEMU's ``-netdev`` for a machine on it, but for the id."""
        if self.vde:
            return f"vde,sock={self.folder}"
        return f"stream,server=off,addr.type=unix,addr.path={self.folder / lan_switch.SOCKET}"

    @property
    def command(self) -> list[str]:
        """The command that runs the switch; ``-sock`` is the mark by which its process is found."""
        if self.vde:
            return [VDE_SWITCH, "-sock", str(self.folder), "-mod", "600", "-daemon"]
        return [sys.executable, "-m", lan_switch.__name__, "-sock", str(self.folder)]

    def runs(self) -> bool:
        """Whether there is such a switch."""
        return bool(processes.find(str(self.folder)))

    def ensure(self, context: Context) -> None:
        """Start the switch where it does not run. Raises ``EnvironmentProblem`` where it does not start."""
        if self.runs():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        pid = processes.start(self.command, self.folder.parent, _LOG, "the cluster LAN")
        for _ in range(2000):
            if listens(self.folder / lan_switch.SOCKET):
                return
            if not processes.alive(pid) and not self.runs():
                break
            context.wait(0.01)
        raise EnvironmentProblem(
            "the switch of the cluster LAN did not start",
            details=processes.tail_of(self.folder.parent / _LOG),
            hint="run: lab doctor",
        )


def lan_at(folder: Path) -> Lan:
    """The cluster LAN whose sockets are in ``folder``, with the switch that this machine can run."""
    return Lan(folder, vde=usable_vde(qemu_networks(), shutil.which(VDE_SWITCH)))


def usable_vde(networks: Collection[str], switch: str | None) -> bool:
    """Whether VDE can be used: QEMU knows it, and its switch is installed."""
    return "vde" in networks and bool(switch)


def qemu_networks() -> tuple[str, ...]:
    """The kinds of ``-netdev`` that QEMU was built with; none where there is no QEMU."""
    try:
        result = subprocess.run([QEMU, "-netdev", "help"], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(result.stdout.split())
