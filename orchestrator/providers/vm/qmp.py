"""Commands to a running QEMU over its QMP socket (https://www.qemu.org/docs/master/interop/qmp-spec.html)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qemu.qmp import QMPClient
from qemu.qmp.error import QMPError

from orchestrator.errors import EnvironmentProblem

Command = tuple[str, Mapping[str, Any]]

_PATIENCE = 20.0


def execute(path: Path, *commands: Command, node: str = "") -> list[Any]:
    """Run QMP commands one after the other on one connection; their answers.

    Raises ``EnvironmentProblem`` where nobody listens, an answer takes longer than 20 seconds, or QEMU
    refuses a command.
    """
    try:
        with short_path(path) as address:
            return asyncio.run(asyncio.wait_for(_converse(address, commands), _PATIENCE))
    except (QMPError, EOFError, OSError, TimeoutError) as error:
        names = ", ".join(name for name, _ in commands)
        raise EnvironmentProblem(
            f"QEMU does not carry out {names}: {str(error) or type(error).__name__}",
            node=node,
            hint=f"QEMU's messages are in {path.parent / 'qemu.log'}",
        ) from error


def listens(path: Path) -> bool:
    """Whether somebody listens at the socket. That its file exists is true some moments before."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            with short_path(path) as address:
                client.connect(address)
        except OSError:
            return False
        return True


async def _converse(address: str, commands: tuple[Command, ...]) -> list[Any]:
    client = QMPClient()
    await client.connect(address)
    try:
        return [await client.execute(name, dict(arguments)) for name, arguments in commands]
    finally:
        await client.disconnect()


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A path to the same file that fits into a UNIX socket address (108 bytes), however deep the folder lies."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
