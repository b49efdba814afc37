"""What `lab down` takes away and what it leaves, beside the golden plans."""

from dataclasses import replace

import pytest

from orchestrator.model.labels import CLUSTER, LAB
from orchestrator.model.observed import SwarmState, TaskContainer
from orchestrator.model.plan import LeaveSwarm, RemoveContainer, RemoveNetwork
from orchestrator.planning.diff import plan_down, plan_remove_labs, plan_up

from .builders import IMAGES, fresh, goal, inventory, lost, mesh_lab, with_foreign, with_service, with_swarm, with_view
from .simulator import carry_out


def up(inv, *labs):
    view = fresh(inv)
    return carry_out(plan_up(inv, goal(inv, *labs), view), view, inv, IMAGES)


def down(inv, view, own_swarm=True):
    return plan_down(inv.name, view, own_swarm=own_swarm, nodes=inv.nodes)


def leaving(plan):
    return [step.action.node for step in plan.steps if isinstance(step.action, LeaveSwarm)]


@pytest.mark.parametrize("remembered", [True, False])
@pytest.mark.parametrize(("label", "leave"), [("demo", ["n2", "n3", "n1"]), ("another", [])])
def test_the_label_on_the_swarm_decides_and_not_what_we_remember(label, leave, remembered):
    inv = inventory()
    view = with_swarm(up(inv), labels={CLUSTER: label})
    assert leaving(down(inv, view, own_swarm=remembered)) == leave


@pytest.mark.parametrize("remembered", [True, False])
def test_without_a_manager_what_we_remember_decides(remembered):
    inv = inventory()
    view = replace(lost(up(inv), "n1"), swarm=None)
    assert leaving(down(inv, view, own_swarm=remembered)) == (["n2", "n3"] if remembered else [])


def test_a_worker_may_go_without_force_only_while_a_manager_can_vouch_for_it():
    inv = inventory()
    view = up(inv)
    force = {step.action.node: step.action.force for step in down(inv, view).steps}
    assert force == {"n1": True, "n2": False, "n3": False}
    alone = replace(lost(view, "n1"), swarm=None)
    assert {step.action.force for step in down(inv, alone).steps} == {True}


def test_containers_of_tasks_go_with_the_swarm_or_where_there_is_none_by_themselves():
    inv = inventory()
    view = up(inv)
    labels = {CLUSTER: inv.name, LAB: "ingress-mesh"}
    kept = TaskContainer("c1", "web.1", labels), TaskContainer("c2", "web.2", {CLUSTER: "another"})
    view = with_view(view, "n2", task_containers=kept)
    view = with_view(view, "n3", task_containers=kept, swarm=SwarmState.INACTIVE, node_id="")
    removals = [step.action for step in down(inv, view).steps if isinstance(step.action, RemoveContainer)]
    assert removals == [RemoveContainer("n3", "c1", "web.1", inv.name)]
    assert {step.action.cluster for step in down(inv, view).steps if isinstance(step.action, LeaveSwarm)} == {inv.name}


def test_a_node_in_another_swarm_stays_there():
    inv = inventory()
    plan = down(inv, with_view(up(inv), "n3", node_id="somebody-elses"))
    assert leaving(plan) == ["n2", "n1"]
    assert plan.notes[0] == "n3 stays in its swarm (active), which is not known to be ours"


@pytest.mark.parametrize(
    ("managers", "leave"), [(("192.168.90.11:2377",), True), (("10.9.9.9:2377",), False), ((), False)]
)
@pytest.mark.parametrize("state", [SwarmState.PENDING, SwarmState.ERROR, SwarmState.LOCKED])
def test_a_node_that_is_half_way_in_leaves_if_it_talks_to_our_managers(state, managers, leave):
    inv = inventory()
    view = with_view(up(inv), "n3", swarm=state, node_id="", remote_managers=managers)
    assert ("n3" in leaving(down(inv, view))) is leave


@pytest.mark.parametrize("labs", [None, ["ingress-mesh"]])
def test_a_network_of_ours_that_a_service_of_others_uses_stays(labs):
    inv = inventory()
    view = with_foreign(up(inv, mesh_lab()))
    networks = view.swarm.services[0].spec.networks
    shop = next(live for live in view.swarm.services if live.spec.name == "shop")
    view = with_service(view, "shop", spec=replace(shop.spec, networks=networks))
    plan = plan_remove_labs(inv.name, view, labs) if labs else down(inv, with_swarm(view, labels={}), own_swarm=False)
    assert not [step for step in plan.steps if isinstance(step.action, RemoveNetwork)]
    assert "network ingress-mesh_mesh stays, in use by shop" in plan.notes


def test_a_lab_cannot_be_removed_without_a_manager():
    inv = inventory()
    plan = plan_remove_labs(inv.name, replace(lost(up(inv), "n1"), swarm=None), ["ingress-mesh"])
    assert [refusal.subject for refusal in plan.refusals] == ["ingress-mesh"]
    assert plan.steps == ()
