"""The stand-in behaves as a host does, so that tests built on it mean something."""

from __future__ import annotations

import docker.errors
import pytest

from orchestrator.errors import NodeError
from orchestrator.transport.base import ChannelFailed, Host
from orchestrator.transport.fakeswarm import FakeSwarm
from orchestrator.transport.scripted import Script, ScriptedHost, hosts_of


def test_commands_come_from_the_script_and_are_kept():
    host: Host = ScriptedHost("n1", commands={"cat '/a b'": Script("text\n")})
    assert host.run(["cat", "/a b"]).stdout == "text\n"
    assert host.run(["missing"]).exit_code == 127
    assert host.ran == ["cat '/a b'", "missing"]


def test_connections_come_from_the_table():
    host = ScriptedHost("n1", tcp={("10.0.0.1", 80): b"hello", ("10.0.0.2", 80): "unreachable", ("10.0.0.3", 80): b""})
    assert host.open_tcp("10.0.0.1", 80, timeout=1).recv(3) == b"hel"
    for address, kind in (("10.0.0.2", "unreachable"), ("10.0.0.9", "refused")):
        with pytest.raises(ChannelFailed) as caught:
            host.open_tcp(address, 80, timeout=1)
        assert caught.value.kind == kind
    with pytest.raises(TimeoutError):
        host.open_tcp("10.0.0.3", 80, timeout=1).recv(1)


def test_a_closed_host_is_dead():
    swarm = FakeSwarm("n1")
    host = hosts_of(swarm)["n1"]
    host.close()
    with pytest.raises(ChannelFailed) as caught:
        host.open_tcp("10.0.0.1", 80, timeout=1)
    assert caught.value.kind == "dead"
    with pytest.raises(NodeError):
        host.engine()


def test_only_what_changed_something_is_written_down():
    swarm = FakeSwarm("n1")
    engine = hosts_of(swarm)["n1"].engine()
    with pytest.raises(docker.errors.APIError):
        engine.create_network("a", driver="overlay")
    engine.info()
    assert swarm.changes == []
    engine.init_swarm(advertise_addr="192.168.90.11")
    assert swarm.changes == ["n1 POST /swarm/init"]


def test_a_failure_can_be_ordered():
    swarm = FakeSwarm("n1")
    swarm.fail("n1", "GET /info", 500, "no", times=2)
    engine = hosts_of(swarm)["n1"].engine()
    for _ in range(2):
        with pytest.raises(docker.errors.APIError, match="no"):
            engine.info()
    assert engine.info()["Name"] == "n1"
