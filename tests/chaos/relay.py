"""TCP ports on loopback that lead to ports which may change, and whose connections can all be broken at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

from orchestrator.errors import LabError


class Relay:
    """One listening port; ``target`` tells the port on loopback that it leads to when a connection comes in."""

    def __init__(self, target: Callable[[], int]) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def break_all(self) -> None:
        """Break every connection that stands; new ones are taken as before."""
        self._do(self._break())

    def close(self) -> None:
        """Listen no more."""
        self._do(self._break())
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _stop(self) -> None:
        self._server.close()

    async def _break(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner = await asyncio.open_connection("127.0.0.1", await asyncio.to_thread(self._target))
        except (OSError, LabError):  # nobody listens: the machine is off
            writer.close()
            return
        self._writers |= {writer, inner}
        await asyncio.gather(self._pump(reader, inner), self._pump(inner_reader, writer))
        self._writers -= {writer, inner}

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
