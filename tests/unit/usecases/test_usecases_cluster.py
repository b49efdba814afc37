"""up, verify, status and down from end to end, on engines in memory."""

import itertools
import json
import math
import re
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from mesh_standins import IMAGE, MemoryProvider, MeshHost, Recorder, changes, inventory, lab

from orchestrator.errors import EnvironmentProblem, Interrupted, LabError, NodeError, RefusedError, UsageError
from orchestrator.model.image import LabImage
from orchestrator.model.inventory import ProviderKind, Role
from orchestrator.model.labels import CLUSTER
from orchestrator.model.verdict import Verdict
from orchestrator.report.documents import up_document, verify_document
from orchestrator.report.journal import Journal
from orchestrator.runtime.state import ClusterState, load_state, save_state
from orchestrator.transport.fakeswarm import FakeSwarm
from orchestrator.usecases import answering
from orchestrator.usecases import up as up_module
from orchestrator.usecases import verify as verify_module
from orchestrator.usecases.down import down, down_labs
from orchestrator.usecases.status import status
from orchestrator.usecases.up import preview, up
from orchestrator.usecases.verify import verify


@pytest.fixture(params=list(ProviderKind), ids=lambda kind: kind.value)
def provider(request) -> MemoryProvider:
    return MemoryProvider(inventory(request.param))


@pytest.fixture
def hosts() -> MemoryProvider:
    """Hosts that exist."""
    return MemoryProvider(inventory(ProviderKind.SSH))


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def own_image(tmp_path, monkeypatch) -> LabImage:
    """The image of the lab, as one that we make ourselves."""
    image = LabImage(IMAGE, "sha256:config", tmp_path / "web.tar", "sha256:manifest")
    monkeypatch.setattr(up_module, "ensure_lab_images", lambda _context, _references: {IMAGE: image})
    return image


CONTAINERD_STORE = [["driver-type", "io.containerd.snapshotter.v1"]]


def bring_up(provider: MemoryProvider, *labs) -> None:
    up(Recorder().context, provider.inventory, labs or [lab()], provider)


def replaced_task(fake: FakeSwarm, looks: float = math.inf) -> dict:
    """A task that was replaced while its node was away, and runs on until the managers were asked ``looks`` times."""
    task = deepcopy(next(iter(fake.tasks.values()))) | {"ID": "outlived", "DesiredState": "shutdown"}
    fake.tasks["outlived"] = task
    left = itertools.count()
    handle = fake.handle

    def counted(engine: str, method: str, path: str, query: dict[str, str], body: bytes) -> tuple:
        if path.endswith("/tasks") and next(left) >= looks:
            task["Status"]["State"] = "shutdown"
        return handle(engine, method, path, query, body)

    fake.handle = counted
    return task


def snapshot(fake: FakeSwarm) -> tuple:
    return ({engine.state for engine in fake.engines.values()}, fake.services, fake.networks, fake.configs)


def go_on_naming_the_manager(fake: FakeSwarm) -> None:
    """A real worker still names the managers that it knew when they have left; the engine in memory forgets them."""
    former = next(raw for raw in fake.nodes.values() if raw["Description"]["Hostname"] == "n1")
    former["ManagerStatus"] = {"Addr": f"{fake.engines['n1'].address}:2377"}


class TestUp:
    def test_phases_read_like_a_table_of_contents(self, provider, run):
        up(run.context, provider.inventory, [lab()], provider)
        assert run.phases() == ["machines", "images", "connect", "observe", "apply", "check", "answer"]

    def test_swarm_and_lab_are_there_afterwards_and_remembered(self, provider, run):
        outcome = up(run.context, provider.inventory, [lab()], provider)
        assert outcome.changed
        assert {engine.state for engine in provider.fake.engines.values()} == {"active"}
        assert provider.fake.named("services", "mesh_web")["Spec"]["Labels"][CLUSTER] == "test"
        kept = load_state("test")
        assert kept.cluster_id == provider.fake.swarm["ID"]
        assert kept.members == tuple(sorted(engine.node_id for engine in provider.fake.engines.values()))
        assert [record.name for record in kept.labs] == ["mesh"]

    @pytest.mark.parametrize("status", [[], CONTAINERD_STORE])
    def test_a_service_names_an_image_of_ours_by_the_id_that_engines_know(self, hosts, run, own_image, status):
        identity = own_image.manifest if status else own_image.id
        own_image.archive.write_text(f"{own_image.reference} {identity}")
        for engine in hosts.fake.engines.values():
            engine.images.clear()
            engine.driver_status = status
        up(run.context, hosts.inventory, [lab()], hosts)
        made = hosts.fake.named("services", "mesh_web")["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
        assert made == identity
        assert not up(run.context, hosts.inventory, [lab()], hosts).changed

    def test_engines_that_know_it_by_different_ids_are_refused(self, hosts, run, own_image):
        hosts.fake.engines["n1"].driver_status = CONTAINERD_STORE
        with pytest.raises(RefusedError) as caught:
            up(run.context, hosts.inventory, [lab()], hosts)
        assert any("containerd's store on n1" in line for line in caught.value.details)
        assert hosts.fake.changes == []

    def test_a_second_up_changes_nothing_and_says_so(self, provider, run):
        bring_up(provider)
        before = list(provider.fake.changes)
        outcome = up(run.context, provider.inventory, [lab()], provider)
        assert not outcome.changed
        assert provider.fake.changes == before
        assert run.phases() == ["machines", "images", "connect", "observe", "answer"]

    def test_an_edit_changes_just_that(self, provider, run):
        bring_up(provider)
        provider.fake.changes.clear()
        outcome = up(run.context, provider.inventory, [lab(replicas=3)], provider)
        assert "2 → 3" in outcome.plan.steps[0].reason
        service = provider.fake.named("services", "mesh_web")
        assert changes(provider.fake) == [f"n1 POST /services/{service['ID']}/update"]

    def test_refusals_come_all_at_once_before_anything_is_changed(self, hosts, run):
        foreign = replace(hosts.inventory, name="foreign")
        up(Recorder().context, foreign, [], hosts)
        before = list(hosts.fake.changes)
        with pytest.raises(RefusedError) as caught:
            up(run.context, hosts.inventory, [lab()], hosts)
        assert caught.value.details
        assert hosts.fake.changes == before
        assert load_state("test") is None

    def test_machines_are_remembered_before_they_are_made(self, run):
        provider = MemoryProvider(inventory(ProviderKind.VM))

        def crash(_context):
            raise NodeError("qemu died")

        provider.ensure = crash
        with pytest.raises(NodeError, match="qemu"):
            up(run.context, provider.inventory, [lab()], provider)
        assert load_state("test").inventory == provider.inventory

    def test_a_crash_on_the_way_is_finished_by_the_next_run(self, provider, run):
        provider.fake.fail("n1", "POST /services/create", 500, "disk full", times=9)
        with pytest.raises(LabError) as caught:
            bring_up(provider)
        assert "disk full" in str(caught.value.details)
        assert load_state("test") is not None
        provider.fake.failures.clear()
        outcome = up(run.context, provider.inventory, [lab()], provider)
        assert [step.action.__class__.__name__ for step in outcome.plan.steps] == ["CreateService", "AwaitService"]

    def test_a_step_that_did_not_do_what_it_said_is_a_failure(self, run, monkeypatch):
        provider = MemoryProvider(inventory(ProviderKind.VM))

        def lazy(*_arguments, **_options):
            return None

        monkeypatch.setattr("orchestrator.usecases.up.apply_plan", lazy)
        with pytest.raises(NodeError, match="not as wanted") as caught:
            up(run.context, provider.inventory, [lab()], provider)
        assert any("swarm" in detail for detail in caught.value.details)

    def test_ports_that_never_answer_are_named(self, provider, run, monkeypatch):
        monkeypatch.setattr(answering.wait_until_answering, "__kwdefaults__", {"deadline": 0.0, "clock": lambda: 0.0})
        provider.cut.add("n2")
        with pytest.raises(NodeError, match="2 ways to published ports did not answer") as caught:
            up(run.context, provider.inventory, [lab()], provider)
        assert sorted(detail.split(" (")[0] for detail in caught.value.details) == [
            "n1 → n2 192.168.90.12:8080",
            "n3 → n2 192.168.90.12:8080",
        ]

    def test_an_entry_that_lacks_a_task_is_waited_for(self, provider, run, monkeypatch):
        provider.forgotten.add(("n3", 2))
        waits = []

        def learn(seconds):
            waits.append(seconds)
            provider.forgotten.clear()

        monkeypatch.setattr(run.context, "wait", learn)
        up(run.context, provider.inventory, [lab()], provider)
        assert len(waits) == 1

    def test_an_entry_that_never_leads_to_a_task_is_named(self, provider, run, monkeypatch):
        monkeypatch.setattr(answering.wait_until_answering, "__kwdefaults__", {"deadline": 0.0, "clock": lambda: 0.0})
        provider.forgotten.add(("n3", 2))
        with pytest.raises(NodeError, match="some tasks are not reached everywhere") as caught:
            up(run.context, provider.inventory, [lab()], provider)
        (detail,) = caught.value.details
        assert detail.startswith("n3 → task 2 of mesh_web")

    def test_an_answer_in_another_protocol_will_do(self, provider, run, monkeypatch):
        monkeypatch.setattr(MeshHost, "_response", lambda *_arguments: b"220 mail ready\r\n")
        up(run.context, provider.inventory, [lab()], provider)
        outcome = verify(run.context, provider.inventory, provider, requests=2)
        assert outcome.report.verdict is Verdict.FAIL
        assert all("answers on every node, but not in HTTP" in check.reason for check in outcome.report.ports[0].checks)
        assert "220 mail ready" in outcome.report.ports[0].cells[0].reason

    def test_only_what_has_not_answered_is_asked_again(self, provider, run, monkeypatch):
        provider.cut.add("n2")
        waits = []

        def heal(seconds):
            waits.append(seconds)
            provider.cut.clear()

        monkeypatch.setattr(run.context, "wait", heal)
        up(run.context, provider.inventory, [lab()], provider)
        asked = [dial for host in provider.hosts for dial in host.dialled]
        assert len(waits) == 1
        assert asked.count(("192.168.90.12", 8080)) == 3 + 2
        assert asked.count(("192.168.90.13", 8080)) == 3

    def test_a_lost_worker_does_not_keep_the_others_from_being_up(self, run):
        provider = MemoryProvider(inventory(ProviderKind.VM))
        bring_up(provider)
        provider.down.add("n3")
        provider.cut.add("n3")
        outcome = up(run.context, provider.inventory, [lab()], provider)
        assert not outcome.changed
        assert [left.subject for left in outcome.left] == ["n3"]

    @pytest.mark.parametrize("missing", [("n3",), ("n2", "n3")])
    def test_hosts_out_of_reach_are_left_and_a_later_run_finishes(self, hosts, run, missing):
        hosts.down.update(missing)
        first = up(run.context, hosts.inventory, [lab()], hosts)
        assert [left.subject for left in first.left] == list(missing)
        assert all(hosts.fake.engines[name].state == "inactive" for name in missing)
        assert hosts.fake.named("services", "mesh_web")
        hosts.down.clear()
        second = up(run.context, hosts.inventory, [lab()], hosts)
        assert second.left == ()
        assert [step.id for step in second.plan.steps][: len(missing)] == [f"join {name}" for name in missing]
        assert {engine.state for engine in hosts.fake.engines.values()} == {"active"}
        assert not up(run.context, hosts.inventory, [lab()], hosts).changed

    def test_no_second_swarm_is_started_beside_one_that_may_live_on(self, run):
        hosts = MemoryProvider(inventory(ProviderKind.SSH))
        wider = hosts.inventory.nodes
        hosts.inventory = replace(hosts.inventory, nodes=(wider[0], replace(wider[1], role=Role.MANAGER), wider[2]))
        bring_up(hosts)
        for name in ("n1", "n3"):  # somebody made them anew
            hosts.fake.engines[name].state, hosts.fake.engines[name].node_id = "inactive", ""
        hosts.down.add("n2")
        with pytest.raises(RefusedError) as caught:
            up(run.context, hosts.inventory, [lab()], hosts)
        assert "n2, which may hold it, cannot be reached" in caught.value.details[0]

    def test_connections_are_closed_at_the_end(self, provider, run):
        up(run.context, provider.inventory, [lab()], provider)
        assert provider.hosts
        assert all(host.closed for host in provider.hosts)

    def test_cancelling_closes_connections_and_interrupts(self, provider, run, monkeypatch):
        def cancel(context, *_arguments, **_options):
            context.cancel()
            assert all(host.closed for host in provider.hosts)
            context.check()

        monkeypatch.setattr("orchestrator.usecases.up.apply_plan", cancel)
        with pytest.raises(Interrupted):
            up(run.context, provider.inventory, [lab()], provider)

    def test_no_join_token_is_told_to_anybody(self, provider, run):
        journal = Journal()
        outcome = up(run.context, provider.inventory, [lab()], provider)
        for event in run.events:
            journal.handle(event)
        told = json.dumps(up_document(outcome, journal)) + repr(run.events) + repr(outcome)
        assert "SWMTKN" not in told


class TestPreview:
    def test_nothing_is_started_written_or_changed(self, provider, run, state_root):
        before = dict(provider.states)
        outcome = preview(run.context, provider.inventory, [lab()], provider)
        assert outcome.changes
        assert provider.states == before
        assert provider.fake.changes == []
        assert not state_root.exists()

    def test_machines_that_do_not_exist_are_planned_as_they_will_be(self, run):
        provider = MemoryProvider(inventory(ProviderKind.VM))
        provider.states["n3"] = "stopped"
        outcome = preview(run.context, provider.inventory, [lab()], provider)
        assert [(change.node, change.change) for change in outcome.machines] == [
            ("n1", "create"),
            ("n2", "create"),
            ("n3", "start"),
        ]
        assert provider.hosts == []
        planned = [step.id for step in outcome.plan.steps]
        bring_up_outcome = up(Recorder().context, provider.inventory, [lab()], provider)
        assert planned == [step.id for step in bring_up_outcome.plan.steps]

    def test_nothing_to_do_after_up(self, provider, run):
        bring_up(provider)
        assert not preview(run.context, provider.inventory, [lab()], provider).changes

    def test_hosts_that_fail_the_preflight_are_told(self, hosts, run):
        def fail(_context):
            raise NodeError("1 of 3 hosts failed the preflight")

        hosts.ensure = fail
        with pytest.raises(NodeError, match="preflight"):
            preview(run.context, hosts.inventory, [lab()], hosts)

    def test_refusals_are_part_of_the_plan(self, hosts, run):
        up(Recorder().context, replace(hosts.inventory, name="foreign"), [], hosts)
        assert preview(run.context, hosts.inventory, [lab()], hosts).plan.refusals


class TestVerify:
    def test_a_healthy_mesh_passes_with_every_observation(self, hosts, run):
        bring_up(hosts)
        before = list(hosts.fake.changes)
        outcome = verify(run.context, hosts.inventory, hosts, requests=4)
        assert outcome.report.verdict is Verdict.PASS
        names = [result for check in outcome.report.labs for result in check.results]
        assert [check.kind for check in outcome.report.labs] == ["names", "names"]
        assert [result.subject for result in names][:1] == ["web seen from task 1 of mesh_web on n2"]
        assert outcome.report.probes == 3 * 4 + len(names) == 3 * 4 + 2 * 2
        assert outcome.report.requests == len(outcome.observations) == 3 * 4 * 4
        assert len(verify_document(outcome, Journal())["observations"]) == 48
        assert any("this is a test" in note for note in outcome.notes)
        assert hosts.fake.changes == before

    def test_a_cut_node_fails_and_is_pointed_at(self, hosts, run):
        bring_up(hosts)
        hosts.cut.add("n2")
        outcome = verify(run.context, hosts.inventory, hosts, requests=2)
        assert outcome.report.verdict is Verdict.FAIL
        failed = {
            (cell.vantage, cell.entry)
            for port in outcome.report.ports
            for cell in port.cells
            if cell.verdict is Verdict.FAIL
        }
        assert failed == {("n1", "n2"), ("n3", "n2")}

    def test_a_name_that_one_node_has_not_heard_of_points_at_that_node(self, hosts, run):
        bring_up(hosts)
        hosts.unheard.add(("n3", "tasks.web"))
        report = verify(run.context, hosts.inventory, hosts, requests=4).report
        failed = [result for result in report.every_check if result.verdict is Verdict.FAIL]
        assert [(re.sub(r"task \d", "task", result.subject), result.nodes) for result in failed] == [
            ("tasks.web seen from task of mesh_web on n3", ("n3",))
        ]
        assert "NXDOMAIN" in failed[0].reason

    def test_names_cannot_be_asked_for_from_a_lost_node(self, hosts, run):
        bring_up(hosts)
        hosts.down.add("n3")
        report = verify(run.context, hosts.inventory, hosts, requests=4).report
        names = {result.subject[-2:]: result.verdict for check in report.labs for result in check.results}
        assert names == {"n2": Verdict.PASS, "n3": Verdict.INCONCLUSIVE}

    def test_a_dead_vantage_is_inconclusive(self, hosts, run):
        bring_up(hosts)
        hosts.down.add("n3")
        outcome = verify(run.context, hosts.inventory, hosts, requests=4)
        cells = [cell for port in outcome.report.ports for cell in port.cells if cell.vantage == "n3"]
        assert {cell.verdict for cell in cells} == {Verdict.INCONCLUSIVE}
        assert outcome.report.verdict is not Verdict.PASS

    def test_a_task_that_is_about_to_end_is_waited_for(self, hosts, run):
        bring_up(hosts)
        replaced_task(hosts.fake, looks=3)
        outcome = verify(run.context, hosts.inventory, hosts, requests=4)
        assert outcome.report.verdict is Verdict.PASS
        assert "settle" in run.phases()

    def test_a_task_that_does_not_end_is_told(self, hosts, run, monkeypatch):
        monkeypatch.setattr(verify_module, "REPORTING", 0.0)
        patient = lab()
        (service,) = patient.services
        bring_up(hosts, replace(patient, services=(replace(service, stop_grace_period=0.0),)))
        task = replaced_task(hosts.fake)
        report = verify(run.context, hosts.inventory, hosts, requests=4).report
        failed = [check for port in report.ports for check in port.checks if check.verdict is Verdict.FAIL]
        assert {check.check for check in failed} == {"identity"}
        assert f"task {task['Slot']} on" in failed[0].reason
        assert "which is running and shall be shutdown" in failed[0].reason

    def test_without_a_manager_nothing_can_be_said(self, hosts, run):
        bring_up(hosts)
        hosts.down.add("n1")
        outcome = verify(run.context, hosts.inventory, hosts)
        assert outcome.report.verdict is Verdict.INCONCLUSIVE
        assert outcome.report.checks[0].nodes == ("n1",)

    def test_nothing_published_is_inconclusive(self, hosts, run):
        up(Recorder().context, hosts.inventory, [], hosts)
        assert verify(run.context, hosts.inventory, hosts).report.verdict is Verdict.INCONCLUSIVE

    def test_labs_can_be_chosen_and_unknown_ones_are_told(self, hosts, run):
        bring_up(hosts, lab(), lab("other", 8090))
        outcome = verify(run.context, hosts.inventory, hosts, labs=["other"], requests=4)
        assert [port.service for port in outcome.report.ports] == ["other_web"]
        with pytest.raises(UsageError, match="no such lab is up: third") as caught:
            verify(run.context, hosts.inventory, hosts, labs=["third"])
        assert caught.value.hint == "up are: mesh, other"


class TestStatus:
    def test_a_healthy_cluster(self, hosts, run):
        bring_up(hosts)
        outcome = status(run.context, hosts.inventory, hosts)
        assert "3 of 3 nodes ready" in outcome.swarm
        first = outcome.nodes[0]
        assert (first.role, first.leader, first.state, first.address) == ("manager", True, "ready", "192.168.90.11")
        assert [node.engine for node in outcome.nodes] == ["26.1.5"] * 3
        (service,) = outcome.services
        assert (service.lab, service.name, service.running, service.wanted) == ("mesh", "mesh_web", 2, 2)
        assert service.ports == ("8080→80/tcp",)

    def test_a_dead_worker_is_shown_with_its_reason(self, hosts, run):
        bring_up(hosts)
        hosts.down.add("n3")
        hosts.fake.kill("n3")
        third = status(run.context, hosts.inventory, hosts).nodes[2]
        assert (third.state, third.hint) == ("down", "start it")
        assert "connection refused" in third.problem

    def test_nothing_at_all(self, run):
        provider = MemoryProvider(inventory(ProviderKind.VM))
        outcome = status(run.context, provider.inventory, provider)
        assert {node.machine for node in outcome.nodes} == {"absent"}
        assert outcome.swarm == "no node answers"
        assert provider.hosts == []

    def test_a_node_outside_of_any_swarm(self, hosts, run):
        outcome = status(run.context, hosts.inventory, hosts)
        assert {node.state for node in outcome.nodes} == {"swarm inactive"}


class TestDown:
    def test_everything_of_ours_is_gone_and_forgotten(self, provider, run):
        bring_up(provider)
        outcome = down(run.context, provider.inventory, load_state("test"), provider)
        assert outcome.changed
        assert outcome.left == ()
        assert provider.destroyed == 1
        assert load_state("test") is None
        if provider.inventory.provider is ProviderKind.SSH:
            assert {engine.state for engine in provider.fake.engines.values()} == {"inactive"}
        else:
            assert set(provider.states.values()) == {"absent"}

    def test_a_second_down_has_nothing_to_do(self, provider, run):
        bring_up(provider)
        down(Recorder().context, provider.inventory, load_state("test"), provider)
        outcome = down(run.context, provider.inventory, None, provider)
        assert not outcome.changed
        assert outcome.left == ()

    def test_machines_of_ours_go_without_asking_their_engines(self, run):
        provider = MemoryProvider(inventory(ProviderKind.VM))
        bring_up(provider)
        provider.hosts.clear()
        down(run.context, provider.inventory, load_state("test"), provider)
        assert provider.hosts == []

    def test_a_foreign_swarm_stays_with_all_that_is_in_it(self, hosts, run):
        foreign = replace(hosts.inventory, name="foreign")
        up(Recorder().context, foreign, [lab()], hosts)
        before = snapshot(hosts.fake)
        changes = list(hosts.fake.changes)
        outcome = down(run.context, hosts.inventory, None, hosts)
        assert not outcome.changed
        assert hosts.fake.changes == changes
        assert snapshot(hosts.fake) == before

    @pytest.mark.parametrize("crashed", [False, True], ids=["after a whole up", "after an up that crashed"])
    def test_an_unreachable_host_is_named_and_the_state_kept_until_it_is_back(self, hosts, run, crashed):
        bring_up(hosts)
        if crashed:  # before the members were written down
            save_state(replace(load_state("test"), members=(), cluster_id=""))
        hosts.down.add("n3")
        outcome = down(run.context, hosts.inventory, load_state("test"), hosts)
        assert [left.node for left in outcome.left] == ["n3"]
        assert "delete" in outcome.left[0].hint
        assert [hosts.fake.engines[name].state for name in ("n1", "n2", "n3")] == ["inactive", "inactive", "active"]

        hosts.down.clear()
        go_on_naming_the_manager(hosts.fake)
        outcome = down(run.context, hosts.inventory, load_state("test"), hosts)
        assert outcome.left == ()
        assert hosts.fake.engines["n3"].state == "inactive"
        assert load_state("test") is None

    def test_a_host_that_is_lost_while_it_is_looked_at_is_left_for_later(self, hosts, run):
        bring_up(hosts)
        let_in = hosts.connect

        def lose(context, node):
            host = let_in(context, node)
            host.closed = node.name == "n3"
            return host

        hosts.connect = lose
        outcome = down(run.context, hosts.inventory, load_state("test"), hosts)
        assert [left.node for left in outcome.left] == ["n3"]
        assert "cannot be reached" in outcome.left[0].reason
        assert load_state("test") is not None
        hosts.connect = let_in
        go_on_naming_the_manager(hosts.fake)
        assert down(run.context, hosts.inventory, load_state("test"), hosts).left == ()
        assert hosts.fake.engines["n3"].state == "inactive"
        assert load_state("test") is None

    def test_a_host_that_does_not_tell_its_swarm_yet_is_left_for_later(self, hosts, run):
        bring_up(hosts)
        hosts.fake.cut_power("n3")
        hosts.down.add("n3")
        down(run.context, hosts.inventory, load_state("test"), hosts)
        hosts.down.clear()
        engine = hosts.fake.engines["n3"]
        identity, engine.node_id = engine.node_id, ""
        outcome = down(run.context, hosts.inventory, load_state("test"), hosts)
        assert [(left.node, "pending" in left.reason) for left in outcome.left] == [("n3", True)]
        engine.node_id = identity
        assert down(run.context, hosts.inventory, load_state("test"), hosts).left == ()
        assert engine.state == "inactive"

    @pytest.mark.parametrize("then", ["up", "down"])
    def test_a_host_without_power_is_cleaned_when_it_is_back(self, hosts, run, then):
        bring_up(hosts, lab(replicas=3))
        hosts.fake.cut_power("n3")
        hosts.down.add("n3")
        assert [left.node for left in down(run.context, hosts.inventory, load_state("test"), hosts).left] == ["n3"]
        hosts.down.clear()
        engine = hosts.fake.engines["n3"]
        assert engine.state == "pending"
        assert len(engine.containers) == 1
        if then == "up":
            bring_up(hosts)
            assert engine.state == "active"
        assert down(run.context, hosts.inventory, load_state("test"), hosts).left == ()
        assert engine.state == "inactive"
        assert engine.containers == {}

    def test_what_stopped_on_a_host_that_has_left_is_taken_away(self, hosts, run):
        bring_up(hosts, lab(replicas=3))
        hosts.fake.cut_power("n3")
        engine = hosts.fake.engines["n3"]
        engine.state, engine.node_id = "inactive", ""  # somebody made it leave by hand
        (ours,) = engine.containers.values()
        engine.containers["theirs"] = deepcopy(ours) | {"Id": "theirs", "Name": "/theirs"}
        engine.containers["theirs"]["Config"]["Labels"] = {"com.docker.swarm.task.id": "other"}
        outcome = down(run.context, hosts.inventory, load_state("test"), hosts)
        assert f"remove container {ours['Name'].strip('/')} on n3" in [step.summary for step in outcome.plan.steps]
        assert list(engine.containers) == ["theirs"]

    def test_a_full_disk_keeps_nothing_standing_while_every_host_is_in_reach(self, hosts, run, monkeypatch):
        bring_up(hosts)
        save_state(replace(load_state("test"), members=(), cluster_id=""))

        def full(_state):
            raise EnvironmentProblem("cannot write state.json: No space left on device")

        monkeypatch.setattr("orchestrator.usecases.down.save_state", full)
        hosts.down.add("n3")
        with pytest.raises(EnvironmentProblem, match="No space left"):
            down(run.context, hosts.inventory, load_state("test"), hosts)
        hosts.down.clear()
        assert down(run.context, hosts.inventory, load_state("test"), hosts).left == ()
        assert {engine.state for engine in hosts.fake.engines.values()} == {"inactive"}
        assert load_state("test") is None

    def test_a_late_host_that_joined_another_swarm_meanwhile_stays_there(self, hosts, run):
        bring_up(hosts)
        hosts.down.add("n3")
        down(Recorder().context, hosts.inventory, load_state("test"), hosts)
        hosts.down.clear()
        former = hosts.fake.engines["n3"].node_id
        hosts.fake.engines["n3"].node_id = "elsewhere"
        hosts.fake.nodes["elsewhere"] = hosts.fake.nodes.pop(former)
        go_on_naming_the_manager(hosts.fake)
        changes = list(hosts.fake.changes)
        down(run.context, hosts.inventory, load_state("test"), hosts)
        assert hosts.fake.changes == changes

    def test_down_works_from_state_alone_after_a_crash_before_the_swarm(self, provider, run):
        save_state(ClusterState(provider.inventory, datetime.now(UTC)))
        outcome = down(run.context, provider.inventory, load_state("test"), provider)
        assert outcome.left == ()
        assert load_state("test") is None

    def test_a_single_lab_goes_and_the_rest_stays(self, provider, run):
        bring_up(provider, lab(), lab("other", 8090))
        outcome = down_labs(run.context, provider.inventory, load_state("test"), ["other"], provider)
        assert outcome.changed
        assert [raw["Spec"]["Name"] for raw in provider.fake.services.values()] == ["mesh_web"]
        assert [record.name for record in load_state("test").labs] == ["mesh"]
        assert provider.destroyed == 0

    def test_an_unknown_lab_is_told_with_the_known_ones(self, provider, run):
        bring_up(provider)
        with pytest.raises(UsageError, match="third") as caught:
            down_labs(run.context, provider.inventory, load_state("test"), ["third"], provider)
        assert caught.value.hint == "up are: mesh"

    def test_a_lab_cannot_go_while_no_manager_answers(self, provider, run):
        bring_up(provider)
        provider.down.add("n1")
        with pytest.raises(NodeError, match="no manager"):
            down_labs(run.context, provider.inventory, load_state("test"), ["mesh"], provider)
