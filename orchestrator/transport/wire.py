"""One SSH connection as paramiko sees it, with what paramiko lacks.

* channels to UNIX sockets on the node (``direct-streamlocal@openssh.com``, OpenSSH's PROTOCOL file, section 2.4);
* the reason why the node's sshd refused a channel, kept per channel instead of only logged;
* a sign of life that ends: a time-out on a channel may be the target's silence or the node's own.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import paramiko
from paramiko.common import cMSG_CHANNEL_OPEN

from orchestrator.transport.base import ChannelFailed

PING_SECONDS = 3.0
"""How long a node may take to answer a question about nothing before it counts as dead."""

BROKE = "the SSH connection broke"
SILENT = "the node itself does not answer any more"

RESTING_SECONDS = 2.0
"""How often the thread of a connection wakes up while nothing comes: paramiko's own 0.1 s costs a thousand connections
a fifth of a processor. A keep-alive is late by as much."""

_BEFORE_GREETING = "Banner: "
_POLL = 0.1
_SOURCE = ("127.0.0.1", 0)

# Reason codes of RFC 4254, section 5.1.
_PROHIBITED = 1
_CONNECT_FAILED = 2

_TEXTS = {
    "Connection refused": "refused",
    "Connection timed out": "timeout",
    "No route to host": "unreachable",
    "Network is unreachable": "unreachable",
    "Name or service not known": "unreachable",
    "unknown host": "unreachable",
}


def close_quietly(channel: paramiko.Channel | socket.socket) -> None:
    """Close, whatever became of the connection meanwhile: paramiko would say goodbye over it, and raise."""
    with suppress(OSError, EOFError, paramiko.SSHException):
        channel.close()


def silence_paramiko() -> None:
    """Keep paramiko's threads from writing to the terminal: what matters is raised to the caller."""
    logger = logging.getLogger("paramiko")
    logger.propagate = False
    logger.setLevel(logging.CRITICAL)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def kind_of_refusal(reason: int, text: str) -> str:
    """What an sshd's refusal of a channel means, as a kind of :class:`ChannelFailed`.

    ``reason`` is the code of RFC 4254, ``text`` is what OpenSSH adds: the error of its own ``connect``.
    """
    if reason == _PROHIBITED or "administratively prohibited" in text:
        return "prohibited"
    for known, kind in _TEXTS.items():
        if known in text:
            return kind
    return "unreachable" if reason == _CONNECT_FAILED else "prohibited"


@dataclass
class _Opening:
    """A channel that was asked for and not answered yet, or that nobody waits for any more."""

    channel: paramiko.Channel
    answered: threading.Event
    refusal: ChannelFailed | None = None
    abandoned: bool = False


class Wire(paramiko.Transport):
    """A paramiko transport whose channels fail with a reason. Methods may be called from any thread."""

    def __init__(self, sock: socket.socket, *, disabled_algorithms: Mapping[str, Iterable[str]] | None = None) -> None:
        super().__init__(sock, disabled_algorithms=disabled_algorithms)
        self._openings: dict[int, _Opening] = {}
        self.greeting: list[str] = []
        """What the other side said in place of an SSH greeting, or before it."""
        self._close_socket = self.packetizer.close
        self.packetizer.close = self._close_packetizer  # type: ignore[method-assign]

    def _close_packetizer(self) -> None:
        """The socket may be a channel of another connection, which says goodbye and raises where that one is gone.

        Paramiko's thread would end by that, before it has told those who wait for an answer.
        """
        with suppress(OSError, EOFError, paramiko.SSHException):
            self._close_socket()

    def rest(self) -> None:
        """Look up less often while nothing comes. To be called once the login is over, which bounds its own time."""
        self.sock.settimeout(RESTING_SECONDS)

    def stop_thread(self) -> None:
        """As paramiko's own, and whoever waits for the socket is woken up: closing alone does not do that."""
        with suppress(OSError, EOFError, paramiko.SSHException):  # the socket may be a channel
            self.sock.shutdown(socket.SHUT_RDWR)
        super().stop_thread()

    def open_tcp(self, address: str, port: int, *, timeout: float) -> paramiko.Channel:
        """A TCP connection that the node's sshd opens. Raises ``ChannelFailed``."""
        tail = paramiko.Message()
        tail.add_string(address)
        tail.add_int(port)
        tail.add_string(_SOURCE[0])
        tail.add_int(_SOURCE[1])
        return self._open("direct-tcpip", tail.asbytes(), timeout)

    def open_streamlocal(self, path: str, *, timeout: float) -> paramiko.Channel:
        """A connection to a UNIX socket on the node. Raises ``ChannelFailed``."""
        tail = paramiko.Message()
        tail.add_string(path)
        tail.add_string("")
        tail.add_int(0)
        return self._open("direct-streamlocal@openssh.com", tail.asbytes(), timeout)

    def open_command(self, *, timeout: float) -> paramiko.Channel:
        """A session in which one command can be run. Raises ``ChannelFailed``."""
        return self._open("session", b"", timeout)

    def answers(self, timeout: float = PING_SECONDS) -> bool:
        """Whether the node still speaks: an sshd must refuse a channel of a kind that it does not know."""
        try:
            self._open("alive@swarm-mesh-lab", b"", timeout).close()
        except ChannelFailed as failure:
            return failure.kind not in {"timeout", "dead"}
        return True

    def _open(self, kind: str, tail: bytes, timeout: float) -> paramiko.Channel:
        """Ask for a channel and wait for the answer at most ``timeout`` seconds."""
        if not self.is_active():
            raise ChannelFailed("dead", "the SSH connection is closed")
        number, opening = self._ask(kind, tail)
        end = time.monotonic() + timeout
        while not opening.answered.wait(min(_POLL, max(0.0, end - time.monotonic()))):
            if not self.is_active() or time.monotonic() >= end:
                break
        return self._outcome(number, opening, timeout)

    def _ask(self, kind: str, tail: bytes) -> tuple[int, _Opening]:
        """Send the request, with the bookkeeping that paramiko's own ``open_channel`` does."""
        with self.lock:
            number = self._next_channel()  # type: ignore[attr-defined]
            channel = paramiko.Channel(number)
            opening = _Opening(channel, threading.Event())
            self._openings[number] = opening
            self._channels.put(number, channel)  # type: ignore[attr-defined]
            self.channel_events[number] = opening.answered
            self.channels_seen[number] = True
            channel._set_transport(self)  # type: ignore[attr-defined]  # noqa: SLF001
            channel._set_window(self.default_window_size, self.default_max_packet_size)  # type: ignore[attr-defined]  # noqa: SLF001
        message = paramiko.Message()
        message.add_byte(cMSG_CHANNEL_OPEN)
        message.add_string(kind)
        message.add_int(number)
        message.add_int(self.default_window_size)
        message.add_int(self.default_max_packet_size)
        message.add_bytes(tail)
        try:
            self._send_user_message(message)  # type: ignore[attr-defined]
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise ChannelFailed("dead", f"{BROKE}: {error}") from error
        return number, opening

    def _outcome(self, number: int, opening: _Opening, timeout: float) -> paramiko.Channel:
        with self.lock:
            if not opening.answered.is_set() and self.is_active():
                opening.abandoned = True
                raise ChannelFailed("timeout", f"no answer within {timeout:.1f} s")
            self._openings.pop(number, None)
        if opening.refusal is not None:
            raise opening.refusal
        if not self.is_active():
            raise ChannelFailed("dead", BROKE)
        return opening.channel

    def _log(self, level: int, msg: str | list[str], *args: object) -> None:
        """As paramiko's own, which tells what came before the greeting to its log alone."""
        if isinstance(msg, str) and msg.startswith(_BEFORE_GREETING):
            self.greeting.append(msg.removeprefix(_BEFORE_GREETING).strip())
        super()._log(level, msg, *args)  # type: ignore[misc]

    def _parse_channel_open_success(self, m: paramiko.Message) -> None:
        """As paramiko's own; a channel that comes after its time-out is closed, or the node would keep it open."""
        number = m.get_int()
        m.rewind()
        super()._parse_channel_open_success(m)  # type: ignore[misc]
        with self.lock:
            opening = self._openings.get(number)
            late = opening is not None and opening.abandoned
            if late:
                del self._openings[number]
        if late and opening is not None:
            opening.channel.close()

    def _parse_channel_open_failure(self, m: paramiko.Message) -> None:
        """Keep the reason with the channel, where paramiko would log it and keep a number for all channels."""
        number = m.get_int()
        reason = m.get_int()
        text = m.get_text()
        with self.lock:
            opening = self._openings.get(number)
            self._channels.delete(number)  # type: ignore[attr-defined]
            answered = self.channel_events.pop(number, None)
            if opening is not None:
                opening.refusal = ChannelFailed(kind_of_refusal(reason, text), text)
                if opening.abandoned:
                    del self._openings[number]
        if answered is not None:
            answered.set()
