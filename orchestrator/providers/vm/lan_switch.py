"""An Ethernet switch for QEMUs that were built without VDE (Ubuntu's are): one process, one UNIX socket.

``python -m orchestrator.providers.vm.lan_switch -sock FOLDER`` listens at ``FOLDER/ctl``. A QEMU connects with
``-netdev stream`` and sends every frame after its length, four bytes, the highest first (QEMU's net/net.c,
``net_fill_rstate``), and takes frames in the same form.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Collection, Hashable, Set
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

Port = TypeVar("Port", bound=Hashable)

SOCKET = "ctl"
"""Name of the socket in the switch's folder."""

LARGEST = 4096 + 65536
"""Bytes of the largest frame that QEMU sends (its ``NET_BUFSIZE``)."""

QUEUE = 4 << 20
"""Bytes that may wait for one port; what comes on top is dropped, as a switch does."""

_LENGTH = 4
_MULTICAST = 1


class AddressTable(Generic[Port]):
    """Which port leads to which address: learnt from the senders of frames, as IEEE 802.1D bridges do."""

    def __init__(self) -> None:
        self._ports: dict[bytes, Port] = {}

    def targets(self, frame: bytes, source: Port, ports: Set[Port]) -> Collection[Port]:
        """Where a frame that came from ``source`` goes: to its receiver, or to all others where that is unknown."""
        receiver, sender = frame[:6], frame[6:12]
        if len(sender) < 6:
            return ()
        self._ports[sender] = source
        known = None if receiver[0] & _MULTICAST else self._ports.get(receiver)
        return ports - {source} if known is None else {known} - {source}

    def forget(self, port: Port) -> None:
        """A port is gone, and with it every address behind it."""
        self._ports = {address: other for address, other in self._ports.items() if other != port}


class Switch:
    """The ports that are connected, each a stream of frames."""

    def __init__(self) -> None:
        self._ports: set[asyncio.StreamWriter] = set()
        self._table: AddressTable[asyncio.StreamWriter] = AddressTable()

    async def serve(self, reader: asyncio.StreamReader, port: asyncio.StreamWriter) -> None:
        """Forward what comes from one port until it is closed or sends what is no frame."""
        self._ports.add(port)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    length = await reader.readexactly(_LENGTH)
                    if int.from_bytes(length) > LARGEST:
                        break
                    self._forward(length, await reader.readexactly(int.from_bytes(length)), port)
        finally:
            self._ports.remove(port)
            self._table.forget(port)
            port.close()

    def _forward(self, length: bytes, frame: bytes, source: asyncio.StreamWriter) -> None:
        for target in self._table.targets(frame, source, self._ports):
            if target.transport.get_write_buffer_size() < QUEUE:
                target.write(length + frame)


async def run(folder: Path) -> None:
    """Serve at ``folder`` until the process is ended."""
    server = await asyncio.start_unix_server(Switch().serve, folder / SOCKET, limit=2 * LARGEST)
    await server.serve_forever()


def main(folder: Path) -> None:
    """Make ``folder`` and its socket, both for their user alone, and serve there."""
    os.umask(0o077)
    folder.mkdir()
    asyncio.run(run(folder))


if __name__ == "__main__":
    main(Path(sys.argv[2]))
