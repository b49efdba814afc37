"""This run as the holder of a lease, and whether another holder on this machine still lives."""

from __future__ import annotations

import getpass
import os
import socket
import uuid
from pathlib import Path

from orchestrator.model.lease import Holder


def this_run(command: str) -> Holder:
    """The holder that this process is while it carries out ``command``."""
    return Holder(uuid.uuid4().hex, _user(), socket.gethostname(), os.getpid(), _born(os.getpid()), _seat(), command)


def has_ended(holder: Holder) -> bool:
    """Whether this holder ran here and runs no more; False for one elsewhere, of whom nothing is known."""
    return holder.seat != "" and holder.seat == _seat() and _born(holder.pid) != holder.born


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a uid without a name
        return str(os.getuid())


def _seat() -> str:
    """This boot of this machine and this namespace of pids; "" where the kernel does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _born(pid: int) -> int:
    """When a process started, in ticks since boot (field 22 of ``/proc/PID/stat``, see proc(5)); 0 for none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])
