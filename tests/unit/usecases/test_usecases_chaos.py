"""The program is killed, or cut off, at every single change that it makes: what it leaves is always mended.

Exhaustive, on engines in memory. What this cannot show (processes, sockets, files) ``make chaos`` tries on real nodes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import requests
from mesh_standins import IMAGE, MemoryProvider, Recorder, inventory, lab

from orchestrator.errors import LabError
from orchestrator.model.inventory import ProviderKind, Role
from orchestrator.model.lab import Bridge, ConfigMount, ConfigObject, Container, Lab
from orchestrator.model.labels import CLUSTER
from orchestrator.runtime import holder
from orchestrator.runtime.state import load_state, remove_state
from orchestrator.usecases.down import down, down_labs
from orchestrator.usecases.status import status
from orchestrator.usecases.up import up


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, no ``finally`` either that touches an engine."""


CUTS = ("killed before", "killed after", "cut off after")
"""At the change: the process ends before it is made or before its answer comes, or all connections break."""


@dataclass
class Doom:
    """Lets the changes of one run pass up to number ``at``; with 0 it only counts."""

    provider: MemoryProvider
    at: int = 0
    cut: str = ""
    made: int = 0
    dead: bool = False

    def __enter__(self):
        self._handle = self.provider.fake.handle
        self.provider.fake.handle = self.handle
        return self

    def __exit__(self, *_):
        self.provider.fake.handle = self._handle

    def handle(self, engine, method, path, query, body):
        if self.dead:
            self._end()
        self.made += method != "GET"
        last = method != "GET" and self.made == self.at
        if last and self.cut == "killed before":
            self._end()
        answer = self._handle(engine, method, path, query, body)
        if last:
            self._end()
        return answer

    def _end(self):
        self.dead = True
        if self.cut == "cut off after":
            raise requests.ConnectionError("the connection broke")
        raise Killed


def before_and_after() -> tuple[Lab, Lab]:
    """A lab with an object of every kind, and the same lab after an edit that makes some of them anew."""
    first = lab()
    config = ConfigObject("conf", "mesh_conf-1", b"1", labels={})
    service = replace(first.services[0], configs=(ConfigMount("mesh_conf-1", "/c"),))
    bridge = Bridge("blue", "mesh_blue", (1,), "172.28.1.0/24")
    plain = Container("c", "mesh_c", IMAGE, (1,), "mesh_blue")
    first = replace(first, services=(service,), configs=(config,), bridges=(bridge,), containers=(plain,))
    network = replace(first.networks[0], subnet="10.0.77.0/24")
    other = replace(config, name="mesh_conf-2", data=b"2")
    service = replace(service, replicas=3, configs=(ConfigMount("mesh_conf-2", "/c"),))
    bridge = replace(bridge, subnet="172.28.2.0/24")
    second = replace(first, services=(service,), configs=(other,), networks=(network,), bridges=(bridge,))
    return first, second


FIRST, SECOND = before_and_after()


def run(provider, wanted=FIRST):
    return up(Recorder().context, provider.inventory, [wanted], provider)


def take_down(provider):
    return down(Recorder().context, provider.inventory, load_state("test"), provider)


SCENES: dict[str, tuple[list[Lab], Callable, Lab]] = {
    "first up": ([], run, FIRST),
    "edit": ([FIRST], lambda provider: run(provider, SECOND), SECOND),
    "down": ([FIRST], take_down, FIRST),
    "down LAB": (
        [FIRST],
        lambda provider: down_labs(Recorder().context, provider.inventory, load_state("test"), ["mesh"], provider),
        FIRST,
    ),
}
"""What was brought up before, the command that comes to grief, and what a later ``up`` shall lead to."""


@pytest.fixture(autouse=True)
def dead_holders(monkeypatch):
    """Every run says that it is a process which has ended by the time that the next one looks."""
    monkeypatch.setattr(
        "orchestrator.usecases.leasing.this_run", lambda command: replace(holder.this_run(command), born=1)
    )
    monkeypatch.setattr("orchestrator.transport.engine.API_SECONDS", 1)


def stage(scene) -> MemoryProvider:
    remove_state("test")
    wanted = inventory(ProviderKind.SSH)
    nodes = tuple(replace(node, role=Role.MANAGER if node.name != "n3" else node.role) for node in wanted.nodes)
    provider = MemoryProvider(replace(wanted, nodes=nodes))
    for before in SCENES[scene][0]:
        run(provider, before)
    return provider


def struck(scene, at, cut) -> MemoryProvider:
    """The hosts after the scene's command came to grief at that change."""
    provider = stage(scene)
    with Doom(provider, at, cut) as doom, pytest.raises((Killed, LabError)):
        SCENES[scene][1](provider)
    assert doom.dead
    return provider


def changes_of(scene) -> int:
    with Doom(stage(scene)) as doom:
        SCENES[scene][1](doom.provider)
    return doom.made


def status_tells_the_truth(provider):
    seen = status(Recorder().context, provider.inventory, provider)
    fake = provider.fake
    for node in seen.nodes:
        engine = fake.engines[node.name]
        if engine.state == "inactive":
            assert node.state in {"swarm inactive", "down"}
    managers = [engine for engine in fake.engines.values() if engine.state == "active"]
    assert bool(seen.services) is bool(managers and fake.services and not seen.swarm.startswith("no "))


def nothing_is_left(provider):
    for engine in provider.fake.engines.values():
        assert engine.state == "inactive"
        assert engine.containers == {}
        assert [raw for raw in engine.local.values() if CLUSTER in raw["Labels"]] == []
    assert load_state("test") is None


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("scene", SCENES)
def test_up_finishes_and_down_cleans_wherever_a_command_came_to_grief(scene, cut):
    number = changes_of(scene)
    assert number > 5
    for at in range(1, number + (scene == "down")):  # all others end by giving the lease back, which may fail
        provider = struck(scene, at, cut)
        status_tells_the_truth(provider)
        run(provider, SCENES[scene][2])
        assert run(provider, SCENES[scene][2]).plan.empty
        assert len(provider.fake.configs) == 1, "the lease was given back"
        take_down(provider)
        nothing_is_left(provider)

        provider = struck(scene, at, cut)
        take_down(provider)
        nothing_is_left(provider)
        assert not take_down(provider).changed
