"""Questions to engines: calls that they have to refuse leave nothing behind."""

import json

import pytest

from orchestrator.model.question import EngineCall, Refused, Vantage
from orchestrator.runtime.context import Context
from orchestrator.transport.asking import ask
from orchestrator.transport.fakeobjects import ApiError
from orchestrator.transport.fakeswarm import FakeSwarm
from orchestrator.transport.scripted import hosts_of

NETWORK = json.dumps({"Name": "x", "Driver": "overlay", "Labels": {}})
CALL = EngineCall(Vantage("n1"), "/networks/create", NETWORK, "/networks")


@pytest.fixture
def swarm():
    """One engine that is a swarm by itself."""
    swarm = FakeSwarm("n1")
    assert swarm.handle("n1", "POST", "/swarm/init", {}, b'{"AdvertiseAddr": "192.168.90.11", "Spec": {}}')[0] == 200
    swarm.changes.clear()
    return swarm


def reply(swarm):
    return ask(Context(lambda _event: None), [CALL], hosts_of(swarm))[CALL]


def test_what_an_engine_says_when_it_refuses(swarm):
    swarm.fail("n1", "POST /networks/create", 400, "no such thing")
    assert reply(swarm) == Refused(400, "no such thing")
    assert swarm.changes == []


def test_what_was_created_all_the_same_is_removed_at_once(swarm):
    answer = reply(swarm)
    assert (answer.status, answer.message, answer.left) == (200, "", "")
    assert swarm.changes == ["n1 POST /networks/create", f"n1 DELETE /networks/{answer.created}"]
    with pytest.raises(KeyError):
        swarm.named("networks", "x")


def test_what_cannot_be_removed_is_told(swarm, monkeypatch):
    def busy(*_):
        raise ApiError(500, "busy")

    monkeypatch.setattr(swarm, "_remove", busy)
    answer = reply(swarm)
    assert answer.created
    assert answer.left == '500 {"message": "busy"}'
