"""Carry out probes: real HTTP requests from every vantage, each through a connection that starts there.

Nothing is installed on a node and no command is started per request: the node's own sshd dials. What came back
is only recorded here; what it means is for the planning room to judge.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import lru_cache
from http.client import BadStatusLine, HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from typing import cast

from orchestrator.model.observed import Problem
from orchestrator.model.probe import OPERATOR, Answer, Observation, Outcome, Probe, Target
from orchestrator.runtime.context import Context
from orchestrator.transport.base import ChannelFailed, Host, Stream

MAX_BODY = 4 << 20
"""How much of an answer is read; the lab's answers are a few hundred bytes, a payload is a mebibyte."""

WORKERS = 128
"""Requests under way in all, whatever the number of vantages: each is a thread."""

_READ = 16384
_HTTP = b"HTTP/"
_GREETING = 60
"""Bytes of an answer in another protocol that are worth telling."""
_OUTCOMES = {
    "refused": Outcome.REFUSED,
    "timeout": Outcome.TIMEOUT,
    "unreachable": Outcome.UNREACHABLE,
    "prohibited": Outcome.VANTAGE_DEAD,  # the question could not be asked, which says nothing of the target
    "dead": Outcome.VANTAGE_DEAD,
}


@dataclass
class _Vantage:
    """The requests of one vantage that are still to be made; ``dead`` says why none can be made any more."""

    host: Host | None
    todo: deque[tuple[Probe, int]]
    dead: str = ""
    seen: list[Observation] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def run_probes(
    context: Context, probes: Sequence[Probe], hosts: Mapping[str, Host | Problem], *, concurrency: int = 16
) -> list[Observation]:
    """Make every request of every probe; the observations come in the order of ``probes``, then of attempts.

    The vantages take turns, each with up to ``concurrency`` requests under way and all together with up to
    :data:`WORKERS`; the requests of one probe are spread over the run. A vantage that is a :class:`Problem` (or
    missing, or breaks on the way) costs no time-outs: its requests are observed as ``VANTAGE_DEAD``. Raises
    ``Interrupted`` when cancelled.
    """
    vantages = _vantages(probes, hosts)
    turns = deque(vantage for turn in range(concurrency) for vantage in vantages if turn < len(vantage.todo))
    if not turns:
        return []
    workers = min(WORKERS, len(turns))
    with ThreadPoolExecutor(workers, thread_name_prefix="probe") as pool:
        futures = [pool.submit(_work, context, turns) for _ in range(workers)]
        wait(futures)
    context.check()
    for future in futures:
        future.result()
    order = {probe.id: place for place, probe in enumerate(probes)}
    seen = [observation for vantage in vantages for observation in vantage.seen]
    return sorted(seen, key=lambda one: (order[one.probe], one.attempt))


def _vantages(probes: Sequence[Probe], hosts: Mapping[str, Host | Problem]) -> list[_Vantage]:
    grouped: dict[str, list[Probe]] = {}
    for probe in probes:
        grouped.setdefault(probe.vantage, []).append(probe)
    return [_vantage(name, asked, hosts) for name, asked in grouped.items()]


def _vantage(name: str, probes: Sequence[Probe], hosts: Mapping[str, Host | Problem]) -> _Vantage:
    todo = deque(_spread(probes))
    if name == OPERATOR:
        return _Vantage(None, todo)
    host = hosts.get(name, Problem("unreachable", f"no connection to {name}"))
    return _Vantage(None, todo, dead=host.message) if isinstance(host, Problem) else _Vantage(host, todo)


def _spread(probes: Sequence[Probe]) -> Iterator[tuple[Probe, int]]:
    """Every probe's first request, then every probe's second, and so on."""
    for attempt in range(max((probe.count for probe in probes), default=0)):
        for probe in probes:
            if attempt < probe.count:
                yield probe, attempt


def _work(context: Context, turns: deque[_Vantage]) -> None:
    """One worker: a request of the vantage whose turn it is, until no vantage has one left.

    A vantage is in ``turns`` or with a worker as often as it may have requests under way, and there are at least as
    many turns as workers: who finds none is not needed any more.
    """
    while True:
        context.check()
        try:
            vantage = turns.popleft()
        except IndexError:
            return
        with vantage.lock:
            probe, attempt = vantage.todo.popleft() if vantage.todo else (None, 0)
        if probe is not None:
            _ask_from(vantage, probe, attempt)
            turns.append(vantage)


def _ask_from(vantage: _Vantage, probe: Probe, attempt: int) -> None:
    if vantage.dead:
        seen = Observation(probe.id, attempt, Outcome.VANTAGE_DEAD, 0.0, error=vantage.dead)
    else:
        seen = request(vantage.host, probe, attempt)
    with vantage.lock:
        vantage.seen.append(seen)
        if seen.outcome is Outcome.VANTAGE_DEAD:
            vantage.dead = vantage.dead or seen.error


def request(host: Host | None, probe: Probe, attempt: int) -> Observation:
    """One request from ``host`` (``None``: from this machine) and what came of it; never raises for the network."""
    started = time.monotonic()
    seen = Observation(probe.id, attempt, Outcome.ANSWERED, 0.0)
    try:
        end = started + probe.deadline
        stream = _open(host, probe.target, end)
        seen = replace(seen, connected=True)
        status, body = _ask(stream, probe.target, probe.path, end)
        digest = hashlib.sha256(body).hexdigest() if probe.path != "/" else ""
        seen = replace(seen, status=status, answer=parse_answer(body), size=len(body), digest=digest)
    except Exception as error:
        seen = replace(seen, outcome=outcome_of(error), error=_words(error, probe.deadline))
    return replace(seen, latency=time.monotonic() - started)


def _ask(stream: Stream, target: Target, path: str, end: float) -> tuple[int, bytes]:
    """One request over a fresh connection, which is closed; status and body."""
    try:
        stream.settimeout(_left(end))
        stream.sendall(
            f"GET {path} HTTP/1.0\r\nHost: {target.address}:{target.port}\r\nConnection: close\r\n\r\n".encode()
        )
        response = HTTPResponse(cast("socket.socket", _Readable(stream, end)), method="GET")
        with response:
            response.begin()
            body = response.read(MAX_BODY)
            if response.length and len(body) < MAX_BODY:
                raise IncompleteRead(body, response.length)
            return response.status, body
    finally:
        stream.close()


def _open(host: Host | None, target: Target, end: float) -> Stream:
    if host is None:
        return socket.create_connection((target.address, target.port), _left(end))
    return host.open_tcp(target.address, target.port, timeout=_left(end))


def _left(end: float) -> float:
    """Seconds until ``end``; raises ``TimeoutError`` when there are none."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Readable:
    """What ``HTTPResponse`` wants of a socket."""

    def __init__(self, stream: Stream, end: float) -> None:
        self._reader = _Reader(stream, end)

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 (the signature of sockets)
        """The stream as a file."""
        return io.BufferedReader(self._reader, _READ)


class _Reader(io.RawIOBase):
    """A stream as a raw file on which all reads together end at one deadline."""

    def __init__(self, stream: Stream, end: float) -> None:
        self._stream = stream
        self._end = end
        self._begin = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._stream.settimeout(_left(self._end))
        data = self._stream.recv(len(buffer))
        self._check_greeting(data)
        buffer[: len(data)] = data
        return len(data)

    def _check_greeting(self, data: bytes) -> None:
        """Another protocol is known by its first bytes: whoever speaks it may never end the line or close."""
        if len(self._begin) < len(_HTTP):
            self._begin += data[:_GREETING]
            if not self._begin.startswith(_HTTP[: len(self._begin)]):
                raise BadStatusLine(self._begin.decode("iso-8859-1"))


def parse_answer(body: bytes) -> Answer:
    """Who answered, from the lab's JSON; an empty answer where the body is something else."""
    try:
        told = json.loads(body)
    except ValueError:
        return Answer()
    if not isinstance(told, dict):
        return Answer()
    known = ("node", "service", "task", "slot", "server", "client")
    return _shared(*("" if told.get(key) is None else str(told[key]) for key in known))


@lru_cache(maxsize=1 << 16)
def _shared(node: str, service: str, task: str, slot: str, server: str, client: str) -> Answer:
    """One object for equal answers: a large cluster gives hundreds of thousands, of which few differ."""
    return Answer(node, service, task, slot, server, client)


def outcome_of(error: Exception) -> Outcome:
    """How a request ended that raised ``error``."""
    if isinstance(error, ChannelFailed):
        return _OUTCOMES.get(error.kind, Outcome.VANTAGE_DEAD)
    if isinstance(error, TimeoutError):
        return Outcome.TIMEOUT
    if isinstance(error, ConnectionRefusedError):
        return Outcome.REFUSED
    if isinstance(error, ConnectionError | IncompleteRead):
        return Outcome.RESET
    if isinstance(error, HTTPException | ValueError):
        return Outcome.NOT_HTTP
    if isinstance(error, OSError):
        unreachable = {errno.EHOSTUNREACH, errno.ENETUNREACH}
        return (
            Outcome.UNREACHABLE if error.errno in unreachable or isinstance(error, socket.gaierror) else Outcome.RESET
        )
    raise error


def _words(error: Exception, deadline: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {deadline:g} s"
    if isinstance(error, RemoteDisconnected):
        return "the connection was closed without an answer"
    if isinstance(error, BadStatusLine):
        return f"the answer begins with {str(error)!r}"
    if isinstance(error, IncompleteRead):
        return "the connection was closed in the middle of the answer"
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
