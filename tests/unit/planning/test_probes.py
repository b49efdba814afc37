"""Who is asked what from where."""

from dataclasses import replace

import pytest

from orchestrator.model.lab import Port, Protocol, PublishMode
from orchestrator.model.observed import ClusterView, SwarmNode
from orchestrator.model.probe import OPERATOR, Target

from .builders import (
    fresh,
    inventory,
    lost,
    with_foreign,
    with_member,
    with_swarm,
    with_view,
)
from .mesh import WEB, asked, cluster


def ways(found):
    return {(p.vantage, p.target.entry, p.target.address) for p in found.plan.probes}


def test_every_node_asks_every_node_and_itself_on_loopback():
    found = cluster(operator=False)
    names, addresses = ("n1", "n2", "n3"), ("192.168.90.11", "192.168.90.12", "192.168.90.13")
    expected = {(v, e, a) for v in names for e, a in zip(names, addresses, strict=True)}
    assert ways(found) == expected | {(name, name, "127.0.0.1") for name in names}
    assert {(p.service, p.published, p.target.port, p.deadline, p.expect) for p in found.plan.probes} == {
        (WEB, 8080, 8080, 5.0, "answer")
    }
    assert sum(probe.count for probe in found.plan.probes) == 240
    assert len({probe.id for probe in found.plan.probes}) == 12


def test_the_operator_asks_where_there_is_a_way():
    found = cluster()
    route = Target("n2", "127.0.0.1", 31081)
    found = asked(found.inventory, found.view, {("n2", 8080): route, ("n3", 9999): Target("n3", "x", 1)})
    assert [p.target for p in found.plan.probes if p.vantage == OPERATOR] == [route]


@pytest.mark.parametrize(("replicas", "requests", "count"), [(2, 20, 20), (2, 1, 4), (15, 20, 30)])
def test_there_are_enough_requests_for_every_task_to_show(replicas, requests, count):
    found = cluster(replicas=replicas)
    plan = asked(found.inventory, found.view, requests=requests).plan
    assert {probe.count for probe in plan.probes} == {count}


def test_only_our_services_and_only_the_labs_asked_for():
    found = cluster(operator=False)
    assert {p.service for p in asked(found.inventory, with_foreign(found.view)).plan.probes} == {WEB}
    assert asked(found.inventory, found.view, labs=["other"]).plan.probes == ()
    assert len(asked(found.inventory, found.view, labs=["ingress-mesh"]).plan.probes) == 12


def test_an_unreachable_node_is_still_a_vantage_and_an_entry():
    found = cluster(operator=False)
    view = with_member(lost(found.view, "n3"), "n3", state="down")
    assert ways(asked(found.inventory, view)) == ways(found)


def test_a_node_of_the_inventory_that_is_no_member_is_asked_at_its_configured_address():
    found = cluster(operator=False)
    members = tuple(m for m in found.view.swarm.nodes if m.hostname != "n3")
    view = with_view(with_swarm(found.view, nodes=members), "n3", node_id="", node_addr="")
    assert ways(asked(found.inventory, view)) == ways(found)


def test_a_node_without_a_known_address_is_asked_by_itself_and_told():
    found = cluster(operator=False)
    view = with_view(with_member(found.view, "n3", address="0.0.0.0"), "n3", node_addr="")
    nodes = tuple(replace(n, advertise_addr="eth1") if n.name == "n3" else n for n in found.inventory.nodes)
    found = asked(replace(found.inventory, nodes=nodes), view)
    assert {way for way in ways(found) if way[1] == "n3"} == {("n3", "n3", "127.0.0.1")}
    assert found.plan.notes == ("n3 is asked only by itself: its address is not known",)


def test_the_leader_that_shows_no_address_is_asked_at_the_one_that_it_knows_itself():
    found = cluster(operator=False)
    assert ways(asked(found.inventory, with_member(found.view, "n1", address="0.0.0.0"))) == ways(found)


@pytest.mark.parametrize(("state", "entries"), [("ready", {"n1", "n2", "n3", "guest"}), ("down", {"n1", "n2", "n3"})])
def test_members_that_are_not_in_the_inventory_are_entries_while_they_are_up(state, entries):
    found = cluster(operator=False)
    some = found.view.swarm.nodes[1]
    guest = SwarmNode("id-guest", "guest", some.role, some.availability, state, "192.168.90.50")
    found = asked(found.inventory, with_swarm(found.view, nodes=(*found.view.swarm.nodes, guest)))
    assert {probe.target.entry for probe in found.plan.probes} == entries
    assert len(found.plan.notes) == (state == "down")


def test_a_former_identity_of_a_node_is_no_entry():
    found = cluster(operator=False)
    former = replace(found.view.swarm.nodes[1], id="id-former", state="down", address="192.168.90.77")
    view = with_swarm(found.view, nodes=(*found.view.swarm.nodes, former))
    assert ways(asked(found.inventory, view)) == ways(found)


@pytest.mark.parametrize("protocol", [Protocol.UDP, Protocol.SCTP])
def test_ports_that_cannot_be_checked_yet_are_told(protocol):
    found = cluster(operator=False, ports=(Port(8080, 80), Port(5353, 53, protocol)))
    assert len(found.plan.probes) == 12
    assert found.plan.notes == (f"{WEB} 5353:53/{protocol} is not checked: {protocol} ports are not checked yet",)


def test_a_port_that_docker_has_chosen_is_told():
    found = cluster(ports=(Port(0, 80),))
    assert found.plan.probes == ()
    assert "Docker has chosen its number" in found.plan.notes[0]


def test_a_host_mode_port_answers_where_a_task_runs_and_is_closed_elsewhere():
    found = cluster(ports=(Port(8080, 80, mode=PublishMode.HOST),))
    expectations = {(p.target.entry, p.expect.value, p.count) for p in found.plan.probes}
    hosts = set(found.tasks.values())
    assert expectations == {(n, "answer", 20) if n in hosts else (n, "refused", 1) for n in ("n1", "n2", "n3")}
    # a forwarded port accepts before it knows, so the operator cannot tell a closed port
    assert {p.target.entry for p in found.plan.probes if p.vantage == OPERATOR} == hosts


def test_without_a_manager_nothing_is_asked_and_that_is_told():
    inv = inventory()
    found = asked(inv, ClusterView(fresh(inv).nodes))
    assert found.plan.probes == ()
    assert found.plan.notes == ("no manager answers, so nobody knows which ports are published",)


def test_every_port_of_a_service_is_asked():
    found = cluster(operator=False, ports=(Port(8080, 80), Port(8443, 443)))
    assert {(p.published, p.target.port) for p in found.plan.probes} == {(8080, 8080), (8443, 8443)}
    assert len(found.plan.probes) == 24


def test_an_unreachable_node_is_the_namesake_that_is_up():
    found = cluster(operator=False)
    current = found.view.swarm.nodes[2]
    former = replace(current, id="id-former", state="down", address="192.168.90.77")
    for members in ((former, *found.view.swarm.nodes), (*found.view.swarm.nodes, former)):
        view = lost(with_swarm(found.view, nodes=members), "n3")
        assert ways(asked(found.inventory, view)) == ways(found)
