"""A node over SSH: commands, TCP connections that start on the node, and its engine's API."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import paramiko

from orchestrator.errors import NodeError
from orchestrator.transport.base import KINDS, ChannelFailed, CommandResult, Stream, problem_of
from orchestrator.transport.following import CommandLines
from orchestrator.transport.login import Session, log_in
from orchestrator.transport.route import Route, plain
from orchestrator.transport.secrets import Secrets
from orchestrator.transport.sudo import Sudo, wants_password, without_password
from orchestrator.transport.wire import BROKE, SILENT, Wire, close_quietly

if TYPE_CHECKING:
    from docker import APIClient

    from orchestrator.model.inventory import SshAddress
    from orchestrator.transport.engine import Engine

__all__ = ["SshHost", "connect", "problem_of"]

OPEN_SECONDS = 10.0
"""How long the node's sshd may take to open a session or a UNIX socket."""

SSHD = "/usr/sbin/sshd"
"""Where Debian, Ubuntu, Fedora and their like keep it; it wants to be called by its full path."""

_CHUNK = 65536
_SHOWN = 160
"""Characters of a command that an error shows."""


def connect(address: SshAddress, *, name: str, timeout: float = 10.0) -> SshHost:
    """Log in to a node of which everything is said: no configuration of OpenSSH is read, nobody is asked anything.

    ``timeout`` (seconds) bounds dialling, the handshake and authentication, each. The host key must stand in the
    known_hosts file; nothing is ever added to it. Raises ``NodeError``.
    """
    route = plain(address)
    return SshHost(log_in(route.target, name=name, timeout=timeout), name=name, route=route)


class SshHost:
    """An open SSH connection to one node; implements :class:`orchestrator.transport.base.Host`."""

    def __init__(
        self,
        session: Session,
        *,
        name: str,
        route: Route,
        secrets: Secrets | None = None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        from orchestrator.transport.engine import Engine

        self._session = session
        self._wire = session.wire
        self._name = name
        self._route = route
        self._user = route.target.user
        self._secrets = secrets or Secrets()
        self._on_close = on_close
        self._sudo = Sudo(name, self._user, self._secrets, self._open_command)
        self._engine: Engine = Engine(
            name, self._open_socket, self._open_command, None if self._is_root else self._sudo, route.docker_socket
        )

    @property
    def _is_root(self) -> bool:
        return self._user == "root"

    @property
    def wire(self) -> Wire:
        """The connection itself, for what goes on through this host to another."""
        return self._wire

    @property
    def name(self) -> str:
        """The node's name in the inventory."""
        return self._name

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as this side knows."""
        return bool(self._wire.is_active())

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0, root: bool = False
    ) -> CommandResult:
        """Run a command and wait for its end; see :class:`orchestrator.transport.base.Host`."""
        if not root or self._is_root:
            return self._execute(tuple(argv), stdin, timeout)
        if not self._sudo.unlocked:
            result = self._execute(without_password(argv), stdin, timeout)
            if not (result.exit_code != 0 and wants_password(result.stderr)):
                return replace(self._sudo.checked(result), argv=tuple(argv))
            self._sudo.unlock()
        started = time.monotonic()
        channel = self._sudo.start(argv, timeout)
        return self._finish(channel, tuple(argv), stdin, timeout, started)

    def follow(self, argv: Sequence[str], *, root: bool = False) -> CommandLines:
        """Start a command that goes on; see :class:`orchestrator.transport.base.Host`."""
        if root:
            return CommandLines(self._as_root(tuple(argv), OPEN_SECONDS))
        try:
            return CommandLines(self._open_command(argv))
        except (ChannelFailed, paramiko.SSHException, EOFError, OSError) as error:
            raise self._failed(shlex.join(argv), f"could not be started: {error}") from error

    def open_tcp(self, address: str, port: int, *, timeout: float) -> Stream:
        """A TCP connection that starts on the node. Raises ``ChannelFailed``, of kind ``dead`` if the node is."""
        try:
            channel = self._wire.open_tcp(address, port, timeout=timeout)
        except ChannelFailed as failure:
            if failure.kind == "timeout" and not self._wire.answers():
                raise ChannelFailed("dead", SILENT) from failure
            raise
        return ChannelStream(channel, self._wire)

    def enter(self, namespace: str, *, timeout: float = 20.0) -> SshHost:
        """The same node seen from one of its network namespaces (a file below /run/docker/netns, say).

        A session runs ``nsenter --net=FILE sshd -i``: the node's own sshd speaks SSH over it, with the same host key
        and the same login, and what it dials starts inside the namespace. Nothing is installed. Raises ``NodeError``.
        """
        command = ("nsenter", f"--net={namespace}", SSHD, "-i")
        channel = self._as_root(command, timeout)
        try:
            return self._greet_inside(channel, timeout)
        except NodeError as error:
            said = _errors_so_far(channel)
            if not self._is_root and not self._sudo.unlocked and wants_password(said):
                self._sudo.unlock()
                return self.enter(namespace, timeout=timeout)
            raise NodeError(
                f"the network namespace {namespace} cannot be entered: {said or error.message}",
                node=self._name,
                kind=error.kind,
                hint=f"try it on the node, as root: {shlex.join(command[:2])} ip address",
            ) from error

    def _greet_inside(self, channel: paramiko.Channel, timeout: float) -> SshHost:
        session = log_in(self._route.target, name=self._name, timeout=timeout, secrets=self._secrets, over=channel)
        return SshHost(session, name=self._name, route=self._route, secrets=self._secrets)

    def _as_root(self, command: tuple[str, ...], timeout: float) -> paramiko.Channel:
        """Start a command as root, without a password as long as none is known."""
        if self._sudo.unlocked:
            return self._sudo.start(command, timeout)
        words = command if self._is_root else without_password(command)
        try:
            return self._open_command(words, timeout)
        except (ChannelFailed, paramiko.SSHException, EOFError, OSError) as error:
            raise self._failed(shlex.join(words), f"could not be started: {error}", "engine") from error

    def engine(self) -> APIClient:
        """A client of the node's engine for the calling thread. Raises ``NodeError``."""
        return self._engine.client()

    def close(self) -> None:
        """Close the connection and everything on it: blocked reads of other threads end."""
        self._session.close()
        self._on_close()

    def _open_socket(self, path: str) -> paramiko.Channel:
        return self._wire.open_streamlocal(path, timeout=OPEN_SECONDS)

    def _open_command(self, argv: Sequence[str], timeout: float = OPEN_SECONDS) -> paramiko.Channel:
        """Start a command. Raises ``ChannelFailed``, or paramiko's error where sshd refuses to run it."""
        channel = self._wire.open_command(timeout=timeout)
        # exec_command waits without end for sshd's word; closing the channel is what ends it.
        watchdog = _watchdog(timeout, channel)
        try:
            channel.exec_command(shlex.join(argv))
        finally:
            watchdog.cancel()
        return channel

    def _execute(self, argv: tuple[str, ...], stdin: bytes, timeout: float) -> CommandResult:
        started = time.monotonic()
        command = shlex.join(argv)
        try:
            channel = self._open_command(argv, timeout)
        except ChannelFailed as failure:
            raise self._failed(
                command, f"could not be started: {failure}", KINDS.get(failure.kind, "engine")
            ) from failure
        except (paramiko.SSHException, EOFError, OSError) as error:
            late = time.monotonic() - started >= timeout
            what = f"could not be started within {timeout:.1f} s" if late else f"could not be started: {error}"
            raise self._failed(command, what, "timeout" if late else "engine") from error
        return self._finish(channel, argv, stdin, timeout, started)

    def _finish(
        self, channel: paramiko.Channel, argv: tuple[str, ...], stdin: bytes, timeout: float, started: float
    ) -> CommandResult:
        """Wait for the end of a command that runs."""
        command = shlex.join(argv)
        watchdog = _watchdog(max(0.0, timeout - (time.monotonic() - started)), channel)
        try:
            stdout, stderr = _exchange(channel, stdin)
            channel.status_event.wait()
        finally:
            watchdog.cancel()
            channel.close()
        if channel.exit_status < 0:
            raise self._no_exit_code(command, time.monotonic() - started, timeout)
        text = stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace")
        return CommandResult(argv, channel.exit_status, *text)

    def _no_exit_code(self, command: str, elapsed: float, timeout: float) -> NodeError:
        if not self._wire.is_active():
            return self._failed(command, f"the SSH connection broke after {elapsed:.1f} s", "unreachable")
        if elapsed >= timeout:
            return self._failed(command, f"did not end within {timeout:.1f} s ({elapsed:.1f} s elapsed)", "timeout")
        return self._failed(command, "was ended by a signal")

    def _failed(self, command: str, what: str, kind: str = "engine") -> NodeError:
        return NodeError(
            f"the command `{_brief(command)}` {what}",
            node=self._name,
            kind=kind,
            hint="try it by hand in a shell on the node",
        )


class ChannelStream:
    """A channel as a :class:`orchestrator.transport.base.Stream` that tells a silent target from a dead node."""

    def __init__(self, channel: paramiko.Channel, wire: Wire) -> None:
        self._channel = channel
        self._wire = wire

    def sendall(self, data: bytes, /) -> None:
        """Send all of ``data``. Raises ``OSError`` where the target hung up, ``ChannelFailed`` where the node did."""
        try:
            self._channel.sendall(data)
        except TimeoutError:
            raise
        except (OSError, paramiko.SSHException) as error:
            if not self._wire.is_active():
                raise ChannelFailed("dead", BROKE) from error
            raise ConnectionResetError(str(error)) from error

    def recv(self, size: int, /) -> bytes:
        """At most ``size`` bytes. Raises ``TimeoutError``, or ``ChannelFailed`` where the node itself is gone."""
        try:
            data = self._channel.recv(size)
        except TimeoutError:
            if not self._wire.answers():
                raise ChannelFailed("dead", SILENT) from None
            raise
        if not data and not self._wire.is_active():
            raise ChannelFailed("dead", BROKE)
        return data

    def settimeout(self, seconds: float | None, /) -> None:
        """Bound every following send and receive."""
        self._channel.settimeout(seconds)

    def close(self) -> None:
        """Close; may be called twice."""
        self._channel.close()


def _brief(command: str) -> str:
    """A command for a sentence: its first line, cut short where it is long."""
    first = command.partition("\n")[0]
    return command if command == first and len(first) <= _SHOWN else f"{first[:_SHOWN]}…"


def _errors_so_far(channel: paramiko.Channel) -> str:
    """What a command has written to its standard error, without waiting for more."""
    return channel.recv_stderr(_CHUNK).decode("utf-8", "replace").strip() if channel.recv_stderr_ready() else ""


def _watchdog(seconds: float, channel: paramiko.Channel) -> threading.Timer:
    """Closes the channel when the time is up, which ends whatever anybody waits for on it."""
    timer = threading.Timer(seconds, close_quietly, (channel,))
    timer.daemon = True
    timer.start()
    return timer


def _exchange(channel: paramiko.Channel, stdin: bytes) -> tuple[bytes, bytes]:
    """Send ``stdin`` and read both outputs to their ends, all at once: a full pipe on one must not block another."""
    errors = bytearray()

    def read_errors() -> None:
        while data := channel.recv_stderr(_CHUNK):
            errors.extend(data)

    def write() -> None:
        try:
            for start in range(0, len(stdin), _CHUNK):
                channel.sendall(stdin[start : start + _CHUNK])
            channel.shutdown_write()
        except OSError:
            pass  # the command does not read its input to the end, which is its own business

    helpers = [threading.Thread(target=read_errors, daemon=True)]
    if stdin:
        helpers.append(threading.Thread(target=write, daemon=True))
    else:
        write()
    for helper in helpers:
        helper.start()
    output = bytearray()
    while data := channel.recv(_CHUNK):
        output.extend(data)
    for helper in helpers:
        helper.join()
    return bytes(output), bytes(errors)
