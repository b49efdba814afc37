"""Commands to a running QEMU over its QMP socket (https://www.qemu.org/docs/master/interop/qmp-spec.html)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qemu.qmp import QMPClient
from qemu.qmp.error import QMPError

from orchestrator.errors import EnvironmentProblem
from orchestrator.providers.vm.sockets import short_path

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


async def _converse(address: str, commands: tuple[Command, ...]) -> list[Any]:
    client = QMPClient()
    await client.connect(address)
    try:
        return [await client.execute(name, dict(arguments)) for name, arguments in commands]
    finally:
        await client.disconnect()
