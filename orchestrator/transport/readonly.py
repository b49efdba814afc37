"""A host that can only be looked at: whatever could change something is stopped here, before it is sent.

What is let through is a list, and the list is documented (docs/ssh-hosts.md). Everything else raises
:class:`NotReadOnly`, which is a fault of this package and never of a person. The list holds calls of the Engine API by
method and path (in the reference's words) and, for commands, what :meth:`ReadOnlyHost.enter` starts: an sshd inside a
network namespace, from which name lookups and connections begin. No other command is run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import requests

from orchestrator.transport.base import CommandResult, Host, Lines, Stream

if TYPE_CHECKING:
    from docker import APIClient

ENGINE_CALLS = (
    "GET /version",
    "GET /info",
    "GET /containers/json",
    "GET /containers/{id}/json",
    "GET /networks",
    "GET /networks/{id}",
    "GET /swarm",
    "GET /nodes",
    "GET /services",
    "GET /tasks",
    "GET /configs",
)
"""The calls of the Engine API that are let through. None of them changes anything (Engine API reference)."""

NAMESPACES = ("/var/run/docker/netns/", "/run/docker/netns/")
"""Where the network namespaces are that may be entered: those of dockerd, which has made them already."""

COMMANDS = ("nsenter --net={namespace} /usr/sbin/sshd -i",)
"""The commands that are run on a node. This one holds a login in a container's network; it ends with the connection."""

_SCHEME = "http+docker://"
_VERSION = re.compile(r"^/v[\d.]+(?=/)")


class NotReadOnly(RuntimeError):
    """This package tried to do more than look, where it has promised to look only. Nothing was sent."""


class ReadOnlyHost:
    """A connection that carries questions only; implements :class:`orchestrator.transport.base.Host`."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def name(self) -> str:
        """The node's name in the inventory."""
        return self._host.name

    @property
    def alive(self) -> bool:
        """Whether the connection still stands."""
        return self._host.alive

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",  # noqa: ARG002
        timeout: float = 30.0,  # noqa: ARG002
        root: bool = False,  # noqa: ARG002
    ) -> CommandResult:
        """No command is run here. Raises :class:`NotReadOnly`."""
        raise NotReadOnly(f"the command `{' '.join(argv)}` is not among what may be run on {self.name}")

    def follow(self, argv: Sequence[str], *, root: bool = False) -> Lines:  # noqa: ARG002
        """No command is run here. Raises :class:`NotReadOnly`."""
        raise NotReadOnly(f"the command `{' '.join(argv)}` is not among what may be run on {self.name}")

    def open_tcp(self, address: str, port: int, *, timeout: float) -> Stream:
        """A TCP connection that starts on the node. Raises ``ChannelFailed``."""
        return self._host.open_tcp(address, port, timeout=timeout)

    def enter(self, namespace: str, *, timeout: float = 20.0) -> ReadOnlyHost:
        """The node seen from a namespace of dockerd's, read-only as well. Raises ``NodeError``."""
        if not namespace.startswith(NAMESPACES) or ".." in namespace:
            raise NotReadOnly(f"{namespace} on {self.name} is no network namespace of a container")
        return ReadOnlyHost(self._host.enter(namespace, timeout=timeout))

    def engine(self) -> APIClient:
        """A client of the node's engine whose calls are checked one by one. Raises ``NodeError``."""
        client = self._host.engine()
        adapter = client.get_adapter(f"{_SCHEME}ssh")
        if not isinstance(adapter, _Gate):
            client.mount(_SCHEME, _Gate(adapter, self.name))
        return client

    def close(self) -> None:
        """Close the connection."""
        self._host.close()


class _Gate(requests.adapters.BaseAdapter):
    """Hands on what is in the list, and stops everything else."""

    def __init__(self, adapter: requests.adapters.BaseAdapter, node: str) -> None:
        super().__init__()
        self._adapter = adapter
        self._node = node

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """The answer of the engine. Raises :class:`NotReadOnly` before anything is sent."""
        call = call_of(request)
        if not allowed(call):
            raise NotReadOnly(f"`{call}` is not among what the engine of {self._node} may be asked")
        return self._adapter.send(request, stream, timeout, verify, cert, proxies)

    def close(self) -> None:
        """Close the connections behind."""
        self._adapter.close()


def call_of(request: requests.PreparedRequest) -> str:
    """A request as the list names it: method and path, without the version of the API."""
    path = _VERSION.sub("", unquote(urlsplit(request.url or "").path))
    return f"{request.method} {path}"


def allowed(call: str) -> bool:
    """Whether a call (``GET /networks/ingress``) is in the list."""
    return any(_pattern(entry).fullmatch(call) for entry in ENGINE_CALLS)


def _pattern(entry: str) -> re.Pattern[str]:
    """A call of the list as a pattern; ``{id}`` stands for one part of a path."""
    return re.compile("[^/]+".join(re.escape(part) for part in re.split(r"\{\w+\}", entry)))
