"""The processes of a lab, found by what they are, not by pid files.

Every process we start names its own folder in its arguments (QEMU by ``-name``, the switch by its socket). A crash of
this tool at any moment therefore leaves nothing that a later ``lab down`` cannot find, and a reused pid is never
mistaken for ours.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from orchestrator.errors import EnvironmentProblem


@dataclass(frozen=True)
class Process:
    """A running process of a lab; ``label`` is the argument that marks it."""

    pid: int
    started: float
    label: str


def find(prefix: str) -> list[Process]:
    """Processes of this user that have an argument beginning with ``prefix`` (a folder), wherever they came from."""
    found = []
    for process in psutil.process_iter(["pid", "create_time", "cmdline", "uids"]):
        info = process.info
        if info["uids"] is None or info["uids"].real != os.getuid():
            continue
        label = next((word for word in info["cmdline"] or () if word.startswith(prefix)), None)
        if label is not None:
            found.append(Process(info["pid"], info["create_time"], label))
    return found


def start(command: Sequence[str], folder: Path, log: str, label: str) -> int:
    """Start a process that outlives us, in ``folder``, its output appended to the file ``log`` there; its pid.

    It gets a session of its own, or the terminal's Ctrl-C would end it together with this tool. ``label`` is only
    for the message of the ``EnvironmentProblem`` raised where it cannot be started.
    """
    with (folder / log).open("ab") as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            raise EnvironmentProblem(
                f"cannot start {command[0]} for {label}: {error.strerror}", hint="run: lab doctor"
            ) from error
    process.returncode = 0  # nobody waits for it: it is not ours to reap, and no warning shall say so
    return process.pid


def end(processes: Sequence[Process], *, patience: float = 5.0) -> None:
    """Kill processes and wait until they are gone. Raises ``EnvironmentProblem`` when one survives."""
    handles = []
    for process in processes:
        try:
            handle = psutil.Process(process.pid)
            if handle.create_time() == process.started:
                handle.kill()
                handles.append(handle)
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(handles, timeout=patience)
    stubborn = [handle.pid for handle in alive if handle.status() != psutil.STATUS_ZOMBIE]
    if stubborn:
        raise EnvironmentProblem(f"processes {stubborn} do not end", hint="try again in a moment: lab down")


def tail_of(path: Path, lines: int = 6) -> list[str]:
    """The last lines of a log file; empty where there is none."""
    try:
        return path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether a process started by us still runs (a zombie does not)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
