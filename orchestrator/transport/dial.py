"""From a place to a connection: by TCP, through a jump host, or by a ProxyCommand. Each way to fail has its words."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from orchestrator.errors import NodeError
from orchestrator.transport.base import KINDS, ChannelFailed
from orchestrator.transport.wire import close_quietly

if TYPE_CHECKING:
    import paramiko

    from orchestrator.transport.route import Hop
    from orchestrator.transport.wire import Wire

USER_TIMEOUT_MS = 20_000
"""How long sent data may stay unacknowledged before the kernel gives the connection up (tcp(7))."""

_SAID = 400
"""Characters of a ProxyCommand's complaint that an error shows."""

_BANNED = "if it answered a moment ago, it has shut this machine out for failed logins (fail2ban or the like)"


@dataclass
class Attempt:
    """One try to log in to one sshd: what every message about it tells besides its cause."""

    node: str
    hop: Hop
    timeout: float
    via: str = ""
    number: int = 1
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since the try began."""
        return time.monotonic() - self.started

    def failed(self, step: str, what: str, *, kind: str, hint: str) -> NodeError:
        """The error that ends the try: host, step, attempt, elapsed time, and the likely cause as its hint."""
        way = f" through {self.via}" if self.via else ""
        what = f"{what} ({step}{way}, attempt {self.number}, after {self.elapsed:.1f} s)"
        return NodeError(what, node=self.node, kind=kind, hint=hint)


@dataclass
class Connection:
    """A way for bytes to an sshd; ``close`` ends it, and whatever carries it."""

    sock: socket.socket | paramiko.Channel
    closers: list[Callable[[], None]] = field(default_factory=list)
    complaint: Callable[[], str] = lambda: ""

    def close(self) -> None:
        """May be called twice."""
        close_quietly(self.sock)
        while self.closers:
            self.closers.pop()()


def by_tcp(attempt: Attempt) -> Connection:
    """A TCP connection from this machine: every address of the name in turn, all within the time. Raises."""
    addresses = _look_up(attempt)
    end = time.monotonic() + attempt.timeout
    failure: OSError | None = None
    for index, (family, place) in enumerate(addresses):
        left = (end - time.monotonic()) / (len(addresses) - index)
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(max(0.1, left))
        try:
            sock.connect(place)
        except OSError as error:
            sock.close()
            failure = _worse(failure, error)
        else:
            _tune(sock)
            return Connection(sock)
    raise _unconnected(attempt, failure or OSError("the name has no address")) from failure


def by_channel(attempt: Attempt, wire: Wire) -> Connection:
    """A TCP connection that a jump host opens. Raises ``NodeError``."""
    place = attempt.hop.place
    try:
        return Connection(wire.open_tcp(attempt.hop.host, attempt.hop.port, timeout=attempt.timeout))
    except ChannelFailed as failure:
        if failure.kind == "timeout" and not wire.answers():
            failure = ChannelFailed("dead", str(failure))
        what, hint = {
            "refused": (f"{place} refused the connection", f"check that sshd runs there and listens; {_BANNED}"),
            "timeout": (
                f"no answer from {place} within {attempt.timeout:.0f} s",
                "check that the machine runs, and that no firewall drops SSH between the jump host and it",
            ),
            "unreachable": (f"{place} cannot be reached: {failure}", "check address and routes, as the jump host sees"),
            "prohibited": (
                f"the jump host forwards no connection to {place}: {failure}",
                "its sshd must allow it: AllowTcpForwarding yes, PermitOpen, and no `restrict` in authorized_keys",
            ),
        }.get(failure.kind, (f"the connection to the jump host broke: {failure}", "try again"))
        kind = KINDS.get(failure.kind, "unreachable")
        raise attempt.failed("TCP connection", what, kind=kind, hint=hint) from failure


def by_command(attempt: Attempt) -> Connection:
    """The input and output of the ProxyCommand, which is the person's own and goes through their shell. Raises."""
    ours, theirs = socket.socketpair()
    complaints = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the command)
    shell = os.environ.get("SHELL") or "/bin/sh"
    try:
        process = subprocess.Popen(
            [shell, "-c", f"exec {attempt.hop.proxy_command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=complaints,
            start_new_session=True,  # so that Ctrl-C does not cut the connection before lab has come to its end
        )
    except OSError as error:
        ours.close()
        complaints.close()
        hint = "check SHELL and the ProxyCommand in ~/.ssh/config"
        what = f"{shell} cannot be started: {error}"
        raise attempt.failed("ProxyCommand", what, kind="unreachable", hint=hint) from error
    finally:
        theirs.close()
    return Connection(ours, [lambda: _end(process, complaints)], lambda: _said(complaints))


def _end(process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    complaints.close()


def _said(complaints: IO[bytes]) -> str:
    if complaints.closed:
        return ""
    # pread: the file's position is shared with the process that writes
    return os.pread(complaints.fileno(), _SAID, 0).decode("utf-8", "replace").strip()


def _look_up(attempt: Attempt) -> list[tuple[socket.AddressFamily, Any]]:
    """The addresses of the host. The system's resolver knows no time-out, so it is asked in a thread that may stay."""
    host, port = attempt.hop.host, attempt.hop.port
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    hint = "check the node's ssh host in the inventory, and this machine's DNS"
    try:
        found = answers.get(timeout=attempt.timeout)
    except queue.Empty:
        what = f"the name {host} was not resolved within {attempt.timeout:.0f} s"
        raise attempt.failed("name look-up", what, kind="timeout", hint=hint) from None
    if isinstance(found, Exception):
        why = getattr(found, "strerror", None) or str(found)
        what = f"the name {host} cannot be resolved: {why}"
        raise attempt.failed("name look-up", what, kind="unreachable", hint=hint) from found
    return [(family, place) for family, _, _, _, place in found]


def _worse(one: OSError | None, other: OSError) -> OSError:
    """Of the failures of several addresses the one that tells most: a refusal is an answer, silence is none."""
    return one if isinstance(one, ConnectionRefusedError) else other


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)


def _unconnected(attempt: Attempt, error: OSError) -> NodeError:
    place = attempt.hop.place
    if isinstance(error, TimeoutError):
        what, kind = f"no answer from {place} within {attempt.timeout:.0f} s", "timeout"
        hint = f"check that the machine runs, and that no firewall drops SSH on the way; {_BANNED}"
    elif isinstance(error, ConnectionRefusedError):
        what, kind = f"{place} refused the connection", "refused"
        hint = f"check that sshd runs there and listens on this port; {_BANNED}"
    else:
        what, kind = f"{place} cannot be reached: {error.strerror or error}", "unreachable"
        hint = "check the address and the routes to it"
    return attempt.failed("TCP connection", what, kind=kind, hint=hint)
