"""Lets stopped machines run on when whoever stopped them is gone, even by SIGKILL.

Started as a program of its own before the machines are stopped::

    python -I rescue.py SCRATCH FOLDER…

It reads its standard input to the end. If that is not the word ``done``, its parent has died: it cuts off what saves
the machines' memory, lets them run, and deletes the scratch folder. The standard library only: it must start at once.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

DONE = b"done"
SOCKET = "qmp.sock"
BUSY = ("setup", "active", "pre-switchover", "device", "cancelling")
"""States of a migration that is not over (QEMU's ``MigrationStatus``)."""

_PATIENCE = 30.0


@contextmanager
def rescued(folders: Sequence[Path], scratch: Path) -> Iterator[None]:
    """While the body runs, somebody waits for our death. ``folders`` are those of the machines."""
    process = subprocess.Popen(
        [sys.executable, "-I", __file__, str(scratch), *map(str, folders)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.communicate(DONE)


def release(folder: Path) -> None:
    """Let the machine in ``folder`` run. Raises ``OSError`` or ``ValueError`` where its QEMU does not answer."""
    os.chdir(folder)  # the path of a UNIX socket must be short
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PATIENCE)
        connection.connect(SOCKET)
        with connection.makefile("rw") as stream:
            stream.readline()
            _ask(stream, "qmp_capabilities")
            _ask(stream, "migrate_cancel")
            while _ask(stream, "query-migrate").get("status") in BUSY:
                time.sleep(0.02)
            _ask(stream, "cont")


def _ask(stream: TextIO, command: str) -> dict[str, Any]:
    """A command's answer; events that come between are not for us."""
    stream.write(json.dumps({"execute": command}))
    stream.flush()
    for line in stream:
        message = json.loads(line)
        if "return" in message:
            answer: dict[str, Any] = message["return"]
            return answer
        if "error" in message:
            raise ValueError(message["error"])
    raise EOFError(command)


def main(scratch: str, *folders: str) -> None:
    """Wait; rescue if need be."""
    if sys.stdin.buffer.read() == DONE:
        return
    for folder in folders:
        with suppress(OSError, ValueError, EOFError):
            release(Path(folder))
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
