"""Channels that fail for a reason, and probes through a real sshd."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sshd_support import free_port

from orchestrator.errors import Interrupted
from orchestrator.model.observed import Problem
from orchestrator.model.probe import OPERATOR, Answer, Outcome, Probe, Target
from orchestrator.runtime.context import Context
from orchestrator.transport import probing
from orchestrator.transport import ssh as ssh_module
from orchestrator.transport.base import ChannelFailed
from orchestrator.transport.probing import MAX_BODY, outcome_of, parse_answer, run_probes
from orchestrator.transport.scripted import ScriptedHost
from orchestrator.transport.ssh import connect
from orchestrator.transport.wire import kind_of_refusal

BODY = {"node": "n2", "service": "web", "task": "t1", "slot": 1, "server": "10.0.9.3", "client": "10.0.0.2", "x": None}


def http(body: bytes, length: int | None = None) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


GOOD = http(json.dumps(BODY).encode())


@contextmanager
def server(answer: bytes | None, *, reset: bool = False, stay: bool = False):
    """Answers every request with the same bytes; ``None``: never answers. ``stay`` keeps connections open."""
    kept = []

    def serve(listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if answer is None:
                kept.append(connection)
                continue
            if stay:
                kept.append(connection)
                connection.sendall(answer)
                continue
            with connection:
                connection.recv(4096)
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    continue
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in kept:
                connection.close()


@pytest.fixture
def context():
    return Context(lambda event: None)


def probe(port: int, vantage: str = "n1", count: int = 1, deadline: float = 5.0, name: str = "p") -> Probe:
    return Probe(name, vantage, Target("n1", "127.0.0.1", port), "web", 8080, count, deadline)


@pytest.mark.parametrize(
    ("reason", "text", "kind"),
    [
        (2, "Connection refused", "refused"),
        (2, "Connection timed out", "timeout"),
        (2, "No route to host", "unreachable"),
        (2, "Network is unreachable", "unreachable"),
        (2, "something new", "unreachable"),
        (1, "administratively prohibited: open failed", "prohibited"),
        (1, "open failed", "prohibited"),
        (4, "no more sessions", "prohibited"),
    ],
)
def test_what_sshd_says_means_one_kind(reason, text, kind):
    assert kind_of_refusal(reason, text) == kind


def test_a_refused_channel_says_so(host):
    with pytest.raises(ChannelFailed, match="Connection refused") as caught:
        host.open_tcp("127.0.0.1", free_port(), timeout=5)
    assert caught.value.kind == "refused"


def test_an_address_without_a_route_is_unreachable(host):
    with pytest.raises(ChannelFailed) as caught:
        host.open_tcp("255.255.255.255", 80, timeout=5)
    assert caught.value.kind == "unreachable"


def test_an_unknown_name_is_unreachable(host):
    with pytest.raises(ChannelFailed) as caught:
        host.open_tcp("no-such-host.invalid", 80, timeout=20)
    assert caught.value.kind == "unreachable"


def test_an_sshd_that_forbids_forwarding_is_told_apart(make_sshd):
    host = connect(make_sshd("AllowTcpForwarding no").address, name="n1")
    try:
        with pytest.raises(ChannelFailed) as caught:
            host.open_tcp("127.0.0.1", 22, timeout=5)
    finally:
        host.close()
    assert caught.value.kind == "prohibited"


def test_reasons_stay_with_their_channels(host):
    """Many at once: none gets another's reason (paramiko itself keeps one reason for all)."""
    with server(GOOD) as good:
        closed, kinds = free_port(), [None] * 40

        def dial(number):
            try:
                host.open_tcp("127.0.0.1", good if number % 2 else closed, timeout=10).close()
                kinds[number] = "open"
            except ChannelFailed as failure:
                kinds[number] = failure.kind

        threads = [threading.Thread(target=dial, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert kinds == ["refused", "open"] * 20


def test_a_channel_that_opens_after_its_timeout_is_closed(own_host):
    """Otherwise the node would keep a connection that nobody knows of."""
    wire = own_host._wire
    with pytest.raises(ChannelFailed) as caught:
        wire._open("session", b"", 0.0)
    assert caught.value.kind == "timeout"
    assert wire.answers()  # the answer to the abandoned request came before this one
    assert not wire._openings
    assert not [channel for channel in wire._channels.values() if not channel.closed]


def test_a_living_node_answers_and_a_closed_one_does_not(own_host):
    assert own_host._wire.answers()
    own_host.close()
    assert not own_host._wire.answers()


def test_a_frozen_node_is_dead_not_its_target(sshd, monkeypatch):
    """An sshd that stops answering while the connection stands: only a question to itself tells."""
    host = connect(sshd.address, name="n1")
    monkeypatch.setattr(host._wire, "answers", lambda: False)
    monkeypatch.setattr(host._wire, "open_tcp", lambda *_, **__: (_ for _ in ()).throw(ChannelFailed("timeout", "")))
    try:
        with pytest.raises(ChannelFailed) as caught:
            host.open_tcp("127.0.0.1", 80, timeout=0.1)
    finally:
        host.close()
    assert (caught.value.kind, str(caught.value)) == ("dead", ssh_module.SILENT)


@pytest.mark.parametrize("vantage", ["n1", OPERATOR])
class TestFromBothVantages:
    def outcomes(self, context, host, port, vantage, deadline=5.0):
        hosts = {"n1": host}
        return run_probes(context, [probe(port, vantage, 2, deadline)], hosts)

    def test_an_answer_is_read(self, context, host, vantage):
        with server(GOOD) as port:
            seen = self.outcomes(context, host, port, vantage)
        assert [one.outcome for one in seen] == [Outcome.ANSWERED] * 2
        assert [one.attempt for one in seen] == [0, 1]
        assert seen[0].status == 200
        assert seen[0].answer == Answer("n2", "web", "t1", "1", "10.0.9.3", "10.0.0.2")

    def test_refused(self, context, host, vantage):
        seen = self.outcomes(context, host, free_port(), vantage)
        assert [one.outcome for one in seen] == [Outcome.REFUSED] * 2
        assert "refused" in seen[0].error

    def test_silence(self, context, host, vantage):
        with server(None) as port:
            seen = self.outcomes(context, host, port, vantage, deadline=0.3)
        assert [one.outcome for one in seen] == [Outcome.TIMEOUT] * 2
        assert seen[0].error == "no answer within 0.3 s"

    def test_reset(self, context, host, vantage):
        with server(b"", reset=True) as port:
            seen = self.outcomes(context, host, port, vantage)
        assert [one.outcome for one in seen] == [Outcome.RESET] * 2

    def test_closed_without_a_word(self, context, host, vantage):
        with server(b"") as port:
            seen = self.outcomes(context, host, port, vantage)
        assert [one.outcome for one in seen] == [Outcome.RESET] * 2
        assert seen[0].error == "the connection was closed without an answer"

    def test_cut_short(self, context, host, vantage):
        with server(http(b"{}", length=100)) as port:
            seen = self.outcomes(context, host, port, vantage)
        assert [one.outcome for one in seen] == [Outcome.RESET] * 2

    def test_not_http(self, context, host, vantage):
        with server(b"220 mail ready\r\n") as port:
            seen = self.outcomes(context, host, port, vantage)
        assert [one.outcome for one in seen] == [Outcome.NOT_HTTP] * 2
        assert "220 mail ready" in seen[0].error

    def test_a_greeting_without_an_end_is_no_silence(self, context, host, vantage):
        """Such as a database, which speaks first and then waits for a client of its own kind."""
        with server(b"J\0\0\0\x0a8.0", stay=True) as port:
            seen = self.outcomes(context, host, port, vantage, deadline=20.0)
        assert [one.outcome for one in seen] == [Outcome.NOT_HTTP] * 2
        assert seen[0].error == r"the answer begins with 'J\x00\x00\x00\n8.0'"

    def test_a_page_without_json_is_an_answer_of_nobody(self, context, host, vantage):
        with server(http(b"<html>" * 20000)) as port:
            seen = self.outcomes(context, host, port, vantage)
        assert [(one.outcome, one.answer) for one in seen] == [(Outcome.ANSWERED, Answer())] * 2


def test_a_slow_dribble_ends_at_the_deadline_of_the_whole_request(context, host):
    """Each byte comes in time, the request does not."""
    stop = threading.Event()

    def dribble(listener):
        connection, _ = listener.accept()
        with connection:
            for byte in b"HTTP/1.1 200 OK\r\nServer: " + b"x" * 80:
                if stop.wait(0.05):
                    return
                connection.sendall(bytes([byte]))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=dribble, args=(listener,))
        thread.start()
        try:
            seen = run_probes(context, [probe(listener.getsockname()[1], deadline=0.4)], {"n1": host})
        finally:
            stop.set()
            thread.join()
    assert seen[0].outcome is Outcome.TIMEOUT


def test_a_dead_vantage_costs_no_dialling(context):
    healthy = ScriptedHost("n2", tcp={("127.0.0.1", 80): GOOD})
    probes = [probe(80, "n1", 20, 60.0, "dead"), probe(80, "n2", 3, 60.0, "alive"), probe(80, "n3", 1, 60.0, "none")]
    seen = run_probes(context, probes, {"n1": Problem("timeout", "it is off"), "n2": healthy})
    assert [one.probe for one in seen] == ["dead"] * 20 + ["alive"] * 3 + ["none"]
    assert {(one.outcome, one.error) for one in seen[:20]} == {(Outcome.VANTAGE_DEAD, "it is off")}
    assert {one.outcome for one in seen[20:23]} == {Outcome.ANSWERED}
    assert seen[23].outcome is Outcome.VANTAGE_DEAD


def test_a_vantage_that_breaks_on_the_way_is_not_asked_again(context):
    host = ScriptedHost("n1", tcp={("127.0.0.1", 80): "dead"})
    seen = run_probes(context, [probe(80, count=50)], {"n1": host}, concurrency=1)
    assert {one.outcome for one in seen} == {Outcome.VANTAGE_DEAD}
    assert len(host.dialled) == 1


def test_the_requests_of_a_probe_are_spread(context):
    host = ScriptedHost("n1", tcp={("127.0.0.1", port): GOOD for port in (1, 2, 3)})
    run_probes(context, [probe(port, count=2, name=f"p{port}") for port in (1, 2, 3)], {"n1": host}, concurrency=1)
    assert [port for _, port in host.dialled] == [1, 2, 3, 1, 2, 3]


def test_many_vantages_share_a_few_workers_and_each_has_its_share(context, monkeypatch):
    pools = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers, **options):
            pools.append(workers)
            super().__init__(workers, **options)

    monkeypatch.setattr(probing, "WORKERS", 6)
    monkeypatch.setattr(probing, "ThreadPoolExecutor", Pool)
    crowd = Crowd()
    hosts = {f"n{number}": Crowded(f"n{number}", crowd) for number in range(40)}
    probes = [probe(80, name, 8, 60.0, name) for name in hosts]
    seen = run_probes(context, probes, hosts, concurrency=2)
    assert Counter(one.probe for one in seen) == dict.fromkeys(hosts, 8)
    assert {one.outcome for one in seen} == {Outcome.ANSWERED}
    assert 1 < crowd.most <= 6
    assert pools == [6]
    assert max(crowd.most_of.values()) <= 2
    assert len(set(crowd.order[:40])) > 30, "no vantage waits until others are done"


class Crowd:
    """Counts who is inside, and holds the first ones until there are two: more than one is at work."""

    def __init__(self):
        self.lock, self.two = threading.Lock(), threading.Barrier(2)
        self.inside, self.most, self.most_of, self.order = Counter(), 0, Counter(), []

    def enter(self, name):
        with self.lock:
            self.order.append(name)
            early = len(self.order) <= 2
            self.inside[name] += 1
            self.most = max(self.most, self.inside.total())
            self.most_of[name] = max(self.most_of[name], self.inside[name])
        if early:
            self.two.wait(10)

    def leave(self, name):
        with self.lock:
            self.inside[name] -= 1


class Crowded(ScriptedHost):
    def __init__(self, name, crowd):
        super().__init__(name, tcp={("127.0.0.1", 80): GOOD})
        self._crowd = crowd

    def open_tcp(self, address, port, *, timeout):
        self._crowd.enter(self.name)
        try:
            return super().open_tcp(address, port, timeout=timeout)
        finally:
            self._crowd.leave(self.name)


def test_a_cancelled_run_stops_asking(context):
    host = ScriptedHost("n1", tcp={("127.0.0.1", 80): GOOD})
    context.cancel()
    with pytest.raises(Interrupted):
        run_probes(context, [probe(80, count=50)], {"n1": host})
    assert not host.dialled


def test_nothing_to_ask_is_nothing_seen(context):
    assert run_probes(context, [], {}) == []


def test_a_body_is_read_within_bounds():
    assert MAX_BODY >= 1 << 20, "a payload must fit"
    assert parse_answer(b"[1]") == Answer()
    assert parse_answer(b"\xff") == Answer()
    assert parse_answer(b'{"node": "n1", "more": 1}') == Answer(node="n1")


def test_a_fault_of_our_own_is_not_blamed_on_the_network():
    with pytest.raises(KeyError):
        outcome_of(KeyError("bug"))
