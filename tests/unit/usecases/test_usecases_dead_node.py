"""One dead node keeps nobody waiting: connections and questions are bounded together, none after the other."""

import threading
from dataclasses import replace

import pytest
from mesh_standins import MemoryProvider, Recorder, inventory, lab

from orchestrator.model.inventory import ProviderKind
from orchestrator.runtime.state import load_state
from orchestrator.usecases import connect, status
from orchestrator.usecases import down as down_module
from orchestrator.usecases.down import down
from orchestrator.usecases.status import status as look
from orchestrator.usecases.up import up

WEB = lab().services[0]
ALONE = replace(lab(), services=(replace(WEB, networks=()),), networks=())
"""On no network but ingress: the swarm in memory does not free one of tasks that nobody has ended."""


class Silent(MemoryProvider):
    """Hosts of which some neither let us in nor refuse (``mute``), or have an engine that hangs (``hung``)."""

    def __init__(self) -> None:
        super().__init__(inventory(ProviderKind.SSH))
        self.mute: set[str] = set()
        self.hung: set[str] = set()
        self.never = threading.Event()

    def connect(self, context, node):
        if node.name in self.mute:
            self.never.wait()
        host = super().connect(context, node)
        if node.name in self.hung:
            host.engine = self.never.wait
        return host


@pytest.fixture
def hosts(monkeypatch):
    provider = Silent()
    up(Recorder().context, provider.inventory, [ALONE], provider)
    for module in (connect, status, down_module):
        monkeypatch.setattr(module, "PATIENCE", 1.0)
    monkeypatch.setattr(status, "ENGINE_PATIENCE", 1.0)
    yield provider
    provider.never.set()


def test_status_tells_a_node_that_lets_nobody_in(hosts):
    hosts.mute.add("n3")
    outcome = look(Recorder().context, hosts.inventory, hosts)
    assert [bool(node.problem) for node in outcome.nodes] == [False, False, True]
    assert "no connection over SSH within 1 s" in outcome.nodes[2].problem
    assert outcome.services[0].wanted == 2


def test_status_tells_an_engine_that_hangs(hosts):
    hosts.hung.add("n2")
    outcome = look(Recorder().context, hosts.inventory, hosts)
    assert outcome.nodes[1].problem == "the engine does not answer within 1 s"
    assert outcome.services[0].wanted == 2


def test_status_without_its_only_manager_still_ends(hosts):
    hosts.hung.add("n1")
    outcome = look(Recorder().context, hosts.inventory, hosts)
    assert outcome.swarm == "no manager of a swarm answers"


def test_down_cleans_the_others_and_waits_for_no_task_of_the_dead_one(hosts):
    hosts.mute.add("n3")
    hosts.fake.lingering = True  # tasks stay in the managers' list, as those of a dead node do
    kept = [
        task
        for task in hosts.fake.tasks.values()
        if hosts.fake.nodes[task["NodeID"]]["Description"]["Hostname"] != "n3"
    ]
    for task in kept:
        del hosts.fake.tasks[task["ID"]]
    assert hosts.fake.tasks, "one task is on the dead node"
    outcome = down(Recorder().context, hosts.inventory, load_state("test"), hosts)
    assert [one.node for one in outcome.left] == ["n3"]
    assert {hosts.fake.engines[name].state for name in ("n1", "n2")} == {"inactive"}
