"""Steps on machines: what they do, what they find already done, and what they refuse to touch."""

from __future__ import annotations

from dataclasses import replace

import pytest
from apply_support import init, join, leave, update

from orchestrator.apply import members
from orchestrator.errors import NodeError, RefusedError
from orchestrator.model.events import StepProgress
from orchestrator.model.inventory import Availability, Role, SwarmOptions
from orchestrator.model.labels import CLUSTER
from orchestrator.model.observed import Problem
from orchestrator.model.plan import InitSwarm, LoadImage, RemoveMember
from orchestrator.transport.fakeobjects import ApiError, FakeEngine


def member(swarm, name: str) -> dict:
    return swarm.nodes[swarm.engines[name].node_id]


def test_a_swarm_is_made_with_our_label_and_options(carry_out, swarm):
    options = SwarmOptions(("10.20.0.0/16",), 26, 7789)
    carry_out(InitSwarm("n1", "192.168.90.11", "192.168.91.11", options, {CLUSTER: "dev"}))
    asked = swarm.swarm["Request"]
    assert asked["Spec"] == {"Labels": {CLUSTER: "dev"}}
    assert (asked["AdvertiseAddr"], asked["DataPathAddr"]) == ("192.168.90.11", "192.168.91.11")
    assert (asked["DefaultAddrPool"], asked["SubnetSize"], asked["DataPathPort"]) == (["10.20.0.0/16"], 26, 7789)


def test_without_a_pool_the_engine_keeps_its_own(carry_out, swarm):
    carry_out(init())
    assert not {"DefaultAddrPool", "SubnetSize", "DataPathAddr"} & swarm.swarm["Request"].keys()


def test_members_join_in_their_roles(formed):
    assert [(node["Description"]["Hostname"], node["Spec"]["Role"]) for node in formed.nodes.values()] == [
        ("n1", "manager"), ("n2", "manager"), ("n3", "worker")]  # fmt: skip


def test_what_is_done_already_is_not_done_again(carry_out, formed):
    report = carry_out(init(), join("n2", Role.MANAGER), join("n3"))
    assert report.changed == ()
    assert formed.changes == []


def test_no_token_is_ever_told(carry_out, swarm, events):
    carry_out(init(), join("n3"))
    swarm.fail("n2", "POST /swarm/join", 400, "something is wrong")
    with pytest.raises(NodeError) as caught:
        carry_out(join("n2"))
    told = repr(events) + repr(caught.value) + str(caught.value.__cause__) + caught.value.message
    assert "SWMTKN" not in told
    assert "join the swarm at 192.168.90.11:2377: the engine says: something is wrong" in caught.value.message


def test_a_swarm_of_others_is_refused(carry_out, hosts, swarm):
    hosts["n1"].engine().init_swarm(advertise_addr="192.168.90.11")
    swarm.changes.clear()
    with pytest.raises(RefusedError, match="not ours") as caught:
        carry_out(init())
    assert caught.value.node == "n1"
    assert swarm.changes == []


def test_a_node_in_another_swarm_does_not_join(carry_out, formed):
    """Being in a swarm is not being in this one: the managers do not list the node."""
    formed.engines["n3"].node_id = "elsewhere"
    formed._info = lambda call: {"Swarm": {"LocalNodeState": "active", "NodeID": call.engine.node_id}}
    with pytest.raises(RefusedError, match="not ours"):
        carry_out(join("n3"))
    assert formed.changes == []


def test_joining_goes_on_in_the_background(carry_out, swarm, context):
    """The engine gives the call up and goes on trying; later the node is a member."""
    carry_out(init())
    engine = swarm.engines["n2"]

    def give_up(call):
        engine.state = "pending"
        raise ApiError(500, "Timeout was reached before node joined. The attempt will continue in the background.")

    def arrive(number):
        if number == 3:
            swarm._enrol(engine, "worker")

    swarm._join = give_up
    context.on_wait = arrive
    assert carry_out(join("n2")).changed == ("step 0",)
    assert context.waits == 3


def test_joining_is_tried_again_while_the_managers_are_busy(carry_out, swarm):
    carry_out(init())
    swarm.fail("n2", "POST /swarm/join", 503, "rpc error: code = Unavailable desc = try again", times=3)
    assert carry_out(join("n2", Role.MANAGER)).changed == ("step 0",)


def test_an_address_that_the_plan_could_not_know_is_the_managers_own_word(carry_out, swarm):
    """The inventory names an interface, so only the manager's engine knows the address."""
    carry_out(init())
    asked = []
    enter = swarm._join
    swarm._join = lambda call: (asked.append(call.json["RemoteAddrs"]), enter(call))[1]
    carry_out(replace(join("n2"), remote_addr=""))
    assert asked == [["192.168.90.11:2377"]]


def test_a_join_that_never_ends_says_what_to_check(carry_out, swarm, monkeypatch):
    monkeypatch.setattr(members, "MEMBER_SECONDS", 0.0)
    carry_out(init())
    swarm._join = lambda call: setattr(call.engine, "state", "pending")
    with pytest.raises(
        NodeError, match="not become a ready member of the swarm within 0 s: its state is pending"
    ) as caught:
        carry_out(join("n2"))
    assert "2377" in caught.value.hint


def test_where_the_planned_manager_is_gone_another_one_lets_in(carry_out, formed, hosts):
    carry_out(leave("n3"))
    hosts["n1"] = Problem("unreachable", "it is off")
    asked = []
    original = formed._join
    formed._join = lambda call: asked.append(call.json["RemoteAddrs"]) or original(call)
    carry_out(join("n3"))
    assert asked == [["192.168.90.12:2377"]]


def test_a_node_is_changed_and_labels_of_others_stay(carry_out, formed):
    node = member(formed, "n3")
    node["Spec"]["Labels"] = {"theirs": "1", "old": "2"}
    carry_out(update("n3", availability=Availability.DRAIN, labels={"zone": "a"}, remove=["old"]))
    assert node["Spec"] == {"Role": "worker", "Availability": "drain", "Labels": {"theirs": "1", "zone": "a"}}
    formed.changes.clear()
    report = carry_out(update("n3", availability=Availability.DRAIN, labels={"zone": "a"}))
    assert (report.unchanged, formed.changes) == (("step 0",), [])


def test_a_promoted_node_is_waited_for(carry_out, formed, context):
    node = member(formed, "n3")
    original = formed._update_node

    def slowly(call, identity):
        original(call, identity)
        node.pop("ManagerStatus")

    formed._update_node = slowly
    context.on_wait = lambda number: node.update({"ManagerStatus": {"Leader": False}}) if number == 2 else None
    carry_out(update("n3", Role.MANAGER))
    assert context.waits == 2


def test_a_change_at_the_same_time_is_read_again(carry_out, formed):
    node = member(formed, "n3")
    path = f"POST /nodes/{node['ID']}/update"
    formed.fail("n1", path, 500, "rpc error: code = Unknown desc = update out of sequence", times=2)
    carry_out(update("n3", labels={"a": "b"}))
    assert node["Spec"]["Labels"] == {"a": "b"}


def test_nodes_leave(carry_out, formed):
    carry_out(leave("n3"), leave("n2", force=True), leave("n1", force=True))
    assert {engine.state for engine in formed.engines.values()} == {"inactive"}
    formed.changes.clear()
    assert carry_out(leave("n3"), leave("n1", force=True)).changed == ()
    assert formed.changes == []


@pytest.mark.parametrize("node", ["n1", "n3"])
def test_a_swarm_without_our_label_is_not_left(carry_out, formed, node):
    formed.swarm["Spec"]["Labels"] = {}
    with pytest.raises(RefusedError, match="not ours"):
        carry_out(leave(node, force=True))
    assert formed.changes == []


def test_where_no_manager_answers_only_force_leaves(carry_out, formed, hosts):
    hosts["n1"] = hosts["n2"] = Problem("unreachable", "it is off")
    with pytest.raises(NodeError, match="no manager of the swarm answers") as caught:
        carry_out(leave("n3"))
    assert caught.value.details[0] == "n1: it is off"
    carry_out(leave("n3", force=True))
    assert formed.engines["n3"].state == "inactive"


def ended(engine: FakeEngine, name: str, cluster: str) -> None:
    """A container of a task that has ended, which Docker forgets when a node leaves."""
    engine.containers[name] = {
        "Id": name,
        "Name": f"/{name}",
        "Config": {"Labels": {CLUSTER: cluster, "com.docker.swarm.task.id": name}},
        "State": {"Status": "exited"},
    }


def test_who_leaves_keeps_nothing_of_our_tasks(carry_out, formed):
    engine = formed.engines["n3"]
    ended(engine, "ours", "dev")
    ended(engine, "another", "other")
    carry_out(leave("n3"))
    assert list(engine.containers) == ["another"]
    ended(engine, "ours", "dev")
    assert carry_out(leave("n3")).changed != ()
    assert list(engine.containers) == ["another"]


def test_a_swarm_of_ours_that_is_gone_is_left_by_the_member_that_was_seen_in_it(carry_out, formed):
    formed.cut_power("n3")
    engine = formed.engines["n3"]
    formed.nodes.pop(engine.node_id)  # struck off: the managers do not know it any more
    with pytest.raises(RefusedError, match="not ours"):
        carry_out(leave("n3", force=True))
    with pytest.raises(RefusedError, match="not ours"):
        carry_out(leave("n3", force=True, former="another-id"))
    assert engine.state == "pending"
    carry_out(leave("n3", force=True, former=engine.node_id))
    assert engine.state == "inactive"


def remove(swarm, name: str) -> RemoveMember:
    return RemoveMember(swarm.engines[name].node_id, name, "n1")


def test_a_lost_member_is_removed(carry_out, formed):
    action = remove(formed, "n3")
    formed.kill("n3")
    carry_out(action)
    assert action.node_id not in formed.nodes
    assert carry_out(action).changed == ()


def test_a_lost_manager_is_demoted_first(carry_out, formed):
    action = remove(formed, "n2")
    formed.kill("n2")
    carry_out(action)
    assert action.node_id not in formed.nodes


def test_a_member_that_is_up_is_not_removed(carry_out, formed, monkeypatch):
    monkeypatch.setattr(members, "MEMBER_SECONDS", 0.0)
    with pytest.raises(NodeError, match="still see it ready"):
        carry_out(remove(formed, "n3"))
    assert formed.changes == []


def test_an_image_is_sent_once_and_tells_how_far(carry_out, swarm, events):
    swarm.engines["n2"].images.clear()
    assert carry_out(LoadImage("n2", "web:1")).changed == ("step 0",)
    assert swarm.engines["n2"].images == {"web:1": "sha256:aa"}
    assert [event.fraction for event in events if isinstance(event, StepProgress)][-1] == 1.0
    assert carry_out(LoadImage("n2", "web:1")).unchanged == ("step 0",)


def test_an_older_image_of_that_name_is_replaced(carry_out, swarm):
    swarm.engines["n2"].images["web:1"] = "sha256:old"
    carry_out(LoadImage("n2", "web:1"))
    assert swarm.engines["n2"].images["web:1"] == "sha256:aa"


def test_an_archive_without_the_image_is_told(carry_out, swarm, images):
    swarm.engines["n2"].images.clear()
    images["web:1"].archive.write_text("other:1 sha256:bb")
    with pytest.raises(NodeError, match="holds no image web:1"):
        carry_out(LoadImage("n2", "web:1"))


def test_an_image_that_we_do_not_have_is_told(carry_out):
    with pytest.raises(NodeError, match="no archive of image none:1"):
        carry_out(LoadImage("n2", "none:1"))
