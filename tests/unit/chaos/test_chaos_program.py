"""The chaos program's own parts: what a seed draws, the relay, and what is told at the end."""

import json
import socket

import pytest

from tests.chaos.points import BLOWS, COMMANDS, draw
from tests.chaos.relay import Relay
from tests.chaos.report import document, table
from tests.chaos.trial import Result


def test_a_seed_and_a_number_draw_the_same_point_whatever_else_is_tried():
    assert draw(1, 17) == draw(1, 17)
    assert draw(1, 17) != draw(2, 17)


def test_a_hundred_points_try_every_blow_and_every_command():
    points = [draw(1, number) for number in range(1, 101)]
    assert {point.blow for point in points} == set(BLOWS)
    assert {point.command for point in points} == set(COMMANDS)
    assert all(0 <= point.moment < 1 for point in points)


def test_the_report_tells_every_fault_with_its_point():
    results = [Result(draw(1, 1)), Result(draw(1, 2), "join c2", True, 137, ["left: state.json"])]
    text = table(results, 1, "ssh")
    assert "seed 1, ssh: 2 points, 1 struck in time, 1 with a fault" in text
    assert f"- {draw(1, 2)} (after 'join c2'): left: state.json" in text
    told = json.loads(json.dumps(document(results, 1, "ssh")))
    assert (told["points"], told["faults"], told["results"][1]["code"]) == (2, 1, 137)


def received(client) -> bytes:
    """The next byte; none where the connection ended, in whatever way."""
    try:
        return client.recv(1)
    except ConnectionError:
        return b""


@pytest.fixture
def echo():
    """A server of one connection, and a relay to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        relay = Relay(lambda: server.getsockname()[1])
        yield server, relay
        relay.close()


def test_a_relay_carries_bytes_and_breaks_all_connections_at_once(echo):
    server, relay = echo
    with socket.create_connection(("127.0.0.1", relay.port), timeout=20) as client:
        inner, _ = server.accept()
        with inner:
            inner.settimeout(20)
            client.sendall(b"there")
            assert inner.recv(5) == b"there"
            inner.sendall(b"back")
            assert client.recv(4) == b"back"
            relay.break_all()
            assert not received(client)
    with socket.create_connection(("127.0.0.1", relay.port), timeout=20):
        server.accept()[0].close()


def test_where_nobody_listens_a_connection_ends():
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = server.getsockname()[1]
    relay = Relay(lambda: gone)
    with socket.create_connection(("127.0.0.1", relay.port), timeout=20) as client:
        assert client.recv(1) == b""
    relay.close()
