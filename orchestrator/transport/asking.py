"""Carry out the questions of checks: each from its vantage, all vantages at once. Judges nothing.

TCP and name lookups start inside the vantage's network namespace through an sshd that was started there
(:meth:`~orchestrator.transport.base.Host.enter`). UDP cannot ride on SSH: a datagram is sent by the node's own bash,
which knows ``/dev/udp`` (bash(1), REDIRECTION).
"""

from __future__ import annotations

import contextlib
import json
import shlex
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
from docker.errors import NotFound

from orchestrator.errors import NodeError
from orchestrator.model.observed import Problem
from orchestrator.model.probe import Outcome, Probe, Target
from orchestrator.model.question import (
    Datagram,
    Echo,
    Echoed,
    EngineCall,
    Fetch,
    Fetched,
    Inspect,
    Inspected,
    Lookup,
    Question,
    Read,
    Refused,
    Reply,
    Resolved,
    Told,
    Unasked,
    Vantage,
)
from orchestrator.runtime.context import Context
from orchestrator.runtime.fanout import fan_out
from orchestrator.transport.base import ChannelFailed, CommandResult, Host, Stream
from orchestrator.transport.engine_errors import engine_errors
from orchestrator.transport.probing import outcome_of, parse_answer, request

NAME_SERVER = ("127.0.0.11", 53)
"""Docker's own name server in the namespace of every container on a network of its own; it also speaks TCP."""

PER_NODE = 5
"""Namespaces entered, or commands run, at once on one node: each is a session, and an sshd allows 10 (MaxSessions)."""

LAST_LINES = 20
"""How much of a container's output is looked at."""

_NOT_FOUND = 127
_TIMED_OUT = 124

_DATAGRAM = """exec 3<>"/dev/udp/$1/$2" || exit 1
printf '?' >&3
timeout "$3" dd bs=65536 count=1 status=none <&3"""
"""One datagram out, one in: ``dd`` reads it whole, as a shell's ``read`` would not."""


def ask(context: Context, questions: Sequence[Question], hosts: Mapping[str, Host | Problem]) -> dict[Question, Reply]:
    """Ask every question once; each has a reply afterwards. Raises ``Interrupted`` when cancelled."""
    nodes: dict[str, list[Question]] = {}
    for question in dict.fromkeys(questions):
        nodes.setdefault(question.vantage.node, []).append(question)
    asked = fan_out(list(nodes), lambda node: _on_node(context, nodes[node], hosts.get(node)))
    context.check()
    return {question: reply for result in asked for question, reply in result.get().items()}


def _on_node(context: Context, questions: Sequence[Question], host: Host | Problem | None) -> dict[Question, Reply]:
    """First what is dialled, namespace by namespace, then what is a command or a call."""
    if host is None or isinstance(host, Problem):
        return dict.fromkeys(questions, Unasked(host.message if host else "there is no connection to it"))
    dialling: dict[Vantage, list[Fetch | Lookup]] = {}
    for question in questions:
        if isinstance(question, Fetch | Lookup):
            dialling.setdefault(question.vantage, []).append(question)
    others = [question for question in questions if not isinstance(question, Fetch | Lookup)]
    replies: dict[Question, Reply] = {}
    entered = fan_out(list(dialling), lambda one: _from_vantage(context, host, one, dialling[one]), limit=PER_NODE)
    for found in entered:
        replies |= found.get()
    for reply in fan_out(others, lambda one: _guarded(_other, host, one), limit=PER_NODE):
        replies[reply.item] = reply.get()
    return replies


def _from_vantage(
    context: Context, host: Host, vantage: Vantage, questions: Sequence[Fetch | Lookup]
) -> dict[Question, Reply]:
    try:
        with _entered(context, host, vantage) as inside:
            asked = fan_out(questions, lambda one: _guarded(_dial, inside, one), limit=8)
            return {result.item: result.get() for result in asked}
    except NodeError as error:
        context.check()
        return dict.fromkeys(questions, Unasked(error.message))


@contextlib.contextmanager
def _entered(context: Context, host: Host, vantage: Vantage) -> Iterator[Host]:
    """The host as seen from the vantage's namespace."""
    if not vantage.namespace:
        yield host
        return
    inside = host.enter(vantage.namespace)
    with context.closing(inside.close):
        try:
            yield inside
        finally:
            inside.close()


def _guarded(work: Callable[[Host, Any], Reply], host: Host, question: Question) -> Reply:
    """The reply; what keeps us from asking at all is a reply too."""
    try:
        return work(host, question)
    except NodeError as error:
        return Unasked(error.message)


def _dial(host: Host, question: Fetch | Lookup) -> Reply:
    return _fetch(host, question) if isinstance(question, Fetch) else _lookup(host, question)


def _fetch(host: Host, question: Fetch) -> Reply:
    target = Target(host.name, question.address, question.port)
    probe = Probe("", host.name, target, "", question.port, question.count, question.deadline, path=question.path)
    seen = tuple(request(host, probe, attempt) for attempt in range(question.count))
    lost = [one for one in seen if one.outcome is Outcome.VANTAGE_DEAD]
    return Unasked(lost[0].error or "the vantage is dead") if lost else Fetched(seen)


def _lookup(host: Host, question: Lookup) -> Reply:
    """Ask Docker's name server over TCP (RFC 1035, 4.2.2: two bytes of length before each message)."""
    query = dns.message.make_query(question.name.rstrip(".") + ".", dns.rdatatype.A)
    wire = query.to_wire()
    try:
        stream = host.open_tcp(*NAME_SERVER, timeout=question.deadline)
        with contextlib.closing(stream):
            stream.settimeout(question.deadline)
            stream.sendall(struct.pack("!H", len(wire)) + wire)
            (size,) = struct.unpack("!H", _exactly(stream, 2))
            answer = dns.message.from_wire(_exactly(stream, size))
    except (ChannelFailed, OSError, EOFError) as error:
        failure = Outcome.RESET if isinstance(error, EOFError) else outcome_of(error)
        return Unasked(str(error)) if failure is Outcome.VANTAGE_DEAD else Resolved(failure=failure.value)
    except dns.exception.DNSException as error:
        return Resolved(failure=f"the answer cannot be read: {error}")
    records = [record for group in answer.answer if group.rdtype == dns.rdatatype.A for record in group]
    return Resolved(dns.rcode.to_text(answer.rcode()), tuple(sorted(record.address for record in records)))


def _exactly(stream: Stream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _other(host: Host, question: Question) -> Reply:
    if isinstance(question, Read):
        return _read(host, question)
    if isinstance(question, Datagram):
        return _datagram(host, question)
    if isinstance(question, Inspect):
        return _inspect(host, question)
    assert isinstance(question, EngineCall)  # noqa: S101 (the other kinds are dialled)
    return _engine_call(host, question)


def _command(host: Host, vantage: Vantage, argv: Sequence[str], deadline: float) -> CommandResult:
    """Run a command in the vantage's network; it speaks English, whatever the node's language is."""
    entering = ("nsenter", f"--net={vantage.namespace}") if vantage.namespace else ()
    return host.run(("env", "LC_ALL=C", *entering, *argv), timeout=deadline, root=True)


def _read(host: Host, question: Read) -> Reply:
    result = _command(host, question.vantage, question.argv, question.deadline)
    if result.exit_code == _NOT_FOUND:
        return Unasked(f"{question.argv[0]} is not installed on {host.name}")
    return Told(result.exit_code, result.stdout, result.stderr)


def _datagram(host: Host, question: Datagram) -> Reply:
    words = ("bash", "-c", _DATAGRAM, "bash", question.address, str(question.port), f"{question.deadline:g}")
    result = _command(host, question.vantage, words, question.deadline + 20)
    if result.exit_code == _NOT_FOUND:
        return Unasked(f"bash is not installed on {host.name}, and nothing else there sends UDP")
    if result.exit_code == _TIMED_OUT:
        return Echoed(Echo.SILENT)
    if result.exit_code == 0 and result.stdout:
        return Echoed(Echo.ANSWERED, result.stdout, parse_answer(result.stdout.encode()))
    if "refused" in result.stderr:
        return Echoed(Echo.REFUSED, result.stderr.strip())
    if "unreachable" in result.stderr or "No route" in result.stderr:
        return Echoed(Echo.UNREACHABLE, result.stderr.strip())
    return Unasked(f"`{shlex.join(words[:2])} …` failed on {host.name}: {result.stderr.strip() or result.exit_code}")


def _inspect(host: Host, question: Inspect) -> Reply:
    engine = host.engine()
    with engine_errors(host.name, f"inspect {question.kind} {question.name}".rstrip()):
        try:
            if question.kind == "networks":
                return Inspected(engine.networks())
            if question.kind == "network":
                return Inspected(engine.inspect_network(question.name, verbose=question.verbose))
            if question.kind == "logs":
                return Inspected(engine.logs(question.name, tail=LAST_LINES).decode(errors="replace"))
            return Inspected(engine.inspect_container(question.name))
        except NotFound:
            return Inspected(None)


def _engine_call(host: Host, question: EngineCall) -> Reply:
    """Make the call, and take back at once what it should not have created."""
    engine = host.engine()
    with engine_errors(host.name, f"POST {question.path}"):
        base = f"{engine.base_url}/v{engine.api_version}"
        answer = engine.post(f"{base}{question.path}", json=json.loads(question.body), timeout=30)
        said = answer.json() if answer.content else {}
        created = str(said.get("ID") or said.get("Id") or "")
        removal = engine.delete(f"{base}{question.undo}/{created}", timeout=30) if created else None
    left = "" if removal is None or removal.ok else f"{removal.status_code} {removal.text.strip()}"
    return Refused(answer.status_code, str(said.get("message", "")), created, left)
