"""A host that is not there: a stand-in for hermetic tests with scripted commands, engine and network.

The engine is a :class:`FakeSwarm` behind the real docker SDK, so what a test exercises is the code that also
speaks to real engines.
"""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
import urllib3
from docker import APIClient

from orchestrator.errors import NodeError
from orchestrator.transport.base import ChannelFailed, CommandResult
from orchestrator.transport.engine import new_client
from orchestrator.transport.fakeswarm import FakeSwarm

Handler = Callable[[str, str, dict[str, str], bytes], tuple[int, Any]]


@dataclass(frozen=True)
class Script:
    """What a command does: its exit code and outputs."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


class ScriptedHost:
    """A host by table; implements :class:`orchestrator.transport.base.Host`.

    ``commands`` maps a command line (as a shell would be given it) to its :class:`Script`; ``tcp`` maps
    ``(address, port)`` to the bytes that come back, or to the kind of :class:`ChannelFailed`. What is in no
    table fails the way it would on a real host; ``namespaces`` are the hosts that stand for its network namespaces, by
    file. :attr:`ran` and :attr:`dialled` keep what was asked.
    """

    def __init__(
        self,
        name: str,
        *,
        swarm: FakeSwarm | None = None,
        commands: Mapping[str, Script] | None = None,
        tcp: Mapping[tuple[str, int], bytes | str] | None = None,
        namespaces: Mapping[str, ScriptedHost] | None = None,
    ) -> None:
        self._name = name
        self._swarm = swarm
        self._commands = dict(commands or {})
        self._tcp = dict(tcp or {})
        self._namespaces = dict(namespaces or {})
        self.ran: list[str] = []
        self.dialled: list[tuple[str, int]] = []
        self.closed = False

    @property
    def name(self) -> str:
        """The node's name."""
        return self._name

    @property
    def alive(self) -> bool:
        """Until it is closed."""
        return not self.closed

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",  # noqa: ARG002
        timeout: float = 30.0,  # noqa: ARG002
        root: bool = False,  # noqa: ARG002
    ) -> CommandResult:
        """The scripted result; 127 for a command that is not in the script, as a shell would say."""
        line = shlex.join(argv)
        self.ran.append(line)
        script = self._commands.get(line, Script(stderr=f"sh: {argv[0]}: not found\n", exit_code=127))
        return CommandResult(tuple(argv), script.exit_code, script.stdout, script.stderr)

    def follow(self, argv: Sequence[str], *, root: bool = False) -> ScriptedLines:
        """The lines of the scripted output, after which the command ends."""
        return ScriptedLines(self.run(argv, root=root).stdout)

    def open_tcp(self, address: str, port: int, *, timeout: float) -> ScriptedStream:  # noqa: ARG002
        """A stream that answers from the table. Raises ``ChannelFailed``, ``refused`` for what is not in it."""
        self.dialled.append((address, port))
        answer = self._tcp.get((address, port), "refused")
        if self.closed:
            answer = "dead"
        if isinstance(answer, str):
            raise ChannelFailed(answer, f"scripted: {answer}")
        return ScriptedStream(answer)

    def enter(self, namespace: str, *, timeout: float = 20.0) -> ScriptedHost:  # noqa: ARG002
        """The host that stands for that namespace. Raises ``NodeError`` for one that is not in the table."""
        if namespace not in self._namespaces or self.closed:
            raise NodeError(f"the network namespace {namespace} cannot be entered: no such file", node=self._name)
        return self._namespaces[namespace]

    def engine(self) -> APIClient:
        """A docker client of the fake engine. Raises ``NodeError`` where the script has none."""
        if self._swarm is None or self.closed:
            raise NodeError("the engine cannot be reached: no engine in the script", node=self._name)
        swarm, name = self._swarm, self._name
        return new_client(_Adapter(lambda *request: swarm.handle(name, *request)), "1.45")

    def close(self) -> None:
        """After this nothing can be opened any more."""
        self.closed = True


class ScriptedLines:
    """Output that comes at once."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __iter__(self) -> Iterator[str]:
        return iter(self._text.splitlines())

    def close(self) -> None:
        """Nothing to close."""


class ScriptedStream:
    """Bytes that come back whatever is sent; a time-out when they are empty."""

    def __init__(self, answer: bytes) -> None:
        self._answer = io.BytesIO(answer)
        self._silent = not answer

    def sendall(self, data: bytes, /) -> None:
        """Takes anything."""

    def recv(self, size: int, /) -> bytes:
        """The next bytes of the answer."""
        if self._silent:
            raise TimeoutError("scripted: silence")
        return self._answer.read(size)

    def settimeout(self, seconds: float | None, /) -> None:
        """Time does not pass here."""

    def close(self) -> None:
        """Nothing to close."""


def hosts_of(swarm: FakeSwarm, **options: Any) -> dict[str, ScriptedHost]:  # noqa: ANN401
    """A host for every engine of a fake swarm, by name; ``options`` go to every :class:`ScriptedHost`."""
    return {name: ScriptedHost(name, swarm=swarm, **options) for name in swarm.engines}


class _Body(io.BytesIO):
    """What the docker SDK looks for in a response's body."""

    chunked = False


class _Adapter(requests.adapters.BaseAdapter):
    """Answers the requests of a docker client from a function, without any network."""

    def __init__(self, handler: Handler) -> None:
        super().__init__()
        self._handler = handler

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        """Decode the request, ask the function, encode its answer."""
        url = urlsplit(request.url or "")
        path = re.sub(r"^/v[\d.]+(?=/)", "", unquote(url.path))
        status, answer = self._handler(request.method or "", path, dict(parse_qsl(url.query)), _bytes_of(request.body))
        data = b"" if answer is None else json.dumps(answer).encode()
        response = requests.Response()
        response.status_code = status
        response.request = request
        response.url = request.url or ""
        response.headers["Content-Type"] = "application/json"
        response.raw = urllib3.HTTPResponse(_Body(data), headers={}, status=status, preload_content=False)
        return response

    def close(self) -> None:
        """Nothing to close."""


def _bytes_of(body: Any) -> bytes:  # noqa: ANN401 (requests takes text, bytes and files)
    if hasattr(body, "read"):
        body = b"".join(iter(lambda: body.read(65536), b""))
    return body.encode() if isinstance(body, str) else body or b""
