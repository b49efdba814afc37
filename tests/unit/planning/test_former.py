"""A worker whose swarm has ended without it leaves that swarm; whoever may still be part of one never does."""

from dataclasses import replace

import pytest

from orchestrator.model.inventory import Role
from orchestrator.model.labels import CLUSTER
from orchestrator.model.observed import NodeView, SwarmState
from orchestrator.model.plan import JoinSwarm, LeaveSwarm
from orchestrator.planning.diff import Known, plan_up

from .builders import IMAGES, fresh, goal, inventory, lost, mesh_lab, with_node, with_swarm, with_view
from .simulator import carry_out

INV = inventory()
LEFT = "192.168.90.11:2377"
OURS = Known("", ("id-left",))


def left_behind(view, **changes):
    """The view with n3 as it comes back after its swarm has ended."""
    about = {"swarm": SwarmState.PENDING, "node_id": "id-left", "remote_managers": (LEFT,)}
    return with_view(view, "n3", **(about | changes))


def steps(plan, kind):
    return [step for step in plan.steps if isinstance(step.action, kind)]


@pytest.mark.parametrize("state", [SwarmState.PENDING, SwarmState.ACTIVE, SwarmState.ERROR])
@pytest.mark.parametrize("anew", [False, True], ids=["no swarm yet", "a new swarm"])
def test_it_leaves_the_old_swarm_and_joins_the_new_one(state, anew):
    view = fresh(INV)
    if anew:
        few = replace(INV, nodes=INV.nodes[:2])
        view = carry_out(plan_up(few, goal(few), view), view, few, IMAGES)
    view = left_behind(view, swarm=state)
    plan = plan_up(INV, goal(INV, mesh_lab()), view, OURS)
    assert plan.refusals == ()
    (leave,) = steps(plan, LeaveSwarm)
    assert leave.action == LeaveSwarm("n3", True, INV.name, "id-left")
    assert leave.id in next(step for step in steps(plan, JoinSwarm) if step.action.node == "n3").after
    after = carry_out(plan, view, INV, IMAGES)
    assert {node.swarm for node in after.nodes} == {SwarmState.ACTIVE}
    assert plan_up(INV, goal(INV, mesh_lab()), after, OURS).empty


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(left_behind(fresh(INV), node_id="another"), id="an id that we never saw"),
        pytest.param(left_behind(fresh(INV), remote_managers=()), id="nobody knows its managers"),
        pytest.param(
            left_behind(fresh(INV), remote_managers=("10.1.1.1:2377",)), id="a manager that is no node of ours"
        ),
        pytest.param(
            left_behind(fresh(INV), remote_managers=(LEFT, "192.168.90.13:2377")), id="it is a manager itself"
        ),
        pytest.param(left_behind(fresh(INV), is_manager=True, swarm=SwarmState.ACTIVE), id="an active manager"),
        pytest.param(lost(left_behind(fresh(INV)), "n1"), id="its manager is out of reach"),
        pytest.param(
            with_view(left_behind(fresh(INV)), "n1", swarm=SwarmState.PENDING), id="its manager comes up again"
        ),
    ],
)
def test_whoever_may_be_needed_stays(view):
    plan = plan_up(INV, goal(INV), view, OURS)
    assert plan.refusals
    assert plan.steps == ()


def test_a_node_that_shall_manage_never_leaves_by_itself():
    inv = with_node(INV, "n3", role=Role.MANAGER)
    (refusal,) = plan_up(inv, goal(inv), left_behind(fresh(inv)), OURS).refusals
    assert "`lab down`" in refusal.hint


def test_a_worker_of_the_swarm_that_is_there_stays_in_it():
    view = carry_out(plan_up(INV, goal(INV), fresh(INV)), fresh(INV), INV, IMAGES)
    known = Known(view.swarm.cluster_id, tuple(member.id for member in view.swarm.nodes))
    assert plan_up(INV, goal(INV), view, known).empty


def test_in_a_foreign_swarm_nobody_leaves():
    view = carry_out(plan_up(INV, goal(INV), fresh(INV)), fresh(INV), INV, IMAGES)
    view = left_behind(with_swarm(view, labels={CLUSTER: "another"}))
    plan = plan_up(INV, goal(INV), view, OURS)
    assert plan.refusals
    assert plan.steps == ()


def test_a_node_that_was_not_observed_is_no_former_member():
    view = fresh(INV)
    view = replace(view, nodes=(*view.nodes[:2], NodeView("n3", reachable=False)))
    assert not steps(plan_up(INV, goal(INV), view, OURS), LeaveSwarm)
