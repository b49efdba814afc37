"""One changing command per cluster at a time. Commands that only look take no lock.

The lock is the kernel's (``flock``), so that it is free as soon as its holder is gone, however it went. Who holds it
stands in a file beside it, for people only: nothing is decided by that file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import EnvironmentProblem, LockedError
from orchestrator.runtime.documents import read_document, write_document
from orchestrator.runtime.paths import private_dir, state_root, sweep

SCHEMA = 1


@contextmanager
def locked(name: str, command: str) -> Iterator[None]:
    """Hold the lock of the cluster ``name`` while the body runs.

    Raises :class:`LockedError` at once where another process holds it, naming its pid, command and start.
    """
    from filelock import FileLock, Timeout

    # Beside the cluster's folder, not in it: `lab down` removes that folder while it holds the lock. No cluster
    # name contains a dot.
    path = private_dir(state_root()) / f"{name}.lock"
    holder = path.with_suffix(".holder")
    lock = FileLock(path, timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise _locked(name, holder) from None
    try:
        with suppress(EnvironmentProblem):  # on a full disk `lab down` must work all the same
            write_document(holder, SCHEMA, _describe(command))
        yield
    finally:
        # Removed while we hold it: whoever opened the file before sees that it has no name any more and starts over.
        holder.unlink(missing_ok=True)
        sweep(holder)
        path.unlink(missing_ok=True)
        lock.release()


def _describe(command: str) -> dict[str, object]:
    since = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
    return {"pid": os.getpid(), "command": command, "since": since}


def _locked(name: str, holder: Path) -> LockedError:
    """The error for a lock that is held; the holder may not have written its name yet."""
    try:
        facts = read_document(holder, SCHEMA, hint="", unnamed=SCHEMA) or {}
        who = f"`{facts['command']}` (pid {facts['pid']}, since {facts['since']})"
    except (EnvironmentProblem, KeyError):
        who = "another process"
    return LockedError(f"{who} works on the cluster {name!r} right now", hint="wait until it is done, or stop it")
