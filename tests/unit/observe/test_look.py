"""Looking at nodes and the swarm through the docker SDK, against engines in memory."""

from __future__ import annotations

import pytest

from orchestrator.errors import Interrupted, NodeError
from orchestrator.model.events import Notice
from orchestrator.model.labels import CLUSTER, SPEC
from orchestrator.model.observed import Problem, SwarmState
from orchestrator.observe import observe, observe_node, observe_swarm
from orchestrator.runtime.context import Context
from orchestrator.transport.fakeswarm import FakeSwarm
from orchestrator.transport.scripted import hosts_of


@pytest.fixture
def swarm():
    return FakeSwarm("n1", "n2", "n3", images={"web:1": "sha256:aa"})


@pytest.fixture
def events():
    return []


@pytest.fixture
def context(events):
    return Context(events.append)


def make_swarm(swarm: FakeSwarm, hosts) -> None:
    first = hosts["n1"].engine()
    first.init_swarm(advertise_addr="192.168.90.11", swarm_spec=first.create_swarm_spec(labels={CLUSTER: "dev"}))
    for name, role in (("n2", "Manager"), ("n3", "Worker")):
        hosts[name].engine().join_swarm(["192.168.90.11:2377"], swarm.swarm["JoinTokens"][role])
    first.create_network("lab_mesh", driver="overlay", scope="swarm", labels={CLUSTER: "dev"})
    first.create_config("lab_conf", b"text")
    template = {"ContainerSpec": {"Image": "sha256:aa"}, "Networks": [{"Target": "lab_mesh"}]}
    first.create_service(template, name="lab_web", mode={"Replicated": {"Replicas": 2}})
    swarm.changes.clear()


def test_fresh_nodes_are_in_no_swarm(swarm, context):
    view = observe(context, hosts_of(swarm), ["web:1", "none:1"])
    assert [node.name for node in view.nodes] == ["n1", "n2", "n3"]
    assert {node.swarm for node in view.nodes} == {SwarmState.INACTIVE}
    assert view.node("n2").images == {"web:1": "sha256:aa"}
    assert view.swarm is None


def test_a_whole_swarm_is_seen_and_nothing_changed(swarm, context):
    hosts = hosts_of(swarm)
    make_swarm(swarm, hosts)
    view = observe(context, hosts, ["web:1"])
    assert [node.is_manager for node in view.nodes] == [True, True, False]
    assert [node.ingress_address for node in view.nodes] == ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
    assert view.swarm is not None
    assert (view.swarm.seen_by, view.swarm.labels) == ("n1", {CLUSTER: "dev"})
    assert view.swarm.cluster_id == view.node("n1").cluster_id != ""
    assert [one.spec.name for one in view.swarm.networks] == ["lab_mesh"]
    assert [one.spec.data for one in view.swarm.configs] == [b"text"]
    assert [one.spec.networks[0].network for one in view.swarm.services] == ["lab_mesh"]
    assert {task.service for task in view.swarm.tasks} == {"lab_web"}
    tasks = {task.id for task in view.swarm.tasks}
    assert {task for node in view.nodes for task in node.containers.values()} == tasks
    assert swarm.changes == []


def test_an_unreachable_node_is_data(swarm, context):
    hosts = hosts_of(swarm)
    make_swarm(swarm, hosts)
    problem = Problem("timeout", "it is off", "switch it on")
    hosts |= {"n1": problem}
    swarm.fail("n3", "GET /info", 500, "out of memory")
    view = observe(context, hosts, [])
    assert (view.node("n1").reachable, view.node("n1").problem) == (False, problem)
    assert view.node("n3").problem == Problem("engine", "GET /info: the engine says: out of memory (HTTP 500)", "")
    assert view.swarm is not None
    assert view.swarm.seen_by == "n2"


def test_a_manager_that_cannot_tell_is_passed_over(swarm, context, events):
    hosts = hosts_of(swarm)
    make_swarm(swarm, hosts)
    swarm.fail("n1", "GET /swarm", 500, "rpc error: The swarm does not have a leader")
    view = observe(context, hosts, [])
    assert view.swarm is not None
    assert view.swarm.seen_by == "n2"
    assert [(event.level, event.node) for event in events if isinstance(event, Notice)] == [("warning", "n1")]


def test_a_worker_cannot_tell_the_swarm(swarm):
    hosts = hosts_of(swarm)
    make_swarm(swarm, hosts)
    with pytest.raises(NodeError, match=r"GET /swarm: .*not a swarm manager"):
        observe_swarm(hosts["n3"], "n3")


def test_one_node_costs_few_calls(swarm, monkeypatch):
    hosts = hosts_of(swarm)
    make_swarm(swarm, hosts)
    calls = []
    handle = swarm.handle
    monkeypatch.setattr(swarm, "handle", lambda *call: calls.append(call[1:3]) or handle(*call))
    observe_node(hosts["n3"], ["web:1"])
    assert len(calls) == 5


def test_a_cancelled_look_is_interrupted(swarm, context):
    context.cancel()
    with pytest.raises(Interrupted):
        observe(context, hosts_of(swarm), [])


def test_containers_and_networks_of_others_are_known_by_name_only(swarm, context):
    hosts = hosts_of(swarm)
    make_swarm(swarm, hosts)
    engine = hosts["n2"].engine()
    engine.create_network("theirs", driver="bridge", labels={"owner": "somebody"})
    engine.create_network("ours", driver="bridge", labels={CLUSTER: "dev"})
    engine.create_container("web:1", name="theirs", host_config={"NetworkMode": "theirs"})
    labels = {CLUSTER: "dev", SPEC: "{damaged"}
    engine.create_container("web:1", name="ours", labels=labels, host_config={"NetworkMode": "bridge"})
    node = observe(context, hosts, []).node("n2")
    (live,) = node.plain
    assert (live.name, live.state, live.spec, live.labels) == ("ours", "created", None, labels)
    assert [live.spec.name for live in node.bridges] == ["ours"]
    assert node.other_containers == ("theirs",)
    assert set(node.other_networks) == {"bridge", "host", "none", "theirs"}
    assert len(node.containers) == 1  # the task's alone


def test_a_container_that_goes_while_we_look_is_left_out(swarm, context):
    hosts = hosts_of(swarm)
    host_config = {"NetworkMode": "bridge"}
    made = hosts["n1"].engine().create_container("web:1", name="x", labels={CLUSTER: "dev"}, host_config=host_config)
    swarm.fail("n1", f"GET /containers/{made['Id']}/json", 404, "No such container")
    view = observe(context, hosts, [])
    assert view.node("n1").reachable
    assert view.node("n1").plain == ()
