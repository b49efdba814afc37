"""Steps on the swarm's objects: created as wanted, left alone where they are not ours."""

from __future__ import annotations

from dataclasses import replace

import pytest
from apply_support import CONFIG, NETWORK, SERVICE

from orchestrator.apply import objects
from orchestrator.errors import NodeError, RefusedError
from orchestrator.model.lab import Port
from orchestrator.model.labels import CLUSTER
from orchestrator.model.observed import Problem
from orchestrator.model.plan import (
    CreateConfig,
    CreateNetwork,
    CreateService,
    RemoveConfig,
    RemoveNetwork,
    RemoveService,
    UpdateService,
)
from orchestrator.observe import observe_swarm

CREATE = (CreateNetwork(NETWORK), CreateConfig(CONFIG), CreateService(SERVICE))


@pytest.fixture
def deployed(carry_out, formed):
    carry_out(*CREATE)
    formed.changes.clear()
    return formed


def removal(swarm, kind: str, name: str):
    raw = swarm.named(kind, name)
    action = {"networks": RemoveNetwork, "configs": RemoveConfig, "services": RemoveService}[kind]
    return action(raw.get("ID") or raw["Id"], name)


def test_what_is_created_is_observed_as_wanted(carry_out, formed, hosts):
    assert carry_out(*CREATE).changed == ("step 0", "step 1", "step 2")
    view = observe_swarm(hosts["n1"], "n1")
    assert [replace(one.spec, key="net") for one in view.networks] == [replace(NETWORK, gateway="10.0.9.1")]
    assert [replace(one.spec, key="conf") for one in view.configs] == [CONFIG]
    assert [replace(one.spec, key="web") for one in view.services] == [replace(SERVICE, image="sha256:aa")]
    assert [task.state for task in view.tasks] == ["running", "running"]


def test_a_service_of_an_image_from_elsewhere_keeps_its_name(carry_out, deployed):
    deployed.engines["n1"].images["nginx"] = "sha256:cc"
    carry_out(CreateService(replace(SERVICE, name="mesh_other", image="nginx:1.27")))
    spec = deployed.named("services", "mesh_other")["Spec"]
    assert spec["TaskTemplate"]["ContainerSpec"]["Image"] == "nginx:1.27"


def test_what_appeared_meanwhile_and_is_as_wanted_is_done(carry_out, deployed):
    assert carry_out(*CREATE).unchanged == ("step 0", "step 1", "step 2")
    assert deployed.changes == []


@pytest.mark.parametrize(("kind", "action"), [("networks", CREATE[0]), ("configs", CREATE[1]), ("services", CREATE[2])])
def test_what_appeared_meanwhile_and_is_not_ours_is_refused(carry_out, deployed, kind, action):
    raw = deployed.named(kind, action.spec.name)
    raw.get("Spec", raw)["Labels"] = {CLUSTER: "somebody-else"}
    with pytest.raises(RefusedError, match=f"named {action.spec.name} exists that does not carry our label") as caught:
        carry_out(action)
    assert caught.value.hint
    assert deployed.changes == []


@pytest.mark.parametrize(
    "action",
    [
        CreateNetwork(replace(NETWORK, subnet="10.0.8.0/24")),
        CreateConfig(replace(CONFIG, data=b"other")),
        CreateService(replace(SERVICE, replicas=3)),
    ],
)
def test_what_appeared_meanwhile_and_differs_is_not_touched(carry_out, deployed, action):
    with pytest.raises(NodeError, match="appeared meanwhile and differs"):
        carry_out(action)
    assert deployed.changes == []


def test_a_name_that_merely_contains_ours_is_no_obstacle(carry_out, formed, hosts):
    hosts["n1"].engine().create_network("mesh_net_2", driver="overlay")
    carry_out(CreateNetwork(NETWORK))
    assert formed.named("networks", "mesh_net")


def test_a_service_whose_network_is_gone_says_so(carry_out, formed):
    carry_out(CreateConfig(CONFIG))
    with pytest.raises(NodeError, match="service mesh_web needs mesh_net, which is not in the swarm"):
        carry_out(CreateService(SERVICE))


def test_an_update_changes_just_that_and_keeps_forced_restarts(carry_out, deployed):
    live = deployed.named("services", "mesh_web")
    live["Spec"]["TaskTemplate"]["ForceUpdate"] = 2
    changed = replace(SERVICE, replicas=3, ports=(Port(8081, 80),))
    assert carry_out(UpdateService(live["ID"], changed)).changed == ("step 0",)
    assert live["Spec"]["Mode"] == {"Replicated": {"Replicas": 3}}
    assert live["Spec"]["EndpointSpec"]["Ports"][0]["PublishedPort"] == 8081
    assert live["Spec"]["TaskTemplate"]["ForceUpdate"] == 2
    assert carry_out(UpdateService(live["ID"], changed)).unchanged == ("step 0",)


def test_an_update_meets_another_one(carry_out, deployed):
    live = deployed.named("services", "mesh_web")
    conflict = "rpc error: code = Unknown desc = update out of sequence"
    deployed.fail("n1", f"POST /services/{live['ID']}/update", 500, conflict, times=2)
    carry_out(UpdateService(live["ID"], replace(SERVICE, replicas=1)))
    assert live["Spec"]["Mode"] == {"Replicated": {"Replicas": 1}}


@pytest.mark.parametrize("state", ["paused", "rollback_paused"])
def test_an_update_that_stopped_half_way_is_sent_again(carry_out, deployed, state):
    live = deployed.named("services", "mesh_web")
    live["UpdateStatus"] = {"State": state, "Message": "update paused due to failure"}
    assert carry_out(UpdateService(live["ID"], SERVICE)).changed == ("step 0",)
    assert carry_out(UpdateService(live["ID"], SERVICE)).unchanged == ("step 0",)


def test_an_update_under_way_is_left_alone(carry_out, deployed):
    live = deployed.named("services", "mesh_web")
    live["UpdateStatus"] = {"State": "updating"}
    assert carry_out(UpdateService(live["ID"], SERVICE)).unchanged == ("step 0",)


def test_a_setting_made_by_hand_is_taken_back(carry_out, deployed):
    live = deployed.named("services", "mesh_web")
    live["Spec"]["TaskTemplate"]["ContainerSpec"]["Mounts"] = [{"Target": "/x"}]
    carry_out(UpdateService(live["ID"], SERVICE))
    assert "Mounts" not in live["Spec"]["TaskTemplate"]["ContainerSpec"]


@pytest.mark.parametrize("kind", ["services", "networks", "configs"])
def test_what_is_not_ours_is_neither_changed_nor_removed(carry_out, deployed, kind):
    name = {"services": "mesh_web", "networks": "mesh_net", "configs": "mesh_conf-1"}[kind]
    raw = deployed.named(kind, name)
    raw.get("Spec", raw)["Labels"] = {"com.example": "x"}
    actions = [removal(deployed, kind, name)]
    if kind == "services":
        actions.append(UpdateService(raw["ID"], replace(SERVICE, replicas=5)))
    for action in actions:
        with pytest.raises(RefusedError, match=f"{name} does not carry our label {CLUSTER}=dev"):
            carry_out(action)
    assert deployed.changes == []


def test_nothing_is_removed_from_a_swarm_that_is_not_ours(carry_out, deployed):
    deployed.swarm["Spec"]["Labels"] = {}
    with pytest.raises(RefusedError):
        carry_out(removal(deployed, "services", "mesh_web"))
    assert deployed.changes == []


def test_all_of_it_goes_and_nothing_else(carry_out, deployed, hosts):
    hosts["n1"].engine().create_network("theirs", driver="overlay")
    actions = [
        removal(deployed, "services", "mesh_web"),
        removal(deployed, "networks", "mesh_net"),
        removal(deployed, "configs", "mesh_conf-1"),
    ]
    carry_out(*actions)
    assert (deployed.services, deployed.configs, deployed.tasks) == ({}, {}, {})
    assert {raw["Name"] for raw in deployed.networks.values()} == {"ingress", "theirs"}
    assert carry_out(*actions).changed == ()


def test_the_tasks_of_a_removed_service_are_waited_for(carry_out, deployed, context):
    deployed.lingering = True
    context.on_wait = lambda number: deployed.reap() if number == 3 else None
    carry_out(removal(deployed, "services", "mesh_web"))
    assert context.waits == 3


def test_tasks_on_a_lost_node_are_not_waited_for(carry_out, deployed, context):
    deployed.lingering = True
    action = removal(deployed, "services", "mesh_web")
    for name in deployed.engines:
        if name != "n1":
            deployed.kill(name)
    for task in deployed.tasks.values():
        task["NodeID"] = deployed.engines["n3"].node_id
    carry_out(action)
    assert context.waits == 0


def test_tasks_that_do_not_end_are_told(carry_out, deployed, monkeypatch):
    monkeypatch.setattr(objects, "DETACH_SECONDS", 0.0)
    deployed.lingering = True
    with pytest.raises(NodeError, match="remove service mesh_web: not gone within 0 s: 2 of its tasks are still there"):
        carry_out(removal(deployed, "services", "mesh_web"))


def test_a_network_that_tasks_still_use_is_tried_again(carry_out, deployed, context):
    deployed.lingering = True
    action = removal(deployed, "networks", "mesh_net")
    del deployed.services[deployed.named("services", "mesh_web")["ID"]]
    context.on_wait = lambda number: deployed.reap() if number == 4 else None
    carry_out(action)
    assert context.waits == 4


def test_a_network_that_stays_in_use_fails_with_the_engines_words(carry_out, deployed, monkeypatch):
    monkeypatch.setattr(objects, "DETACH_SECONDS", 0.0)
    with pytest.raises(NodeError, match=r"remove network mesh_net: the engine says: .* is in use"):
        carry_out(removal(deployed, "networks", "mesh_net"))


def test_where_the_planned_manager_is_gone_another_one_is_told(carry_out, deployed, hosts):
    hosts["n1"] = Problem("unreachable", "it is off")
    carry_out(removal(deployed, "services", "mesh_web"))
    assert deployed.changes[0].startswith("n2 DELETE /services/")
