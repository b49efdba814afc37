"""The Engine API of a node through its SSH connection.

The docker SDK talks HTTP over a channel to the engine's UNIX socket. Where that is not to be had (an sshd with
``AllowStreamLocalForwarding no``, a socket that the login user may not open) the same HTTP goes through
``docker system dial-stdio`` in a session, with sudo as the last way. What worked is remembered per node.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import requests
import urllib3
from docker import APIClient
from docker.transport.basehttpadapter import BaseHTTPAdapter
from docker.utils import version_lt
from paramiko import SSHException
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from orchestrator.errors import NodeError
from orchestrator.model.inventory import DOCKER_SOCKET
from orchestrator.transport.base import ChannelFailed
from orchestrator.transport.engine_errors import engine_errors, hint_for
from orchestrator.transport.sudo import wants_password, without_password

if TYPE_CHECKING:
    from paramiko import Channel

    from orchestrator.transport.sudo import Sudo

DIAL_SECONDS = 30.0
"""How long sshd may take to start the command that dials the engine as root."""

API_SECONDS = 60
"""How long an engine may stay silent within one call."""

PREFERRED_API = "1.45"
"""The newest API this package was written against; an engine that dropped it is asked for its oldest."""

_BLOCK = 262144


class CommandOpener(Protocol):
    """Starts a command on the node and hands over its channel."""

    def __call__(self, argv: Sequence[str]) -> Channel:
        """Raises ``ChannelFailed`` where the node opens no session."""


class ChannelConnection(HTTPConnection):
    """An HTTP connection over a channel of an SSH connection."""

    def __init__(self, open_channel: Callable[[], Channel]) -> None:
        super().__init__("localhost", blocksize=_BLOCK)
        self._open_channel = open_channel

    def connect(self) -> None:
        """Open the channel. Raises ``ChannelFailed``."""
        channel = self._open_channel()
        channel.settimeout(API_SECONDS)
        self.sock = channel  # a channel has the methods of a socket that HTTP needs

    def close(self) -> None:
        """Close the channel, whatever became of the SSH connection: a pool is also closed when it is forgotten."""
        with suppress(OSError, EOFError, SSHException):
            super().close()

    @property
    def is_connected(self) -> bool:
        """Whether a kept connection may be used again. urllib3 would ask the file descriptor: a channel has none."""
        channel: Any = self.sock
        return channel is not None and not channel.closed and not channel.eof_received


class ChannelPool(HTTPConnectionPool):
    """Kept connections of one client."""

    def __init__(self, open_channel: Callable[[], Channel]) -> None:
        super().__init__("localhost", maxsize=2)
        self._open_channel = open_channel

    def _new_conn(self) -> HTTPConnection:
        self.num_connections += 1
        return ChannelConnection(self._open_channel)


class ChannelAdapter(BaseHTTPAdapter):
    """Sends every request of a client through one pool, whatever its address says."""

    def __init__(self, open_channel: Callable[[], Channel]) -> None:
        super().__init__()
        self._pool = ChannelPool(open_channel)

    def get_connection(self, url: object, proxies: object = None) -> ChannelPool:  # noqa: ARG002 (as requests has it)
        """The one pool."""
        return self._pool

    def request_url(self, request: requests.PreparedRequest, proxies: object) -> str:  # noqa: ARG002
        """The path alone: there is no proxy on the way to a UNIX socket."""
        return request.path_url

    def close(self) -> None:
        """Close the kept connections."""
        super().close()
        self._pool.close()


def new_client(adapter: requests.adapters.BaseAdapter, version: str) -> APIClient:
    """A client of the docker SDK whose requests go through ``adapter``."""
    client = APIClient(base_url="http://localhost:1", version=version, timeout=API_SECONDS)
    client.trust_env = False  # no proxy and no .netrc of the operator's machine concerns a UNIX socket
    client.base_url = "http+docker://ssh"  # what the SDK itself uses over SSH: it then knows channels
    client.mount("http+docker://", adapter)
    return client


def agreed_version(said: dict[str, Any]) -> str:
    """The API version to speak with an engine, from its ``GET /version``."""
    newest, oldest = str(said["ApiVersion"]), str(said.get("MinAPIVersion") or "1.24")
    if version_lt(newest, PREFERRED_API):
        return newest
    return oldest if version_lt(PREFERRED_API, oldest) else PREFERRED_API


class Engine:
    """The engine of one node; hands each thread a client of its own."""

    def __init__(
        self,
        node: str,
        open_socket: Callable[[str], Channel],
        open_command: CommandOpener,
        sudo: Sudo | None = None,
        socket: str = DOCKER_SOCKET,
    ) -> None:
        """``sudo`` is ``None`` for root, who needs none; ``socket`` is where the engine listens on the node."""
        self._node = node
        self._open_socket = open_socket
        self._open_command = open_command
        self._sudo = sudo
        self._socket = socket
        elsewhere = () if socket == DOCKER_SOCKET else ("-H", f"unix://{socket}")
        self._dial = ("docker", *elsewhere, "system", "dial-stdio")
        self._lock = threading.Lock()
        self._agreed: tuple[Callable[[], Channel], str] | None = None
        self._local = threading.local()

    def client(self) -> APIClient:
        """The calling thread's client. Raises ``NodeError`` where no way leads to the engine."""
        client: APIClient | None = getattr(self._local, "client", None)
        if client is None:
            with self._lock:
                if self._agreed is None:
                    self._agreed = self._find_way()
                open_channel, version = self._agreed
            client = self._local.client = new_client(ChannelAdapter(open_channel), version)
        return client

    def _find_way(self) -> tuple[Callable[[], Channel], str]:
        """The first way on which the engine tells its version. Raises ``NodeError`` with the last way's reason."""
        try:
            return self._try(lambda: self._open_socket(self._socket))
        except ChannelFailed as failure:
            if failure.kind in {"dead", "timeout"}:
                with engine_errors(self._node, f"connect to {self._socket}"):
                    raise
        words = self._why_not(self._dial)
        if words is None:
            return self._try(lambda: self._open_command(self._dial))
        if "permission denied" in words.lower() and self._sudo is not None:
            return self._by_sudo(self._sudo, words)
        raise self._unreachable(words)

    def _by_sudo(self, sudo: Sudo, words: str) -> tuple[Callable[[], Channel], str]:
        """As root, with the password where sudo wants one. ``words`` is why it does not go without."""
        elevated = without_password(self._dial)
        refusal = self._why_not(elevated)
        if refusal is None:
            return self._try(lambda: self._open_command(elevated))
        if not wants_password(refusal):
            raise self._unreachable(f"{words}; and {refusal}")
        sudo.unlock()
        return self._try(lambda: sudo.start(self._dial, DIAL_SECONDS))

    def _unreachable(self, words: str) -> NodeError:
        return NodeError(f"the engine cannot be reached: {words}", node=self._node, hint=hint_for(words))

    def _try(self, open_channel: Callable[[], Channel]) -> tuple[Callable[[], Channel], str]:
        adapter = ChannelAdapter(open_channel)
        try:
            with engine_errors(self._node, "GET /version", let_through=(ChannelFailed,)):
                said = new_client(adapter, PREFERRED_API).version(api_version=False)
            return open_channel, agreed_version(said)
        finally:
            adapter.close()

    def _why_not(self, argv: Sequence[str]) -> str | None:
        """Why dialling the engine by a command fails, in the command's own words; ``None`` where it works."""
        try:
            channel = self._open_command(argv)
        except (ChannelFailed, SSHException, EOFError, OSError) as error:
            return f"`{' '.join(argv)}` could not be started: {error}"
        try:
            channel.settimeout(API_SECONDS)
            channel.sendall(b"GET /_ping HTTP/1.0\r\nHost: localhost\r\n\r\n")
            if channel.recv(5) == b"HTTP/":
                return None
            words = b"".join(iter(lambda: channel.recv_stderr(_BLOCK), b"")).decode("utf-8", "replace").strip()
            return words or f"`{' '.join(argv)}` ended without a word"
        except (OSError, urllib3.exceptions.HTTPError) as error:
            return f"`{' '.join(argv)}`: {error or type(error).__name__}"
        finally:
            channel.close()
