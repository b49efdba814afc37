"""The seam between the core and a node: everything that observe, apply and probes may ask of a host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from orchestrator.errors import LabError, NodeError
from orchestrator.model.observed import Problem

if TYPE_CHECKING:
    from docker import APIClient


@dataclass(frozen=True)
class CommandResult:
    """What a command on a node left behind."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str


class ChannelFailed(Exception):
    """A connection that a node was asked to open did not come about.

    ``kind`` is ``refused``, ``timeout``, ``unreachable``, ``prohibited`` or ``dead`` (the SSH connection
    itself is gone); the message is what the node's sshd said.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


KINDS = {"dead": "unreachable", "timeout": "timeout", "refused": "refused", "unreachable": "unreachable"}
"""The kind of :class:`Problem` that a kind of :class:`ChannelFailed` amounts to; ``engine`` for the rest."""


class Stream(Protocol):
    """The part of a socket that probes and HTTP clients need. Time-outs raise ``TimeoutError``."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of ``data``."""

    def recv(self, size: int, /) -> bytes:
        """At most ``size`` bytes; empty at the end of the stream."""

    def settimeout(self, seconds: float | None, /) -> None:
        """Bound every following send and receive."""

    def close(self) -> None:
        """Close; may be called twice."""


class Lines(Protocol):
    """The output of a command that goes on."""

    def __iter__(self) -> Iterator[str]:
        """Line by line as they come, errors among them, until the command or the connection ends."""

    def close(self) -> None:
        """Give it up; may be called twice and from another thread."""


class Host(Protocol):
    """One node to which a connection stands. Methods may be called from several threads at once."""

    @property
    def name(self) -> str:
        """The node's name in the inventory."""

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as is known without asking the node."""

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0, root: bool = False
    ) -> CommandResult:
        """Run a command (quoted for the shell here) and wait for its end.

        ``root`` runs it through ``sudo -n`` where the login user is not root. Raises ``NodeError`` when the
        command cannot be started or exceeds ``timeout`` seconds; a non-zero exit code is a result.
        """

    def follow(self, argv: Sequence[str], *, root: bool = False) -> Lines:
        """Start a command that goes on, and read what it prints. Raises ``NodeError`` where it cannot be started."""

    def open_tcp(self, address: str, port: int, *, timeout: float) -> Stream:
        """A TCP connection that starts on the node itself. Raises ``ChannelFailed``."""

    def enter(self, namespace: str, *, timeout: float = 20.0) -> Host:
        """The same node seen from one of its network namespaces, given as a file on the node.

        What it opens starts there. To be closed by the caller. Raises ``NodeError``.
        """

    def engine(self) -> APIClient:
        """A ``docker.APIClient`` for the node's engine that belongs to the calling thread alone.

        Raises ``NodeError`` where the engine cannot be reached.
        """

    def close(self) -> None:
        """Close the connection and everything on it; may be called twice and from another thread."""


def problem_of(error: Exception) -> Problem:
    """What an error means as data: why a node could not be observed, or something on it not be done."""
    if isinstance(error, NodeError):
        return Problem(error.kind, error.message, error.hint)
    if isinstance(error, LabError):
        return Problem("engine", error.message, error.hint)
    return Problem("engine", f"{type(error).__name__}: {error}")
