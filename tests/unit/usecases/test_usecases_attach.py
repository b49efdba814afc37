"""A swarm that somebody else made: what is asked of it, what is concluded, and that nothing of it changes."""

from dataclasses import replace

import pytest
from mesh_standins import MemoryProvider, MeshHost, Recorder, inventory, lab

from orchestrator.errors import RefusedError, UsageError
from orchestrator.model.inventory import ProviderKind
from orchestrator.model.lab import Lab
from orchestrator.model.labels import CLUSTER
from orchestrator.model.verdict import Verdict
from orchestrator.providers.readonly import ReadOnlyProvider
from orchestrator.transport.base import ChannelFailed
from orchestrator.transport.readonly import ENGINE_CALLS, NAMESPACES, allowed
from orchestrator.usecases.attach import attached_inventory
from orchestrator.usecases.status import status
from orchestrator.usecases.up import up
from orchestrator.usecases.verify import verify

MINE = replace(inventory(ProviderKind.SSH), name="mine")


def container_spec(raw: dict) -> dict:
    """What a service says of its tasks' containers."""
    return raw.get("Spec", {}).get("TaskTemplate", {}).get("ContainerSpec", {})


class Theirs(MemoryProvider):
    """Hosts on which somebody else runs a swarm: every label of ours is taken off, whoever made it."""

    def __init__(self, *labs: Lab) -> None:
        super().__init__(inventory(ProviderKind.SSH))
        up(Recorder().context, self.inventory, labs or [lab()], self)
        for things in (self.fake.services, self.fake.networks, {"swarm": self.fake.swarm}):
            for raw in things.values():
                for spec in (raw, raw.get("Spec", {}), container_spec(raw)):
                    spec.pop("Labels", None)
        self.fake.changes.clear()
        self.hosts.clear()
        self.asked: list[str] = []
        self.entered: list[str] = []
        handle = self.fake.handle

        def note(engine, method, path, query, body):
            self.asked.append(f"{method} {path}")
            return handle(engine, method, path, query, body)

        self.fake.handle = note

    def connect(self, context, node):
        host = super().connect(context, node)
        enter = host.enter

        def note(namespace, *, timeout=20.0):
            self.entered.append(namespace)
            return enter(namespace, timeout=timeout)

        host.enter = note
        return host


def attach(hosts: MemoryProvider, **options):
    return verify(Recorder().context, MINE, ReadOnlyProvider(hosts), attached=True, **options)


def look(hosts: MemoryProvider):
    return status(Recorder().context, MINE, ReadOnlyProvider(hosts), attached=True)


def verdicts(outcome) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for check in outcome.report.every_check:
        found.setdefault(check.check, set()).add(check.verdict.value)
    return found


def speaking(monkeypatch, answer: bytes) -> None:
    """Whatever listens on published ports answers with this (nothing: it stays silent), and not as our nginx."""
    usual = MeshHost._response

    def response(self, entry, service):
        usual(self, entry, service)
        return answer

    monkeypatch.setattr(MeshHost, "_response", response)


class TestReadOnly:
    def test_everything_asked_is_in_the_documented_list_and_nothing_in_it_is_idle(self):
        hosts = Theirs()
        attach(hosts)
        look(hosts)
        assert {call for call in hosts.asked if not allowed(call)} == set()
        used = {entry for entry in ENGINE_CALLS for call in hosts.asked if fits(call, entry)}
        # How the engine is reached at all is agreed on before: GET /version, see tests/unit/transport.
        assert set(ENGINE_CALLS) - used == {"GET /version"}

    def test_no_call_changes_anything(self):
        hosts = Theirs()
        attach(hosts)
        look(hosts)
        assert hosts.fake.changes == []
        assert {call.split()[0] for call in hosts.asked} == {"GET"}

    def test_no_command_is_run_but_the_entering_of_containers_networks(self):
        hosts = Theirs()
        attach(hosts)
        look(hosts)
        assert [line for host in hosts.hosts for line in host.ran] == []
        assert hosts.entered
        assert all(namespace.startswith(NAMESPACES) for namespace in hosts.entered)

    def test_nothing_is_remembered_and_no_lock_taken(self, state_root):
        hosts = Theirs()
        before = sorted(state_root.rglob("*"))
        attach(hosts)
        look(hosts)
        assert sorted(state_root.rglob("*")) == before


def fits(call: str, entry: str) -> bool:
    said, listed = call.split("/"), entry.split("/")
    return len(said) == len(listed) and all(one in (other, "{id}") for one, other in zip(listed, said, strict=True))


class TestVerify:
    def test_our_image_in_their_swarm_is_checked_in_full(self):
        outcome = attach(Theirs())
        assert outcome.report.verdict is Verdict.PASS
        assert set(verdicts(outcome)) == {"mesh", "identity", "coverage", "share", "entry", "names", "tasks"}

    def test_labels_are_neither_needed_nor_made(self):
        hosts = Theirs()
        attach(hosts)
        assert CLUSTER not in str(hosts.fake.services)

    def test_an_image_that_says_nothing_of_itself_is_told_as_far_as_it_goes(self, monkeypatch):
        hosts = Theirs()
        speaking(monkeypatch, b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
        outcome = attach(hosts)
        assert verdicts(outcome) == {"mesh": {"pass"}, "names": {"pass"}, "tasks": {"pass"}}
        (port,) = outcome.report.ports
        assert {check.subject for check in port.checks} == {f"mesh_web :8080 via {name}" for name in ("n1", "n2", "n3")}
        assert all("who answered, shares and entry addresses are not checked" in c.reason for c in port.checks)

    @pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"])
    def test_whatever_answers_shows_that_the_port_leads_somewhere(self, monkeypatch, answer):
        hosts = Theirs()
        speaking(monkeypatch, answer)
        outcome = attach(hosts)
        assert verdicts(outcome)["mesh"] == {"pass"}
        assert all("are not checked" in check.reason for check in outcome.report.ports[0].checks)
        assert {cell.answered for cell in outcome.report.ports[0].cells} == {20}

    def test_silence_of_an_unknown_protocol_is_neither_good_nor_bad(self, monkeypatch):
        hosts = Theirs()
        speaking(monkeypatch, b"")
        outcome = attach(hosts, requests=2)
        assert verdicts(outcome)["mesh"] == {"inconclusive"}
        assert {cell.verdict for cell in outcome.report.ports[0].cells} == {Verdict.INCONCLUSIVE}

    def test_silence_through_one_entry_alone_is_a_failure(self, monkeypatch):
        hosts, usual = Theirs(), MeshHost._response

        def response(self, entry, service):
            return b"" if entry == "n2" else usual(self, entry, service)

        monkeypatch.setattr(MeshHost, "_response", response)
        outcome = attach(hosts, requests=2)
        bad = [check for check in outcome.report.every_check if check.verdict is not Verdict.PASS]
        assert {(check.check, check.verdict, check.nodes) for check in bad} == {("mesh", Verdict.FAIL, ("n2",))}

    def test_an_entry_that_is_cut_off_is_blamed(self):
        hosts = Theirs()
        hosts.cut.add("n3")
        outcome = attach(hosts, requests=2)
        assert outcome.report.verdict is Verdict.FAIL
        assert {check.nodes for check in outcome.report.every_check if check.verdict is Verdict.FAIL} == {("n3",)}

    def test_replicas_that_are_missing_are_a_failure(self):
        hosts = Theirs()
        next(iter(hosts.fake.tasks.values()))["Status"]["State"] = "starting"
        assert verdicts(attach(hosts))["tasks"] == {"fail"}

    def test_jobs_are_left_out_with_the_reason(self):
        hosts = Theirs(lab(), lab("batch", 8081))
        hosts.fake.named("services", "batch_web")["Spec"]["Mode"] = {"GlobalJob": {}}
        outcome = attach(hosts)
        assert {port.service for port in outcome.report.ports} == {"mesh_web"}
        assert "batch_web is not checked: it is a job, which runs to its end" in outcome.notes

    def test_two_stacks_may_have_services_of_the_same_short_name(self):
        outcome = attach(Theirs(lab(), lab("other", 8081)))
        assert verdicts(outcome)["names"] == {"pass"}
        assert {report.lab for report in outcome.report.labs} == {"mesh_web", "other_web"}

    def test_one_service_alone_can_be_asked_for(self):
        hosts = Theirs(lab(), lab("other", 8081))
        assert {port.service for port in attach(hosts, labs=["other_web"]).report.ports} == {"other_web"}
        with pytest.raises(UsageError, match="nothing") as caught:
            attach(hosts, labs=["nothing"])
        assert caught.value.hint == "up are: mesh_web, other_web"

    def test_a_dead_host_is_inconclusive_and_no_refusal(self):
        hosts = Theirs()
        hosts.down.add("n3")
        outcome = attach(hosts)
        assert outcome.report.verdict is Verdict.INCONCLUSIVE

    def test_a_service_that_answers_to_nobody_is_found(self, monkeypatch):
        hosts = Theirs()

        def response(self, entry, service):
            raise ChannelFailed("refused", "Connection refused")

        monkeypatch.setattr(MeshHost, "_response", response)
        assert verdicts(attach(hosts, requests=2))["mesh"] == {"fail"}


class TestStatus:
    def test_every_service_is_shown_whoever_made_it(self):
        outcome = look(Theirs(lab(), lab("other", 8081)))
        assert {(one.name, one.running, one.wanted) for one in outcome.services} == {
            ("mesh_web", 2, 2),
            ("other_web", 2, 2),
        }
        assert "not made by this cluster" in outcome.swarm

    def test_members_that_the_inventory_does_not_name_are_shown_too(self):
        hosts = Theirs()
        few = replace(MINE, nodes=MINE.nodes[:2])
        outcome = status(Recorder().context, few, ReadOnlyProvider(hosts), attached=True)
        assert [(node.name, node.machine, node.state) for node in outcome.nodes] == [
            ("n1", "foreign", "ready"),
            ("n2", "foreign", "ready"),
            ("n3", "", "ready"),
        ]


class TestRefusals:
    def test_hosts_in_no_swarm(self):
        hosts = MemoryProvider(inventory(ProviderKind.SSH))
        with pytest.raises(RefusedError, match="nothing to attach to") as caught:
            attach(hosts)
        assert caught.value.details == ("n1: in no swarm", "n2: in no swarm", "n3: in no swarm")

    def test_a_host_outside_the_swarm_of_the_others(self):
        hosts = Theirs()
        engine = hosts.fake.engines["n3"]
        engine.state, engine.node_id = "inactive", ""
        with pytest.raises(RefusedError, match="not all in one swarm") as caught:
            look(hosts)
        swarm = hosts.fake.swarm["ID"][:12]
        assert caught.value.details == (
            f"n1: a manager of swarm {swarm}",
            f"n2: a worker of swarm {swarm}",
            "n3: in no swarm",
        )

    def test_workers_alone_are_refused_with_their_managers_addresses(self):
        hosts = Theirs()
        few = replace(MINE, nodes=MINE.nodes[1:])
        with pytest.raises(RefusedError) as caught:
            verify(Recorder().context, few, ReadOnlyProvider(hosts), attached=True)
        assert caught.value.details[0] == "n2: a worker of some swarm whose managers are 192.168.90.11:2377"
        assert "one of its managers among them" in caught.value.hint

    def test_machines_of_our_own_are_not_attached_to(self, tmp_path):
        file = tmp_path / "inventory.yaml"
        file.write_text("name: own\nprovider: vm\nnodes: [{name: n1, role: manager}]\n")
        with pytest.raises(UsageError, match="--attach is for hosts that exist"):
            attached_inventory(file, {})
