"""The output of a command that goes on: line by line, until the command, the connection or the reader ends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import paramiko

_CHUNK = 65536


class CommandLines:
    """Lines of a running command's output and errors; implements :class:`orchestrator.transport.base.Lines`.

    Read by one thread, closed by any.
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        channel.set_combine_stderr(True)  # both in one: whoever reads one alone is blocked by a full other one
        channel.settimeout(None)

    def __iter__(self) -> Iterator[str]:
        rest = b""
        while data := self._read():
            *whole, rest = (rest + data).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in whole)
        if rest:
            yield rest.decode("utf-8", "replace")

    def _read(self) -> bytes:
        try:
            return bytes(self._channel.recv(_CHUNK))
        except OSError:  # closed by another thread in the middle of it
            return b""

    def close(self) -> None:
        """End the command, as far as closing its output does; may be called twice."""
        self._channel.close()
