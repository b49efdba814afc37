"""Disruptions on engines in memory: they happen, and whatever ends the watching they are taken back."""

import pytest
from mesh_standins import MemoryProvider, Recorder, changes, inventory, lab

from orchestrator.checks.disruption import DisruptionCheck
from orchestrator.checks.mesh import MeshCheck
from orchestrator.errors import Interrupted, NodeError
from orchestrator.model.inventory import ProviderKind
from orchestrator.model.probe import Outcome
from orchestrator.model.timeline import Shot
from orchestrator.model.verdict import Verdict
from orchestrator.report.documents import verify_document
from orchestrator.report.journal import Journal
from orchestrator.usecases import disrupting
from orchestrator.usecases.up import up
from orchestrator.usecases.verify import verify

MESH = MeshCheck.model_validate({"kind": "mesh"})


class Machines(MemoryProvider):
    """Machines that can be broken; ``log`` keeps what was done to them."""

    def __init__(self) -> None:
        super().__init__(inventory(ProviderKind.VM))
        self.log: list[str] = []

    def cut_power(self, node) -> None:
        self.log.append(f"cut {node.name}")
        self.states[node.name] = "stopped"
        self.down.add(node.name)

    def set_link(self, node, *, up) -> None:
        self.log.append(f"link of {node.name} {'up' if up else 'down'}")

    def ensure(self, context):
        started = super().ensure(context)
        self.log += [f"boot {name}" for name in started]
        self.down -= set(started)
        return started


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture(autouse=True)
def no_lead(monkeypatch):
    """Time does not pass here: the watching ends after one look."""
    monkeypatch.setattr(disrupting, "LEAD", 0.0)
    monkeypatch.setattr(DisruptionCheck, "over", lambda *_: True)


def deployed(provider, monkeypatch, does, **keys):
    check = DisruptionCheck.model_validate({"kind": "disruption", "service": "web", "does": does, **keys})
    monkeypatch.setattr("orchestrator.usecases.verify.derived_checks", lambda _lab: [MESH, check])
    up(Recorder().context, provider.inventory, [lab()], provider)
    provider.fake.changes.clear()
    return provider


def disrupted(provider, run):
    """The report of the disruption, and its results by subject."""
    (report,) = verify(run.context, provider.inventory, provider, requests=4).report.labs
    return report, {result.subject: result for result in report.results}


def availability(provider, name):
    return provider.fake.nodes[provider.fake.engines[name].node_id]["Spec"]["Availability"]


def test_a_drained_node_is_active_again_afterwards(run, monkeypatch):
    provider = deployed(MemoryProvider(inventory(ProviderKind.SSH)), monkeypatch, "drain", on="node:2")
    report, results = disrupted(provider, run)
    assert len([call for call in provider.fake.changes if "/nodes/" in call]) == 2
    assert availability(provider, "n2") == "active"
    assert results["mesh_web is whole again"].verdict is Verdict.PASS
    assert results["drain under web: replicas"].verdict is Verdict.PASS
    assert report.measured["replaced"] is not None
    assert {line.split()[0] for line in report.drawing} >= {"n1", "n2", "n3", "expected:"}


def test_what_was_measured_can_be_told_as_json(run, monkeypatch):
    provider = deployed(MemoryProvider(inventory(ProviderKind.SSH)), monkeypatch, "drain")
    outcome = verify(run.context, provider.inventory, provider, requests=4)
    measured = verify_document(outcome, Journal())["labs"][0]["measured"]
    assert measured["scene"]["service"] == "mesh_web"
    assert measured.keys() >= {"recovered", "replaced", "down", "windows", "timeline"}


@pytest.mark.parametrize("ending", [Interrupted("interrupted"), RuntimeError("a bug")], ids=["Ctrl-C", "bug"])
@pytest.mark.parametrize("does", ["drain", "kill-machine", "pull-link"])
def test_it_is_taken_back_whatever_ends_the_watching(run, monkeypatch, does, ending):
    provider = deployed(Machines(), monkeypatch, does, on="node:2")
    provider.log.clear()

    def end(*_arguments):
        assert availability(provider, "n2") == "drain" or provider.log in (["cut n2"], ["link of n2 down"])
        run.context.cancel()
        raise ending

    monkeypatch.setattr(disrupting._Watch, "look", end)
    with pytest.raises(type(ending)):
        verify(run.context, provider.inventory, provider, requests=4)
    assert availability(provider, "n2") == "active"
    expected = {"drain": [], "kill-machine": ["cut n2", "boot n2"], "pull-link": ["link of n2 down", "link of n2 up"]}
    assert provider.log == expected[does]


def test_a_killed_machine_is_booted_and_its_node_waited_for(run, monkeypatch):
    provider = deployed(Machines(), monkeypatch, "kill-machine", on="node:2")
    _, results = disrupted(provider, run)
    assert provider.log[-2:] == ["cut n2", "boot n2"]
    assert results["mesh_web is whole again"].verdict is Verdict.PASS


def test_a_node_that_does_not_come_back_is_a_failure(run, monkeypatch):
    provider = deployed(Machines(), monkeypatch, "kill-machine", on="node:2")
    monkeypatch.setattr(disrupting, "REJOIN", 0.0)
    cut = provider.cut_power

    def for_good(node):
        cut(node)
        provider.fake.kill(node.name)

    provider.cut_power = for_good
    _, results = disrupted(provider, run)
    assert results["mesh_web is whole again"].verdict is Verdict.FAIL
    assert "n2 not ready" in results["mesh_web is whole again"].reason


def test_what_was_seen_is_told_even_where_it_cannot_be_taken_back(run, monkeypatch):
    provider = deployed(Machines(), monkeypatch, "kill-machine", on="node:2")
    monkeypatch.setattr(disrupting, "REJOIN", 0.0)

    def broken(_context):
        raise NodeError("the machine does not boot", node="n2")

    provider.ensure = broken
    monkeypatch.setattr(disrupting, "_members_ready", lambda *_: broken(None))
    report, results = disrupted(provider, run)
    assert report.measured is not None
    assert results["mesh_web is whole again"].verdict is Verdict.FAIL
    told = [event.message for event in run.events if type(event).__name__ == "Notice"]
    assert any("booting n2 failed: the machine does not boot" in text for text in told)


@pytest.mark.parametrize("does", ["kill-machine", "pull-link"])
def test_machines_of_somebody_else_are_not_broken(run, monkeypatch, does):
    provider = deployed(MemoryProvider(inventory(ProviderKind.SSH)), monkeypatch, does)
    report, _ = disrupted(provider, run)
    assert [result.verdict for result in report.results] == [Verdict.INCONCLUSIVE]
    assert "needs machines of lab's own" in report.results[0].reason
    assert changes(provider.fake) == []


def test_an_engine_that_cannot_be_restarted_is_told_with_its_node(run, monkeypatch):
    provider = deployed(MemoryProvider(inventory(ProviderKind.SSH)), monkeypatch, "restart-engine", on="node:2")
    report, _ = disrupted(provider, run)
    (result,) = report.results
    assert (result.verdict, result.nodes) == (Verdict.FAIL, ("n2",))
    assert "systemctl start docker" in result.reason


def test_an_update_replaces_every_task_and_has_nothing_to_take_back(run, monkeypatch):
    provider = deployed(MemoryProvider(inventory(ProviderKind.SSH)), monkeypatch, "update")
    disrupted(provider, run)
    assert len(changes(provider.fake)) == 1
    assert provider.fake.named("services", "mesh_web")["Spec"]["TaskTemplate"]["ForceUpdate"] == 1


def test_nothing_is_done_while_requests_fail(run, monkeypatch):
    provider = deployed(Machines(), monkeypatch, "kill-machine", on="node:2")
    late = Shot("n3", -0.0, Outcome.TIMEOUT, 2.0)
    monkeypatch.setattr(disrupting.Traffic, "shots", lambda *_: (late,))
    _, results = disrupted(provider, run)
    assert provider.log[-1:] != ["cut n2"]
    (failed,) = (result for result in results.values() if result.verdict is Verdict.FAIL)
    assert (failed.nodes, failed.reason) == (
        ("n3",),
        "1 of the last requests failed before anything was done: time-out",
    )
