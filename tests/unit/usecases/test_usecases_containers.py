"""A lab of plain containers and bridges: up, status and down from end to end, on engines in memory."""

from dataclasses import replace
from pathlib import Path

import pytest
from mesh_standins import IMAGE, MemoryProvider, Recorder, changes, inventory, lab

from orchestrator.errors import LabError, RefusedError
from orchestrator.model.inventory import ProviderKind
from orchestrator.model.lab import Bridge, Container, Lab, Network, Port, PublishMode
from orchestrator.model.labels import CLUSTER, LAB
from orchestrator.model.outcome import BridgeStatus
from orchestrator.observe import observe
from orchestrator.report.documents import status_document
from orchestrator.runtime.state import load_state
from orchestrator.usecases.down import down, down_labs
from orchestrator.usecases.status import status
from orchestrator.usecases.up import up
from orchestrator.usecases.verify import labs_up

PORT = (Port(8081, 80, mode=PublishMode.HOST),)
BLUE = Bridge("blue", "plain_blue", (), "172.28.1.0/24")
A1 = Container("a1", "plain_a1", IMAGE, (1,), "plain_blue", ("a1",), PORT)
LATE = Container("late", "plain_late", IMAGE, (1,), ports=PORT, ends=True)
ONCE = Container("once", "plain_once", IMAGE, (2,), "host", ends=True)
O1 = Container("o1", "plain_o1", IMAGE, (), "plain_over", ("o1",))
PLAIN = Lab(
    "plain",
    Path("/x/labs/plain"),
    networks=(Network("over", "plain_over", subnet="10.0.40.0/24", attachable=True),),
    bridges=(BLUE,),
    containers=(LATE, A1, ONCE, O1),
)


@pytest.fixture
def hosts() -> MemoryProvider:
    """Hosts that exist."""
    provider = MemoryProvider(inventory(ProviderKind.SSH))
    provider.fake.engines["n2"].ending["plain_once"] = 3
    return provider


@pytest.fixture
def run() -> Recorder:
    return Recorder()


def bring_up(provider: MemoryProvider, *labs: Lab):
    return up(Recorder().context, provider.inventory, labs or [PLAIN], provider)


def names(provider: MemoryProvider) -> dict[str, list[str]]:
    return {name: sorted(engine.containers) for name, engine in provider.fake.engines.items()}


def bridges(provider: MemoryProvider) -> dict[str, list[str]]:
    return {name: [*engine.local][3:] for name, engine in provider.fake.engines.items()}


def test_everything_is_where_it_shall_be_and_marked_as_ours(hosts):
    bring_up(hosts)
    assert names(hosts) == {
        "n1": ["plain_a1", "plain_late", "plain_o1"],
        "n2": ["plain_o1", "plain_once"],
        "n3": ["plain_o1"],
    }
    assert bridges(hosts) == {"n1": ["plain_blue"], "n2": ["plain_blue"], "n3": ["plain_blue"]}
    for engine in hosts.fake.engines.values():
        for raw in engine.containers.values():
            assert raw["Config"]["Labels"].items() >= {CLUSTER: "test", LAB: "plain"}.items()
    assert hosts.fake.container("n1", "plain_a1")["State"]["Status"] == "running"
    assert "already allocated" in hosts.fake.container("n1", "plain_late")["State"]["Error"]


def test_a_second_up_changes_nothing(hosts):
    bring_up(hosts)
    before = list(hosts.fake.changes)
    assert not bring_up(hosts).changed
    assert hosts.fake.changes == before


def test_a_change_of_one_container_concerns_no_other(hosts):
    bring_up(hosts)
    hosts.fake.changes.clear()
    edited = replace(PLAIN, containers=(LATE, replace(A1, hostname="new"), ONCE, O1))
    outcome = bring_up(hosts, edited)
    assert [step.reason for step in outcome.plan.steps] == ["hostname: – → new"] * 2
    assert {change.split("/")[1] for change in changes(hosts.fake)} == {"containers"}
    assert hosts.fake.container("n1", "plain_a1")["Config"]["Hostname"] == "new"


def test_a_container_that_has_ended_is_run_again_with_the_reason(hosts):
    bring_up(hosts)
    hosts.fake.end(hosts.fake.container("n3", "plain_o1"), 137)
    outcome = bring_up(hosts)
    assert [step.summary for step in outcome.plan.steps] == [
        "remove container plain_o1 on n3",
        "run container plain_o1 on n3",
    ]
    assert outcome.plan.steps[0].reason == "it has ended: exit code 137"
    assert hosts.fake.container("n3", "plain_o1")["State"]["Status"] == "running"


@pytest.mark.parametrize("call", ["POST /containers/create", "POST /networks/create"])
def test_a_crash_on_the_way_is_finished_by_the_next_run(hosts, call):
    hosts.fake.fail("n1", call, 500, "disk full", times=9)
    with pytest.raises(LabError):
        bring_up(hosts)
    hosts.fake.failures.clear()
    bring_up(hosts)
    assert names(hosts)["n1"] == ["plain_a1", "plain_late", "plain_o1"]
    assert not bring_up(hosts).changed


def test_a_container_that_was_made_and_never_started_is_made_anew(hosts):
    bring_up(hosts)
    hosts.fake.container("n1", "plain_a1")["State"] |= {"Status": "created", "Pid": 0}
    assert {step.reason for step in bring_up(hosts).plan.steps} == {"it was never started"}


def test_names_of_others_are_refused_before_anything_is_changed(hosts, run):
    engine = hosts.connect(run.context, hosts.inventory.nodes[1]).engine()
    engine.create_container(IMAGE, name="plain_o1", host_config={"NetworkMode": "bridge"})
    before = list(hosts.fake.changes)
    with pytest.raises(RefusedError) as caught:
        bring_up(hosts)
    assert caught.value.details == (
        "container plain_o1 on n2: a container of this name exists there and belongs to somebody else",
    )
    assert hosts.fake.changes == before


def test_status_shows_them_and_nobody_elses(hosts, run):
    foreign(hosts)
    bring_up(hosts)
    outcome = status(run.context, hosts.inventory, hosts)
    found = {(one.name, one.node): one for one in outcome.containers}
    assert len(found) == 6
    a1, late = found["plain_a1", "n1"], found["plain_late", "n1"]
    assert (a1.lab, a1.network, a1.state) == ("plain", "plain_blue", "running")
    assert a1.address.startswith("172.")
    assert late.state.startswith("created: driver failed")
    assert found["plain_once", "n2"].state == "exited (3)"
    expected = tuple(BridgeStatus("plain", "plain_blue", node, "172.28.1.0/24") for node in ("n1", "n2", "n3"))
    assert outcome.bridges == expected
    document = status_document(outcome)
    assert document["bridges"][0] == {"lab": "plain", "name": "plain_blue", "node": "n1", "subnet": "172.28.1.0/24"}
    assert len(document["containers"]) == 6


def foreign(hosts: MemoryProvider) -> None:
    """Somebody else's container and network on a host, and those of another cluster of ours."""
    engine = hosts.connect(Recorder().context, hosts.inventory.nodes[2]).engine()
    for name, labels in (("theirs", {}), ("another", {CLUSTER: "another", LAB: "plain"})):
        engine.create_network(name, driver="bridge", labels=labels)
        made = engine.create_container(IMAGE, name=name, labels=labels, host_config={"NetworkMode": name})
        engine.start(made["Id"])


def test_down_leaves_hosts_as_they_were(hosts, run):
    foreign(hosts)
    before = ({name: dict(engine.local) for name, engine in hosts.fake.engines.items()}, names(hosts))
    bring_up(hosts)
    outcome = down(run.context, hosts.inventory, load_state("test"), hosts)
    assert outcome.left == ()
    assert ({name: dict(engine.local) for name, engine in hosts.fake.engines.items()}, names(hosts)) == before
    assert {engine.state for engine in hosts.fake.engines.values()} == {"inactive"}


def test_down_of_the_lab_alone_leaves_the_other_one(hosts, run):
    bring_up(hosts, PLAIN, lab())
    outcome = down_labs(run.context, hosts.inventory, load_state("test"), ["plain"], hosts)
    assert outcome.changed
    assert names(hosts) == {"n1": [], "n2": [], "n3": []}
    assert bridges(hosts) == {"n1": [], "n2": [], "n3": []}
    assert {raw["Name"] for raw in hosts.fake.networks.values()} == {"ingress", "mesh_net"}
    assert not bring_up(hosts, lab()).changed


def test_a_lab_of_containers_alone_counts_as_up(hosts, run):
    bring_up(hosts, replace(PLAIN, networks=(), containers=(A1,)))
    connections = {node.name: hosts.connect(run.context, node) for node in hosts.inventory.nodes}
    view = observe(run.context, connections, ())
    assert labs_up(view, "test") == {"plain"}
    assert labs_up(view, "another") == set()
