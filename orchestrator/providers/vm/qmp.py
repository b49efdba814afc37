"""Commands to a running QEMU over its QMP socket (https://www.qemu.org/docs/master/interop/qmp-spec.html)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qemu.qmp import QMPClient
from qemu.qmp.error import QMPError

from orchestrator.errors import EnvironmentProblem

Command = tuple[str, Mapping[str, Any]]

_PATIENCE = 20.0


def execute(socket: Path, *commands: Command, node: str = "") -> list[Any]:
    """Run QMP commands one after the other on one connection; their answers.

    Raises ``EnvironmentProblem`` where nobody listens, an answer takes longer than 20 seconds, or QEMU
    refuses a command.
    """
    try:
        with short_path(socket) as path:
            return asyncio.run(asyncio.wait_for(_converse(path, commands), _PATIENCE))
    except (QMPError, EOFError, OSError, TimeoutError) as error:
        names = ", ".join(name for name, _ in commands)
        raise EnvironmentProblem(
            f"QEMU does not carry out {names}: {str(error) or type(error).__name__}",
            node=node,
            hint=f"QEMU's messages are in {socket.parent / 'qemu.log'}",
        ) from error


async def _converse(path: str, commands: tuple[Command, ...]) -> list[Any]:
    client = QMPClient()
    await client.connect(path)
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
