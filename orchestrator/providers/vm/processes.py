"""The processes of a lab, found by what they are, not by pid files.

Every process we start names its own folder in its arguments (QEMU by ``-name``, the switch by its socket). A crash of
this tool at any moment therefore leaves nothing that a later ``lab down`` cannot find, and a reused pid is never
mistaken for ours.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from orchestrator.errors import EnvironmentProblem

_MARKS = ("-name", "-sock")
"""The options whose value is a label: QEMU's and the switch's. Who merely reads one of our files is not ours."""

_POLL = 0.05
_BRIEFLY = 0.001


@dataclass(frozen=True)
class Process:
    """A running process of a lab; ``label`` is the argument that marks it."""

    pid: int
    started: float
    label: str


def find(prefix: str) -> list[Process]:
    """Machines and switches of this user whose label begins with ``prefix`` (a folder), wherever they came from."""

    def label(words: list[str]) -> str | None:
        marked = (word for option, word in pairwise(words) if option in _MARKS)
        return next((word for word in marked if word.startswith(prefix)), None)

    return _find(label)


def find_users(prefix: str) -> list[Process]:
    """Processes of this user with any argument that begins with ``prefix``; the first such is the label."""
    return _find(lambda words: next((word for word in words if word.startswith(prefix)), None))


def _find(label_of: Callable[[list[str]], str | None]) -> list[Process]:
    found = []
    for process in psutil.process_iter(["pid", "create_time", "cmdline", "uids"]):
        info = process.info
        if info["uids"] is None or info["uids"].real != os.getuid():
            continue
        label = label_of(info["cmdline"] or [])
        if label is not None:
            found.append(Process(info["pid"], info["create_time"], label))
    return found


def start(command: Sequence[str], folder: Path, log: str, label: str) -> int:
    """Start a process that outlives us, in ``folder``, its output appended to the file ``log`` there; its pid.

    It gets a session of its own, or the terminal's Ctrl-C would end it together with this tool. What it writes is for
    this user alone. ``label`` is only for the message of the ``EnvironmentProblem`` raised where it cannot be started.
    """
    with open(folder / log, "ab", opener=_private) as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                umask=0o077,
            )
        except OSError as error:
            raise EnvironmentProblem(
                f"cannot start {command[0]} for {label}: {error.strerror}", hint="run: lab doctor"
            ) from error
    process.returncode = 0  # nobody waits for it: it is not ours to reap, and no warning shall say so
    _await_arguments(process.pid)
    return process.pid


def _await_arguments(pid: int) -> None:
    """Wait until a process can be found, or has ended.

    Of a new program the kernel closes what is to be closed first (by which we know that it was begun), and only then
    shows its arguments (fs/binfmt_elf.c): whoever looks between the two, on a busy machine, sees a process without any.
    """
    with suppress(psutil.NoSuchProcess):  # a zombie is one, too
        process = psutil.Process(pid)
        while not process.cmdline():
            time.sleep(_BRIEFLY)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


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
    for _ in range(int(patience / _POLL)):
        handles = [handle for handle in psutil.wait_procs(handles, timeout=_POLL)[1] if alive(handle.pid)]
        if not handles:
            return
    stubborn = [handle.pid for handle in handles]
    raise EnvironmentProblem(f"processes {stubborn} do not end", hint="try again in a moment: lab down")


def tail_of(path: Path, lines: int = 6) -> list[str]:
    """The last lines of a log file; empty where there is none."""
    try:
        return path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether a process still runs. A zombie does not, and its parent may take its time to notice."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
