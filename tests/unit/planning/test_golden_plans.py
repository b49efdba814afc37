"""The plans of typical situations, as text. ``LAB_UPDATE_GOLDEN=1 pytest …`` writes the files anew."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.model.inventory import Availability, NodeConfig, Role
from orchestrator.model.labels import CLUSTER
from orchestrator.model.observed import LiveContainer, SwarmState
from orchestrator.planning.diff import Known, plan_down, plan_remove_labs, plan_up
from orchestrator.planning.render import describe

from .builders import (
    BLUE,
    IMAGES,
    OTHERS_LABEL,
    foreign_swarm,
    fresh,
    goal,
    host_port,
    inventory,
    lost,
    mesh_lab,
    plain_lab,
    with_container,
    with_foreign,
    with_member,
    with_node,
    with_service,
    with_swarm,
    with_view,
)
from .simulator import carry_out

GOLDEN = Path(__file__).parents[2] / "golden" / "plans"
WEB = "ingress-mesh_web"


def up(inv, *labs, view=None):
    """The cluster after a whole `lab up`."""
    view = view or fresh(inv)
    return carry_out(plan_up(inv, goal(inv, *labs), view), view, inv, IMAGES)


def stable(text, view):
    """The text without the ids that the simulated engine draws."""
    swarm = view.swarm
    for member in swarm.nodes if swarm else ():
        text = text.replace(member.id, f"<id of {member.hostname}>")
    return text


def fresh_three():
    inv = inventory()
    return plan_up(inv, goal(inv, mesh_lab()), fresh(inv)), fresh(inv)


def fresh_without_images():
    inv = inventory()
    view = fresh(inv, images=False)
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def five_managers():
    inv = inventory(managers=5, workers=1)
    return plan_up(inv, goal(inv, mesh_lab()), fresh(inv)), fresh(inv)


def nothing_to_do():
    inv = inventory()
    view = up(inv, mesh_lab())
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def changed(**changes):
    def situation():
        inv = inventory()
        view = up(inv, mesh_lab())
        return plan_up(inv, goal(inv, mesh_lab(**changes)), view), view

    return situation


def interrupted(steps):
    def situation():
        inv = inventory()
        view = fresh(inv)
        view = carry_out(plan_up(inv, goal(inv, mesh_lab()), view), view, inv, IMAGES, steps=steps)
        return plan_up(inv, goal(inv, mesh_lab()), view), view

    return situation


def tasks_missing():
    inv = inventory()
    view = up(inv, mesh_lab())
    tasks = [replace(task, state="preparing") if task.slot == 2 else task for task in view.swarm.tasks]
    view = with_swarm(view, tasks=tuple(tasks))
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def update_paused():
    inv = inventory()
    view = with_service(up(inv, mesh_lab()), WEB, update_state="paused")
    view = with_swarm(view, tasks=tuple(task for task in view.swarm.tasks if task.slot == 1))
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def network_in_use_by_others():
    inv = inventory()
    view = with_foreign(up(inv, mesh_lab()))
    shop = next(live for live in view.swarm.services if live.spec.name == WEB).spec.networks
    view = with_service(view, "shop", spec=replace(view.swarm.services[-2].spec, networks=shop))
    return plan_up(inv, goal(inv, mesh_lab(subnet="10.0.20.0/24")), view), view


def renamed_network():
    inv = inventory()
    view = up(inv, mesh_lab())
    lab = mesh_lab()
    network = replace(lab.networks[0], key="lan", name="ingress-mesh_lan")
    service = replace(lab.services[0], networks=(replace(lab.services[0].networks[0], network=network.name),))
    lab = replace(lab, networks=(network,), services=(service,))
    return plan_up(inv, goal(inv, lab), view), view


def foreign():
    inv = inventory()
    view = foreign_swarm(inv, "n1", "n2")
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def worker_elsewhere():
    inv = inventory()
    view = up(inv, mesh_lab())
    view = with_view(view, "n3", node_id="somebody-elses")
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def worker_unreachable():
    inv = inventory()
    view = lost(fresh(inv), "n3")
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def manager_unreachable():
    inv = inventory()
    view = lost(fresh(inv), "n1")
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def quorum_lost():
    inv = inventory(managers=3, workers=1)
    view = up(inv, mesh_lab())
    view = replace(lost(lost(view, "n2"), "n3"), swarm=None)
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def half_way_states():
    inv = inventory(managers=1, workers=3)
    view = up(inv, mesh_lab())
    for name, state in (("n2", SwarmState.LOCKED), ("n3", SwarmState.ERROR), ("n4", SwarmState.PENDING)):
        view = with_view(view, name, swarm=state)
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def nodes_changed():
    inv = inventory(managers=3, workers=2)
    view = up(inv, mesh_lab())
    inv = with_node(inv, "n3", role=Role.WORKER)
    inv = with_node(inv, "n4", role=Role.MANAGER)
    inv = with_node(inv, "n5", availability=Availability.DRAIN, labels={"zone": "b"})
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def machine_made_anew():
    inv = inventory()
    view = with_member(up(inv, mesh_lab()), "n3", state="down")
    clean = fresh(inv).node("n3")
    view = replace(view, nodes=tuple(clean if node.name == "n3" else node for node in view.nodes))
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def demotion_without_majority():
    inv = inventory(managers=3, workers=0)
    view = with_member(up(inv, mesh_lab()), "n2", state="down")
    inv = with_node(inv, "n3", role=Role.WORKER)
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def managers_in_part():
    """n3 is lost: n2 must go on to manage, and gets its label all the same; n4 joins; n5 waits until it is back."""
    inv = inventory(managers=3, workers=0)
    view = lost(with_member(up(inv, mesh_lab()), "n3", state="down"), "n3")
    wider = inventory(managers=3, workers=2)
    newcomers = tuple(fresh(wider).node(name) for name in ("n4", "n5"))
    view = lost(replace(view, nodes=(*view.nodes, *newcomers)), "n5")
    wider = with_node(wider, "n2", role=Role.WORKER, labels={"zone": "b"})
    return plan_up(wider, goal(wider, mesh_lab()), view), view


def former_manager_among_too_few():
    """n2 was made anew and is still taken for ready, n3 is down: without both, n1 would be alone of three."""
    inv = inventory(managers=3, workers=0)
    view = with_member(up(inv, mesh_lab()), "n3", state="down")
    clean = fresh(inv).node("n2")
    view = lost(replace(view, nodes=tuple(clean if node.name == "n2" else node for node in view.nodes)), "n3")
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def no_second_swarm():
    """Nothing is there but what we remember: the swarm may live on, on the manager that is out of reach."""
    inv = inventory(managers=2, workers=1)
    view = lost(fresh(inv), "n2")
    return plan_up(inv, goal(inv, mesh_lab()), view, Known("swarm-1")), view


def address_not_chosen():
    inv = inventory(managers=1, workers=1)
    inv = with_node(inv, "n2", advertise_addr=None)
    return plan_up(inv, goal(inv, mesh_lab()), fresh(inv)), fresh(inv)


def another_lab_up():
    inv = inventory()
    view = up(inv, mesh_lab("other", 9090, subnet="10.0.30.0/24"))
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def names_and_ports_taken():
    inv = inventory()
    view = with_foreign(up(inv))
    spec = replace(view.swarm.services[0].spec, ports=mesh_lab().services[0].ports)
    view = with_service(view, "shop", spec=spec)
    theirs = replace(view.swarm.networks[0].spec, name="ingress-mesh_mesh", subnet="10.0.8.0/22")
    view = with_swarm(view, networks=(replace(view.swarm.networks[0], spec=theirs),))
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def down():
    inv = inventory(managers=3, workers=2)
    view = up(inv, mesh_lab())
    return plan_down(inv.name, view, own_swarm=True, nodes=inv.nodes), view


def down_with_others():
    inv = inventory()
    view = with_foreign(up(inv, mesh_lab()))
    return plan_down(inv.name, view, own_swarm=True, nodes=inv.nodes), view


def down_in_foreign_swarm():
    inv = inventory()
    view = with_foreign(up(inv, mesh_lab()))
    view = with_swarm(view, labels={CLUSTER: "another"})
    return plan_down(inv.name, view, own_swarm=False, nodes=inv.nodes), view


def down_worker_unreachable():
    inv = inventory()
    view = with_member(lost(up(inv, mesh_lab()), "n3"), "n3", state="down")
    return plan_down(inv.name, view, own_swarm=True, nodes=inv.nodes), view


def down_manager_unreachable():
    inv = inventory()
    view = replace(lost(up(inv, mesh_lab()), "n1"), swarm=None)
    view = with_view(view, "n3", remote_managers=("10.9.9.9:2377",))
    return plan_down(inv.name, view, own_swarm=True, nodes=inv.nodes), view


def down_nothing():
    inv = inventory()
    return plan_down(inv.name, fresh(inv), own_swarm=True, nodes=inv.nodes), fresh(inv)


def remove_one_lab():
    inv = inventory()
    view = up(inv, mesh_lab(), mesh_lab("other", 9090, subnet="10.0.30.0/24"))
    return plan_remove_labs(inv.name, view, ["other", "absent"]), view


def stranger_in_the_swarm():
    inv = inventory()
    wide = replace(inv, nodes=(*inv.nodes, NodeConfig("n4", Role.WORKER, advertise_addr="192.168.90.14")))
    view = up(wide, mesh_lab())
    view = replace(view, nodes=view.nodes[:3])
    return plan_up(inv, goal(inv, mesh_lab()), view), view


PLAIN = plain_lab()


def changed_containers(container="", lab=PLAIN, **changes):
    """All of the containers' lab is up, and one of them is changed."""

    def situation():
        inv = inventory()
        view = up(inv, plain_lab())
        edited = tuple(replace(one, **changes) if one.key == container else one for one in lab.containers)
        return plan_up(inv, goal(inv, replace(lab, containers=edited)), view), view

    return situation


def containers_fresh():
    inv = inventory()
    view = fresh(inv, images=False)
    return plan_up(inv, goal(inv, plain_lab()), view), view


def containers_not_as_left():
    inv = inventory()
    view = with_container(up(inv, plain_lab()), "n1", "plain_a1", state="exited", exit_code=1, error="killed")
    view = with_container(view, "n1", "plain_late", state="running", error="")
    view = with_container(view, "n1", "plain_h1", state="created", error="exec: no such file")
    view = with_container(view, "n2", "plain_h1", spec=None)
    view = with_container(view, "n2", "plain_o1", networks={})
    view = with_container(view, "n3", "plain_h1", state="paused")
    return plan_up(inv, goal(inv, plain_lab()), view), view


def containers_in_the_way():
    inv = inventory()
    view = with_view(fresh(inv), "n1", other_containers=("plain_a1",), other_networks={"theirs": "172.28.0.0/16"})
    view = with_view(view, "n2", other_networks={"plain_blue": ""})
    theirs = LiveContainer("ct", "plain_h1", OTHERS_LABEL, None, "sha256:00", "running")
    view = with_view(view, "n3", plain=(theirs,))
    return plan_up(inv, goal(inv, plain_lab()), view), view


def containers_unreachable():
    inv = inventory()
    view = lost(up(inv, plain_lab()), "n2")
    return plan_up(inv, goal(inv, replace(plain_lab(), containers=())), view), view


def containers_of_another_lab():
    inv = inventory()
    view = up(inv, plain_lab())
    return plan_up(inv, goal(inv, mesh_lab()), view), view


def ports_from_container_to_service():
    """The container gives its port to a service, and takes the one that another service had."""
    inv = inventory()
    both = [plain_lab(), mesh_lab()]
    view = up(inv, *both)
    a1 = replace(plain_lab().containers[0], ports=(host_port(8080),))
    return plan_up(inv, goal(inv, plain_lab("plain", a1), mesh_lab(published=8081)), view), view


def down_with_containers():
    inv = inventory()
    view = lost(up(inv, plain_lab()), "n3")
    return plan_down(inv.name, view, own_swarm=True, nodes=inv.nodes), view


def down_with_containers_without_a_manager():
    inv = inventory()
    view = replace(lost(up(inv, plain_lab()), "n1"), swarm=None)
    return plan_down(inv.name, view, own_swarm=True, nodes=inv.nodes), view


def remove_lab_with_containers():
    inv = inventory()
    view = up(inv, mesh_lab(), plain_lab())
    return plan_remove_labs(inv.name, view, ["plain"]), view


SITUATIONS = {
    "fresh-three": fresh_three,
    "fresh-without-images": fresh_without_images,
    "five-managers": five_managers,
    "nothing-to-do": nothing_to_do,
    "one-replica-more": changed(replicas=3),
    "port-changed": changed(published=8081),
    "subnet-changed": changed(subnet="10.0.20.0/24"),
    "config-changed": changed(content=b"two"),
    "environment-changed": changed(environment={"PASSWORD": "hunter2"}),
    "renamed-network": renamed_network,
    "interrupted-after-init": interrupted(1),
    "interrupted-after-joins": interrupted(3),
    "interrupted-after-network": interrupted(4),
    "interrupted-after-service": interrupted(6),
    "tasks-missing": tasks_missing,
    "update-paused": update_paused,
    "network-in-use-by-others": network_in_use_by_others,
    "foreign-swarm": foreign,
    "worker-in-another-swarm": worker_elsewhere,
    "worker-unreachable": worker_unreachable,
    "manager-unreachable": manager_unreachable,
    "quorum-lost": quorum_lost,
    "half-way-states": half_way_states,
    "nodes-changed": nodes_changed,
    "machine-made-anew": machine_made_anew,
    "demotion-without-majority": demotion_without_majority,
    "managers-in-part": managers_in_part,
    "former-manager-among-too-few": former_manager_among_too_few,
    "no-second-swarm": no_second_swarm,
    "address-not-chosen": address_not_chosen,
    "another-lab-up": another_lab_up,
    "names-and-ports-taken": names_and_ports_taken,
    "stranger-in-the-swarm": stranger_in_the_swarm,
    "down": down,
    "down-with-objects-of-others": down_with_others,
    "down-in-a-foreign-swarm": down_in_foreign_swarm,
    "down-worker-unreachable": down_worker_unreachable,
    "down-manager-unreachable": down_manager_unreachable,
    "down-nothing": down_nothing,
    "remove-one-lab": remove_one_lab,
    "containers-fresh": containers_fresh,
    "containers-nothing-to-do": changed_containers(),
    "containers-environment": changed_containers("h1", environment={"LAB_PORT": "hunter2", "X": "1"}),
    "containers-moved": changed_containers("a1", on=(2,)),
    "containers-bridge-changed": changed_containers(lab=plain_lab(bridges=(replace(BLUE, subnet="172.28.1.0/25"),))),
    "containers-overlay-changed": changed_containers(
        lab=plain_lab(networks=(replace(plain_lab().networks[0], subnet="10.0.41.0/24"),))
    ),
    "containers-gone": changed_containers(lab=replace(plain_lab(), containers=(), bridges=(), networks=())),
    "containers-not-as-left": containers_not_as_left,
    "containers-in-the-way": containers_in_the_way,
    "containers-unreachable": containers_unreachable,
    "containers-of-another-lab": containers_of_another_lab,
    "containers-ports-handed-over": ports_from_container_to_service,
    "down-with-containers": down_with_containers,
    "down-with-containers-without-a-manager": down_with_containers_without_a_manager,
    "remove-lab-with-containers": remove_lab_with_containers,
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_plan_reads_as_agreed(name):
    plan, view = SITUATIONS[name]()
    text = stable(describe(plan), view)
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("LAB_UPDATE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


def test_every_golden_file_has_its_situation():
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(SITUATIONS)


@pytest.mark.parametrize("name", ["environment-changed", "containers-environment"])
def test_no_value_of_the_environment_is_shown(name):
    plan, _ = SITUATIONS[name]()
    assert plan.steps
    assert "hunter2" not in describe(plan)
