"""Steps on single nodes: bridges and plain containers, as wanted or left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from apply_support import NETWORK, OURS

from orchestrator.apply import containers
from orchestrator.errors import NodeError, RefusedError
from orchestrator.model.lab import Bridge, Container, Port, Protocol, PublishMode
from orchestrator.model.labels import CLUSTER
from orchestrator.model.plan import CreateBridge, CreateNetwork, RemoveBridge, RemoveContainer, RunContainer
from orchestrator.observe import observe_node
from orchestrator.transport import fakecontainers
from orchestrator.transport.fakecontainers import ATTACHED_LATE, FakeContainers

BLUE = Bridge("blue", "mesh_blue", (), "172.28.1.0/24", labels=OURS)
A1 = Container(
    key="a1",
    name="mesh_a1",
    image="web:1",
    network="mesh_blue",
    aliases=("a1",),
    ports=(Port(8081, 80, mode=PublishMode.HOST), Port(0, 53, Protocol.UDP, PublishMode.HOST)),
    environment={"A": "ü", "EMPTY": ""},
    hostname="one",
    command=("sleep", "9"),
    cap_add=("CAP_NET_ADMIN",),
    labels=OURS,
)
LATE = Container("late", "mesh_late", "web:1", ports=A1.ports[:1], labels=OURS, ends=True)


@pytest.fixture
def running(carry_out, swarm):
    carry_out(CreateBridge("n2", BLUE), RunContainer("n2", A1))
    swarm.changes.clear()
    return swarm


def see(hosts, name="n2"):
    return observe_node(hosts[name], [])


def test_what_is_made_is_observed_as_wanted(carry_out, swarm, hosts):
    assert carry_out(CreateBridge("n2", BLUE), RunContainer("n2", A1)).changed == ("step 0", "step 1")
    (bridge,), (live,) = see(hosts).bridges, see(hosts).plain
    assert bridge.spec == replace(BLUE, gateway="172.28.1.1")
    assert live.spec == replace(A1, labels={})
    assert (live.name, live.state, live.image, live.network_mode) == ("mesh_a1", "running", "sha256:aa", "mesh_blue")
    assert list(live.networks) == ["mesh_blue"]
    assert live.networks["mesh_blue"].startswith("172.")
    assert live.pid
    assert live.sandbox
    assert live.labels.items() >= OURS.items()
    assert see(hosts, "n1").plain == ()
    assert see(hosts, "n1").other_networks == {"bridge": "172.17.0.0/16", "host": "", "none": ""}
    assert swarm.engines["n1"].containers == {}


def test_the_engine_is_asked_for_just_that(running):
    raw = running.container("n2", "mesh_a1")
    assert raw["HostConfig"] == {
        "NetworkMode": "mesh_blue",
        "CapAdd": ["CAP_NET_ADMIN"],
        "PortBindings": {"80/tcp": [{"HostPort": "8081"}], "53/udp": [{"HostPort": ""}]},
    }
    assert raw["Config"]["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert raw["Config"]["NetworkingConfig"] == {"EndpointsConfig": {"mesh_blue": {"Aliases": ["a1"]}}}
    assert (raw["Config"]["Hostname"], raw["Config"]["Cmd"]) == ("one", ["sleep", "9"])
    assert raw["Config"]["Env"] == ["A=ü", "EMPTY="]
    assert raw["Config"]["Image"] == "sha256:aa"


@pytest.mark.parametrize(
    "words", [ATTACHED_LATE, "network j03kvbzieeq5oz6oogpbx3jix not found", "network mesh_net not found"]
)
def test_a_busy_swarm_attaches_a_container_at_the_next_try(carry_out, formed, hosts, monkeypatch, words):
    monkeypatch.setattr(fakecontainers, "ATTACHED_LATE", words)
    formed.engines["n3"].slow_attachments = 2
    carry_out(CreateNetwork(replace(NETWORK, attachable=True)), RunContainer("n3", replace(A1, network="mesh_net")))
    assert [live.state for live in see(hosts, "n3").plain] == ["running"]


def test_a_network_that_no_manager_knows_is_not_waited_for(carry_out, formed, context, monkeypatch):
    monkeypatch.setattr(fakecontainers, "ATTACHED_LATE", "network gone not found")
    formed.engines["n3"].slow_attachments = 2
    with pytest.raises(NodeError, match="network gone not found"):
        carry_out(RunContainer("n3", replace(A1, network="gone")))
    assert (formed.engines["n3"].slow_attachments, context.waits) == (1, 0)


def test_a_container_on_an_overlay(carry_out, formed, hosts):
    carry_out(CreateNetwork(replace(NETWORK, attachable=True)), RunContainer("n3", replace(A1, network="mesh_net")))
    assert [list(live.networks) for live in see(hosts, "n3").plain] == [["mesh_net"]]


def test_what_is_as_wanted_is_done(carry_out, running):
    assert carry_out(CreateBridge("n2", BLUE), RunContainer("n2", A1)).unchanged == ("step 0", "step 1")
    assert running.changes == []


def test_an_image_from_elsewhere_is_pulled(carry_out, swarm):
    swarm.engines["n1"].registry = {"example/other:2": "sha256:cc", "example/other:latest": "sha256:dd"}
    for name, image in (("mesh_x", "example/other:2"), ("mesh_y", "example/other")):
        carry_out(RunContainer("n1", Container("x", name, image, labels=OURS)))
    assert [raw["Image"] for raw in swarm.engines["n1"].containers.values()] == ["sha256:cc", "sha256:dd"]


@pytest.mark.parametrize(
    ("image", "words"), [("absent:1", "pull access denied"), ("sha256:" + "0" * 64, "No such image")]
)
def test_an_image_that_is_nowhere_is_told(carry_out, swarm, image, words):
    with pytest.raises(NodeError, match=rf"run container mesh_a1: the engine says: {words}") as caught:
        carry_out(RunContainer("n1", replace(A1, image=image)))
    assert caught.value.node == "n1"
    assert swarm.changes == []


def test_a_published_port_that_is_taken_is_told(carry_out, running):
    with pytest.raises(NodeError, match="port is already allocated") as caught:
        carry_out(RunContainer("n2", replace(LATE, ends=False)))
    assert "docker ps" in caught.value.hint


def test_one_that_shall_end_may_find_its_port_taken(carry_out, running, hosts):
    assert carry_out(RunContainer("n2", LATE)).changed == ("step 0",)
    late = next(live for live in see(hosts).plain if live.name == "mesh_late")
    assert (late.state, late.exit_code) == ("created", 128)
    assert "8081 failed: port is already allocated" in late.error
    assert carry_out(RunContainer("n2", LATE)).unchanged == ("step 0",)


def test_one_that_shall_end_may_have_a_command_that_is_no_program(carry_out, running, hosts):
    flags = replace(LATE, ports=(), command=("--network=none",))
    assert carry_out(RunContainer("n2", flags)).changed == ("step 0",)
    late = next(live for live in see(hosts).plain if live.name == "mesh_late")
    assert (late.state, late.exit_code) == ("created", 127)
    assert 'exec: "--network=none": executable file not found' in late.error
    assert carry_out(RunContainer("n2", flags)).unchanged == ("step 0",)
    with pytest.raises(NodeError, match="executable file not found"):
        carry_out(RunContainer("n1", replace(flags, ends=False)))


def test_one_that_shall_end_and_cannot_be_started_for_another_reason_is_a_failure(carry_out, running):
    with pytest.raises(NodeError, match="network mesh_none not found"):
        carry_out(RunContainer("n2", replace(LATE, network="mesh_none")))


def test_one_that_shall_end_is_waited_for(carry_out, swarm, context, hosts):
    context.on_wait = lambda number: FakeContainers.end(swarm.container("n1", "mesh_late"), 3) if number == 4 else None
    carry_out(RunContainer("n1", LATE))
    assert context.waits == 4
    assert [(live.state, live.exit_code) for live in see(hosts, "n1").plain] == [("exited", 3)]


def test_one_that_runs_already_and_shall_end_is_waited_for_too(carry_out, swarm, context):
    swarm.engines["n1"].ending["mesh_late"] = 0
    carry_out(RunContainer("n1", LATE))
    swarm.container("n1", "mesh_late")["State"]["Status"] = "running"
    context.on_wait = lambda number: FakeContainers.end(swarm.container("n1", "mesh_late")) if number == 2 else None
    assert carry_out(RunContainer("n1", LATE)).unchanged == ("step 0",)
    assert context.waits == 2


def test_one_that_does_not_end_is_told(carry_out):
    with pytest.raises(NodeError, match="container mesh_late shall end and has not within 0 s: its state is running"):
        carry_out(RunContainer("n1", LATE), converge_seconds=0.0)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (RunContainer("n2", replace(A1, hostname="two")), "hostname: one → two"),
        (RunContainer("n2", replace(A1, environment={"A": "hunter2", "EMPTY": ""})), "environment A: changed"),
        (CreateBridge("n2", replace(BLUE, subnet="172.28.2.0/24")), "subnet: 172.28.1.0/24 → 172.28.2.0/24"),
    ],
)
def test_what_appeared_meanwhile_and_differs_is_not_touched(carry_out, running, action, reason):
    with pytest.raises(NodeError, match=f"appeared meanwhile and is not the wanted one: {reason}"):
        carry_out(action)
    assert running.changes == []


def disown(swarm):
    swarm.container("n2", "mesh_a1")["Config"]["Labels"][CLUSTER] = "another"
    swarm.engines["n2"].local["mesh_blue"]["Labels"] = {}


def removals(swarm, cluster="dev"):
    container = RemoveContainer("n2", swarm.container("n2", "mesh_a1")["Id"], "mesh_a1", cluster)
    return container, RemoveBridge("n2", swarm.engines["n2"].local["mesh_blue"]["Id"], "mesh_blue", cluster)


def test_what_is_not_ours_is_left_alone(carry_out, running):
    disown(running)
    for action in (CreateBridge("n2", BLUE), RunContainer("n2", A1), *removals(running)):
        with pytest.raises(RefusedError, match=f"does not carry our label {CLUSTER}=dev") as caught:
            carry_out(action)
        assert caught.value.node == "n2"
    assert running.changes == []


def test_all_of_it_goes_and_nothing_else(carry_out, running, hosts):
    hosts["n2"].engine().create_network("theirs", driver="bridge")
    actions = removals(running)
    assert carry_out(*actions).changed == ("step 0", "step 1")
    assert running.engines["n2"].containers == {}
    assert list(running.engines["n2"].local) == ["bridge", "host", "none", "theirs"]
    assert carry_out(*actions).changed == ()


def test_a_bridge_that_is_in_use_is_tried_again(carry_out, running, context):
    def leave(number):
        if number == 3:
            running.engines["n2"].containers.clear()

    context.on_wait = leave
    carry_out(removals(running)[1])
    assert context.waits == 3


def test_a_bridge_that_stays_in_use_is_told(carry_out, running, monkeypatch):
    monkeypatch.setattr(containers, "DETACH_SECONDS", 0.0)
    with pytest.raises(NodeError, match=r"remove network mesh_blue: the engine says: .*has active endpoints"):
        carry_out(removals(running)[1])


def test_a_container_whose_removal_is_under_way_is_waited_for(carry_out, running, context):
    action = removals(running)[0]
    message = f"removal of container {action.id} is already in progress"
    running.fail("n2", f"DELETE /containers/{action.id}", 409, message, times=2)
    assert carry_out(action).changed == ("step 0",)
    assert context.waits == 2
