"""Checks that change something, on engines in memory: they come last, and what they change is taken back."""

import pytest
from mesh_standins import MemoryProvider, Recorder, changes, inventory, lab

from orchestrator.checks.mesh import MeshCheck
from orchestrator.checks.scale import ScaleCheck
from orchestrator.errors import Interrupted, LockedError
from orchestrator.model.inventory import ProviderKind
from orchestrator.model.verdict import Verdict
from orchestrator.runtime.lock import locked
from orchestrator.usecases import scaling
from orchestrator.usecases.up import up
from orchestrator.usecases.verify import verify

MESH = MeshCheck.model_validate({"kind": "mesh"})
SCALE = ScaleCheck.model_validate({"kind": "scale", "service": "web", "within": "1s"})


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def checks(monkeypatch):
    """The checks of the lab; names cannot be asked for, as the engines in memory have no namespaces."""
    wanted = [MESH, SCALE]
    monkeypatch.setattr("orchestrator.usecases.verify.derived_checks", lambda _lab: wanted)
    monkeypatch.setattr(ScaleCheck, "complete", lambda *_: [])
    return wanted


@pytest.fixture
def provider(checks) -> MemoryProvider:
    made = MemoryProvider(inventory(ProviderKind.SSH))
    up(Recorder().context, made.inventory, [lab()], made)
    made.fake.changes.clear()
    return made


def replicas(provider) -> int:
    return provider.fake.named("services", "mesh_web")["Spec"]["Mode"]["Replicated"]["Replicas"]


def test_a_service_is_scaled_to_nothing_and_back_and_measured(provider, run):
    outcome = verify(run.context, provider.inventory, provider, requests=4)
    (report,) = outcome.report.labs
    assert outcome.report.verdict is Verdict.PASS
    assert {result.subject for result in report.results} >= {
        "n3 127.0.0.1:8080 is refused",
        "mesh_web scaled back: every entry leads to every task",
    }
    assert report.measured.keys() == {"gone", "back"}
    assert len(changes(provider.fake)) == 2
    assert replicas(provider) == 2
    assert run.phases()[-2:] == ["checks", "experiments"]


def test_nothing_is_changed_where_only_looking_is_asked_for(provider, run):
    outcome = verify(run.context, provider.inventory, provider, requests=4, look_only=True)
    assert changes(provider.fake) == []
    assert "left out: the check scale of mesh" in outcome.notes


def test_a_lab_that_is_not_well_is_left_as_it_is(provider, run):
    provider.cut.add("n2")
    outcome = verify(run.context, provider.inventory, provider, requests=4)
    assert [result.verdict for result in outcome.report.labs[0].results] == [Verdict.INCONCLUSIVE]
    assert changes(provider.fake) == []


def test_after_a_failure_the_rest_is_not_tried(provider, checks, run, monkeypatch):
    checks.append(SCALE.model_copy(update={"title": "again"}))
    monkeypatch.setattr("mesh_standins.MeshHost._answer", lambda *_: b"HTTP/1.1 200 OK\r\n\r\n{}")
    first, second = verify(run.context, provider.inventory, provider, requests=4).report.labs
    assert "expected refused, got an answer" in {result.reason for result in first.results}
    assert [result.verdict for result in second.results] == [Verdict.INCONCLUSIVE]
    assert "scale of mesh has failed before" in second.results[0].reason
    assert (len(changes(provider.fake)), replicas(provider)) == (2, 2)


@pytest.mark.parametrize("ending", [Interrupted("interrupted"), RuntimeError("a bug")], ids=["Ctrl-C", "bug"])
def test_the_service_is_scaled_back_whatever_ends_the_check(provider, run, monkeypatch, ending):
    def end(*_arguments):
        assert replicas(provider) == 0
        run.context.cancel()
        raise ending

    monkeypatch.setattr(scaling, "await_service", end)
    with pytest.raises(type(ending)):
        verify(run.context, provider.inventory, provider, requests=4)
    assert replicas(provider) == 2


def test_a_change_that_cannot_be_taken_back_is_told_with_the_way_out(provider, run, monkeypatch):
    def cut_off(*_arguments):
        provider.down.add("n1")
        run.context.cancel()
        raise Interrupted("interrupted")

    monkeypatch.setattr(scaling, "await_service", cut_off)
    with pytest.raises(Interrupted):
        verify(run.context, provider.inventory, provider, requests=4)
    told = [event.message for event in run.events if type(event).__name__ == "Notice"]
    assert any("scaling mesh_web back to 2 failed" in text and "lab up" in text for text in told)


def test_only_one_command_changes_a_cluster_at_a_time(provider, run):
    with locked("test", "lab up"), pytest.raises(LockedError):
        verify(run.context, provider.inventory, provider, requests=4)
    assert changes(provider.fake) == []
