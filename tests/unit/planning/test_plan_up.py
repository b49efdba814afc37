"""Single decisions of `lab up` that the golden plans do not show."""

import json
from dataclasses import replace

import pytest

from orchestrator.model.inventory import Availability, ProviderKind, Role, SshAddress
from orchestrator.model.lab import Attachment, Container, Network, Port, ServiceMode
from orchestrator.model.labels import CLUSTER, LAB
from orchestrator.model.plan import AwaitService, CreateService, InitSwarm, JoinSwarm, RemoveMember, UpdateNode
from orchestrator.planning.cluster import shortfall
from orchestrator.planning.diff import plan_up
from orchestrator.planning.members import OUR_LABELS

from .builders import (
    IMAGES,
    NGINX,
    foreign_swarm,
    fresh,
    goal,
    host_port,
    inventory,
    lost,
    mesh_lab,
    with_foreign,
    with_member,
    with_node,
    with_service,
    with_swarm,
    with_view,
)
from .simulator import carry_out

WEB = "ingress-mesh_web"


def up(inv, *labs, view=None):
    view = view or fresh(inv)
    return carry_out(plan_up(inv, goal(inv, *labs), view), view, inv, IMAGES)


def action(plan, kind, **about):
    """The only action of a kind (with these attributes)."""
    (found,) = [
        step.action
        for step in plan.steps
        if isinstance(step.action, kind) and all(getattr(step.action, k) == v for k, v in about.items())
    ]
    return found


def reasons(plan):
    return [f"{refusal.subject}: {refusal.reason}" for refusal in plan.refusals]


# nodes


def test_the_swarm_carries_our_label_and_the_wanted_options():
    inv = with_node(inventory(), "n1", data_path_addr="eth1")
    found = action(plan_up(inv, goal(inv), fresh(inv)), InitSwarm)
    assert (found.node, found.advertise_addr, found.data_path_addr) == ("n1", "192.168.90.11", "eth1")
    assert found.labels == {CLUSTER: "demo"}
    assert found.options == inv.swarm


def test_the_first_manager_starts_the_swarm_wherever_it_stands_in_the_file():
    inv = inventory()
    inv = with_node(with_node(inv, "n1", role=Role.WORKER), "n3", role=Role.MANAGER)
    plan = plan_up(inv, goal(inv), fresh(inv))
    assert action(plan, InitSwarm).node == "n3"
    assert action(plan, JoinSwarm, node="n1").remote_addr == "192.168.90.13:2377"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("10.1.2.3", "10.1.2.3"), ("127.0.0.1", None), ("node.example", None), ("fd00::1", None)],
)
def test_the_ssh_host_serves_as_address_only_where_others_can_mean_it_too(host, expected):
    inv = replace(inventory(1, 0), provider=ProviderKind.SSH)
    inv = with_node(inv, "n1", advertise_addr=None, ssh=SshAddress(host))
    plan = plan_up(inv, goal(inv), fresh(inv))
    if expected:
        assert action(plan, InitSwarm).advertise_addr == expected
    else:
        assert reasons(plan) == ["n1: nothing says under which address the other nodes reach it"]


def test_an_interface_as_address_leaves_the_manager_to_tell_its_own():
    inv = with_node(inventory(), "n1", advertise_addr="eth1")
    plan = plan_up(inv, goal(inv), fresh(inv))
    assert action(plan, InitSwarm).advertise_addr == "eth1"
    assert action(plan, JoinSwarm, node="n2").remote_addr == ""


def test_a_newcomer_joins_through_the_manager_that_answers_at_its_address_in_the_swarm():
    inv = inventory(managers=2, workers=2)
    view = up(inv)
    clean = fresh(inv)
    view = replace(view, nodes=(*view.nodes[:3], clean.node("n4")))
    view = lost(with_view(view, "n2", node_addr="10.8.0.2"), "n1")
    view = with_swarm(view, seen_by="n2", nodes=tuple(m for m in view.swarm.nodes if m.hostname not in {"n2", "n4"}))
    members = (*view.swarm.nodes, replace(up(inv).swarm.nodes[1], id=view.node("n2").node_id, address="0.0.0.0"))
    plan = plan_up(inv, goal(inv), with_swarm(view, nodes=members))
    found = action(plan, JoinSwarm)
    assert (found.node, found.via, found.remote_addr) == ("n4", "n2", "10.8.0.2:2377")


def test_a_new_node_gets_its_labels_and_availability_before_services_are_placed():
    inv = with_node(inventory(), "n2", availability=Availability.DRAIN, labels={"zone": "a"})
    plan = plan_up(inv, goal(inv, mesh_lab()), fresh(inv))
    found = action(plan, UpdateNode)
    assert (found.node, found.availability) == ("n2", Availability.DRAIN)
    assert found.labels == {"zone": "a", OUR_LABELS: '["zone"]'}
    steps = {step.id: step for step in plan.steps}
    assert steps["node n2"].after == ("join n2",)
    assert "node n2" in steps[f"service {WEB}"].after


def test_only_labels_that_we_set_are_removed():
    inv = with_node(inventory(), "n2", labels={"zone": "a", "disk": "ssd"})
    view = up(inv)
    member = next(m for m in view.swarm.nodes if m.hostname == "n2")
    view = with_member(view, "n2", labels={**member.labels, "theirs": "1"})
    inv = with_node(inv, "n2", labels={"zone": "b"})
    found = action(plan_up(inv, goal(inv), view), UpdateNode)
    assert found.labels == {"zone": "b", OUR_LABELS: '["zone"]'}
    assert found.remove_labels == ("disk",)
    inv = with_node(inv, "n2", labels={})
    found = action(plan_up(inv, goal(inv), view), UpdateNode)
    assert (found.labels, set(found.remove_labels)) == ({}, {"zone", "disk", OUR_LABELS})


@pytest.mark.parametrize("damage", ["", "zone", "{}", "null", json.dumps([1])])
def test_a_damaged_note_of_our_labels_removes_nothing_of_others(damage):
    inv = inventory()
    view = with_member(up(inv), "n2", labels={"zone": "theirs", OUR_LABELS: damage})
    found = action(plan_up(inv, goal(inv), view), UpdateNode)
    assert found.remove_labels == (OUR_LABELS,)


def test_nodes_are_matched_by_id_and_not_by_hostname():
    inv = inventory()
    view = up(inv)
    members = tuple(replace(m, hostname="localhost") for m in view.swarm.nodes)
    assert plan_up(inv, goal(inv), with_swarm(view, nodes=members)).empty


@pytest.mark.parametrize(
    ("state", "address", "removed"),
    [("down", "10.9.9.9", True), ("ready", "192.168.90.13", True), ("ready", "10.9.9.9", False)],
)
def test_a_former_identity_is_removed_and_a_namesake_is_not(state, address, removed):
    inv = inventory()
    view = with_member(up(inv), "n3", state=state, address=address)
    view = replace(view, nodes=(*view.nodes[:2], fresh(inv).node("n3")))
    plan = plan_up(inv, goal(inv), view)
    assert bool([step for step in plan.steps if isinstance(step.action, RemoveMember)]) is removed
    assert action(plan, JoinSwarm).node == "n3"


def test_a_former_identity_is_known_by_the_hostname_and_not_by_our_name_for_the_node():
    inv = inventory()
    view = with_member(up(inv), "n3", hostname="srv-7")
    former = replace(view.swarm.nodes[2], id="id-former", state="down", address="10.9.9.9")
    plan = plan_up(inv, goal(inv), with_swarm(view, nodes=(*view.swarm.nodes, former)))
    assert action(plan, RemoveMember) == RemoveMember("id-former", "srv-7", "n1")


def test_an_unreachable_node_is_no_former_identity_of_itself():
    inv = inventory()
    view = with_member(lost(up(inv, mesh_lab()), "n3"), "n3", state="down")
    plan = plan_up(inv, goal(inv, mesh_lab()), view)
    assert not [step for step in plan.steps if isinstance(step.action, RemoveMember)]
    (left,) = plan.left
    assert (left.subject, left.reason) == ("n3", "cannot be reached (no answer within 10 s): its steps are left out")


def test_a_manager_of_another_swarm_is_known_by_the_cluster_id():
    inv = inventory(managers=3, workers=0)
    view = with_view(up(inv), "n2", cluster_id="another")
    assert reasons(plan_up(inv, goal(inv), view)) == [
        "n2: it is in another swarm, or was removed from ours without knowing it (a manager of another)"
    ]


def test_a_swarm_of_the_same_tool_for_another_cluster_is_not_ours():
    inv = inventory()
    view = with_swarm(up(inv), labels={CLUSTER: "another"})
    (refusal,) = plan_up(inv, goal(inv), view).refusals
    assert f"the swarm {view.swarm.cluster_id[:12]}, which lab made for the cluster another: n1 (" in refusal.reason
    assert "lab down --name another" in refusal.hint


def test_a_foreign_swarm_on_other_nodes_than_the_first_is_refused_too():
    inv = inventory(provider=ProviderKind.SSH)
    (refusal,) = plan_up(inv, goal(inv), foreign_swarm(inv, "n2", "n3")).refusals
    assert refusal.subject == "n2"
    assert refusal.reason == (
        "it is in the swarm theirs, which was not made for the cluster demo: n2 (leader, ready), n3 (worker, ready)"
    )
    assert "`lab verify --attach`" in refusal.hint
    assert refusal.hint.endswith("`docker swarm leave --force` on n2, n3")


def test_the_nodes_of_a_foreign_swarm_are_named_in_one_order():
    """Engines list nodes by ids, which are drawn by chance."""
    inv = inventory()
    view = foreign_swarm(inv, "n2", "n3")
    turned = with_swarm(view, nodes=tuple(reversed(view.swarm.nodes)))
    assert plan_up(inv, goal(inv), turned).refusals == plan_up(inv, goal(inv), view).refusals


def test_hosts_in_two_foreign_swarms_are_both_named():
    inv = inventory()
    view = with_view(foreign_swarm(inv, "n1", "n2"), "n2", is_manager=True, cluster_id="a third one")
    assert reasons(plan_up(inv, goal(inv), view))[1:] == ["n2: it is in another swarm still (a manager of a third one)"]


def test_a_worker_alone_in_some_swarm_is_refused():
    inv = inventory()
    view = foreign_swarm(inv, "n2")
    view = replace(with_view(view, "n2", is_manager=False, cluster_id=""), swarm=None)
    assert reasons(plan_up(inv, goal(inv), view)) == [
        (
            "n2: it is a worker of some swarm (its managers: 172.20.0.1:2377), "
            "and no manager can be asked whether it is ours"
        )
    ]


def test_a_node_that_was_not_observed_counts_as_unreachable():
    inv = inventory()
    view = fresh(inv)
    plan = plan_up(inv, goal(inv), replace(view, nodes=view.nodes[:2]))
    (left,) = plan.left
    assert (left.subject, left.reason) == ("n3", "cannot be reached (it was not observed): its steps are left out")


def test_a_member_that_answers_us_but_not_the_managers_is_told():
    inv = inventory()
    plan = plan_up(inv, goal(inv), with_member(up(inv), "n2", state="unknown"))
    assert plan.empty
    assert plan.notes == ("n2 answers us, but the managers see it as unknown",)


# objects


def test_an_image_of_that_name_with_another_id_is_replaced():
    inv = inventory()
    view = with_view(up(inv, mesh_lab()), "n2", images={NGINX.reference: "sha256:" + "cd" * 32})
    (step,) = plan_up(inv, goal(inv, mesh_lab()), view).steps
    assert step.id == f"image n2 {NGINX.reference}"
    assert step.reason == "n2 has cdcdcdcdcdcd under that name"


def test_settings_made_by_hand_are_taken_back():
    inv = inventory()
    view = with_service(up(inv, mesh_lab()), WEB, unsupported=("TaskTemplate.ContainerSpec.Mounts",))
    step = plan_up(inv, goal(inv, mesh_lab()), view).steps[0]
    assert step.reason == "set by hand: TaskTemplate.ContainerSpec.Mounts"


def test_a_change_of_mode_makes_the_service_anew():
    inv = inventory()
    view = up(inv, mesh_lab())
    plan = plan_up(inv, goal(inv, mesh_lab(mode=ServiceMode.GLOBAL)), view)
    assert [step.id for step in plan.steps] == [f"remove service {WEB}", f"service {WEB}", f"await {WEB}"]
    assert isinstance(plan.steps[1].action, CreateService)
    assert plan.steps[1].reason.startswith("mode: replicated → global")


@pytest.mark.parametrize("state", ["updating", "rollback_started"])
def test_an_update_under_way_is_waited_for(state):
    inv = inventory()
    view = with_service(up(inv, mesh_lab()), WEB, update_state=state)
    plan = plan_up(inv, goal(inv, mesh_lab()), view)
    assert [step.action for step in plan.steps] == [AwaitService(WEB)]


@pytest.mark.parametrize("state", ["", "completed", "paused", "rollback_completed"])
def test_a_service_that_is_whole_needs_nothing_whatever_its_last_update_did(state):
    inv = inventory()
    assert plan_up(inv, goal(inv, mesh_lab()), with_service(up(inv, mesh_lab()), WEB, update_state=state)).empty


def test_services_that_stay_are_waited_for_when_nodes_change():
    inv = inventory()
    view = up(inv, mesh_lab())
    inv = with_node(inv, "n2", availability=Availability.DRAIN)
    plan = plan_up(inv, goal(inv, mesh_lab()), view)
    assert [step.id for step in plan.steps] == ["node n2", f"await {WEB}"]
    assert plan.steps[1].after == ("node n2",)


@pytest.mark.parametrize(
    ("mode", "replicas", "constraints", "tasks", "lacking"),
    [
        ("replicated", 2, (), [("n1", "running"), ("n1", "running")], ""),
        ("replicated", 2, (), [("n1", "running"), ("n1", "pending")], "1 of 2 tasks run"),
        ("replicated", 1, (), [("n1", "running"), ("n1", "running")], "2 of 1 tasks run"),
        ("replicated", 0, (), [], ""),
        ("global", 1, (), [("n1", "running"), ("n2", "running")], ""),
        ("global", 1, (), [("n1", "running"), ("n2", "starting")], "no running task on n2"),
        ("global", 1, (), [("n1", "running")], "no running task on n2"),
        ("global", 1, ("node.labels.a==1",), [("n1", "running")], ""),
        ("global", 1, ("node.labels.a==1",), [("n1", "starting")], "no running task on n1"),
    ],
)
def test_what_a_service_lacks(mode, replicas, constraints, tasks, lacking):
    """Two eligible nodes, n1 and n2; n3 is drained and n4 down. Old tasks do not count."""
    inv = inventory(workers=3)
    view = with_member(up(inv, mesh_lab()), "n3", availability=Availability.DRAIN)
    view = with_member(view, "n4", state="down")
    ids = {member.hostname: member.id for member in view.swarm.nodes}
    some = view.swarm.tasks[0]
    live = [replace(some, id=f"t{n}", node_id=ids[node], state=state) for n, (node, state) in enumerate(tasks)]
    old = [replace(some, id="old", state="shutdown", desired="shutdown"), replace(some, id="dying", desired="shutdown")]
    swarm = with_swarm(view, tasks=(*live, *old)).swarm
    service = replace(swarm.services[0].spec, mode=ServiceMode(mode), replicas=replicas, constraints=constraints)
    assert shortfall(service, swarm) == lacking


def test_external_networks_must_exist_and_are_never_made():
    inv = inventory()
    lab = mesh_lab(networks=(Attachment("shopnet"),))
    lab = replace(lab, networks=(Network("out", "shopnet", external=True),))
    assert reasons(plan_up(inv, goal(inv, lab), fresh(inv))) == [
        "network shopnet: the lab file calls it external, and it does not exist in the swarm"
    ]
    plan = plan_up(inv, goal(inv, lab), with_foreign(up(inv)))
    assert f"service {WEB}" in {step.id for step in plan.steps}
    assert "network shopnet" not in {step.id for step in plan.steps}
    lab = replace(lab, networks=(Network("out", "host", external=True),))
    assert not plan_up(inv, goal(inv, lab), fresh(inv)).refusals


def test_a_lab_may_use_the_network_of_another_lab_which_then_comes_first():
    inv = inventory()
    user = mesh_lab("user", 9090, networks=(Attachment("ingress-mesh_mesh"),))
    user = replace(user, networks=(Network("out", "ingress-mesh_mesh", external=True),))
    plan = plan_up(inv, goal(inv, user, mesh_lab()), fresh(inv))
    steps = {step.id: step for step in plan.steps}
    assert "network ingress-mesh_mesh" in steps["service user_web"].after
    view = up(inv, user, mesh_lab())
    assert plan_up(inv, goal(inv, user, mesh_lab()), view).empty
    (said,) = reasons(plan_up(inv, goal(inv, user, mesh_lab(subnet="10.0.40.0/24")), view))
    assert said.endswith("but it is in use by user_web")


def test_a_stale_network_that_another_lab_uses_stays_with_a_note():
    inv = inventory()
    user = mesh_lab("user", 9090, networks=(Attachment("ingress-mesh_mesh"),))
    user = replace(user, networks=(Network("out", "ingress-mesh_mesh", external=True),))
    view = up(inv, user, mesh_lab())
    empty = replace(mesh_lab(), networks=(), services=())
    plan = plan_up(inv, goal(inv, user, empty), view)
    assert [step.id for step in plan.steps] == [f"remove service {WEB}"]
    assert plan.notes == ("network ingress-mesh_mesh is no longer in the lab file, but stays, in use by user_web",)


def test_an_object_of_another_lab_of_ours_is_not_taken_over():
    inv = inventory()
    view = up(inv, mesh_lab())
    thief = mesh_lab("thief", 9090)
    thief = replace(thief, networks=(), configs=(), services=(replace(thief.services[0], name=WEB),))
    plan = plan_up(inv, goal(inv, mesh_lab(), thief), view)
    assert f"service {WEB}: a service of this name exists and belongs to the lab ingress-mesh" in reasons(plan)
    assert f"service {WEB}: 2 services shall have this name (lab ingress-mesh, thief)" in reasons(plan)


@pytest.mark.parametrize("kind", ["services", "networks", "configs"])
@pytest.mark.parametrize("labels", [{}, {CLUSTER: "another", LAB: "ingress-mesh"}, {LAB: "ingress-mesh"}])
def test_what_has_a_wanted_name_without_our_label_is_refused(kind, labels):
    inv = inventory()
    view = up(inv, mesh_lab())
    things = tuple(replace(one, spec=replace(one.spec, labels=labels)) for one in getattr(view.swarm, kind))
    plan = plan_up(inv, goal(inv, mesh_lab()), with_swarm(view, **{kind: things}))
    assert plan.steps == ()
    assert any(f"a {kind[:-1]} of this name exists and belongs to somebody else" in said for said in reasons(plan))


@pytest.mark.parametrize("subnet", ["10.77.0.0/24", "10.77.0.128/25", "10.77.0.0/16"])
def test_a_subnet_that_overlaps_a_network_of_others_is_refused(subnet):
    inv = inventory()
    plan = plan_up(inv, goal(inv, mesh_lab(subnet=subnet)), with_foreign(up(inv)))
    assert reasons(plan) == [
        f"network ingress-mesh_mesh: its subnet {subnet} overlaps 10.77.0.0/24 of the network shopnet"
    ]


def test_a_port_that_moves_from_one_service_to_another_is_waited_for():
    inv = inventory()
    view = up(inv, mesh_lab())
    lab = mesh_lab(published=8081)
    taker = replace(lab.services[0], name="ingress-mesh_taker", ports=(Port(8080, 80),))
    plan = plan_up(inv, goal(inv, replace(lab, services=(taker, *lab.services))), view)
    steps = {step.id: step for step in plan.steps}
    assert f"await {WEB}" in steps["service ingress-mesh_taker"].after
    plan = plan_up(inv, goal(inv, replace(lab, services=(taker,))), view)
    steps = {step.id: step for step in plan.steps}
    assert f"remove service {WEB}" in steps["service ingress-mesh_taker"].after


def test_a_container_that_ends_comes_after_the_services_of_its_lab():
    inv = inventory()
    ending = Container("late", "ingress-mesh_late", NGINX.reference, (2,), ports=(host_port(8080),), ends=True)
    lab = replace(mesh_lab(), containers=(ending,))
    plan = plan_up(inv, goal(inv, lab, mesh_lab("other", 9090, subnet="10.0.30.0/24")), fresh(inv))
    step = next(step for step in plan.steps if step.id == "container n2 ingress-mesh_late")
    assert step.after == (f"await {WEB}",)
