"""Networks as the engines know them, and tasks as the managers know them."""

from dataclasses import replace

import pytest
from lab_standins import TASKS, check, judged, judged_one, live, task, topology

from orchestrator.checks.base import Names
from orchestrator.model.question import Inspected, Unasked
from orchestrator.model.verdict import Verdict

NAMES = Names(frozenset({"web"}), frozenset({"a1"}), frozenset({"mesh"}), frozenset({"blue"}))
BRIDGE = {
    "Driver": "bridge",
    "Scope": "local",
    "IPAM": {"Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]},
}
OVERLAY = {"Driver": "overlay", "Scope": "swarm", "IPAM": {"Config": [{"Subnet": "10.0.9.0/24"}]}}
NONE = {"Driver": "null", "Scope": "local", "IPAM": {"Config": None}}


def there(found):
    return lambda _: Inspected(found)


def test_a_network_as_it_should_be():
    keys = {"driver": "bridge", "scope": "local", "subnet": "172.17.0.0/16", "gateway": "172.17.0.1"}
    found = judged(check("network", name="bridge", on="node:all", **keys), topology(), there(BRIDGE))
    assert {result.verdict for result in found.values()} == {Verdict.PASS}
    assert [result.subject for result in found.values()] == [f"network bridge on n{number}" for number in (1, 2, 3)]
    assert judged_one(check("network", name="none", on="node:1", driver="null"), topology(), there(NONE)).verdict is (
        Verdict.PASS
    )


@pytest.mark.parametrize(
    ("key", "wrong", "got"),
    [
        ("driver", "overlay", "bridge"),
        ("scope", "swarm", "local"),
        ("subnet", "172.18.0.0/16", "172.17.0.0/16"),
        ("gateway", "172.17.0.2", "172.17.0.1"),
    ],
)
def test_a_network_that_is_another_than_it_should_be(key, wrong, got):
    result = judged_one(check("network", name="bridge", on="node:2", **{key: wrong}), topology(), there(BRIDGE))
    assert (result.verdict, result.nodes) == (Verdict.FAIL, ("n2",))
    assert result.reason == f"expected {key} {wrong}, got {got}"


def test_a_network_without_a_subnet():
    result = judged_one(check("network", name="none", on="node:1", subnet="10.0.0.0/24"), topology(), there(NONE))
    assert result.reason == "expected subnet 10.0.0.0/24, got none"


@pytest.mark.parametrize(
    ("present", "found", "verdict"),
    [
        (True, BRIDGE, Verdict.PASS),
        (True, None, Verdict.FAIL),
        (False, BRIDGE, Verdict.FAIL),
        (False, None, Verdict.PASS),
    ],
)
def test_a_network_that_must_or_must_not_be_there(present, found, verdict):
    result = judged_one(check("network", name="blue", on="node:1", present=present), topology(), there(found))
    assert result.verdict is verdict
    assert "demo_blue" in result.subject


def test_an_overlay_is_where_its_tasks_are():
    """n1 and n2 have tasks, n3 has none; a manager may know the network without having a task."""
    found = check("network", name="mesh", on="node:all", present="with-tasks", subnet="10.0.9.0/24")
    verdicts = lambda results: [result.verdict.value for result in results.values()]  # noqa: E731
    only_used = lambda question: Inspected(None if question.vantage.node == "n3" else OVERLAY)  # noqa: E731
    assert verdicts(judged(found, topology(), only_used)) == ["pass", "pass", "pass"]
    assert verdicts(judged(found, topology(), there(OVERLAY))) == ["pass", "pass", "fail"]
    assert verdicts(judged(found, topology(), there(None))) == ["fail", "fail", "pass"]
    assert verdicts(judged(found, topology(tasks=TASKS[1:]), only_used)) == ["pass", "pass", "pass"]


def test_a_task_that_has_ended_and_a_container_that_runs():
    found = check("network", name="mesh", on="node:3", present="with-tasks")
    ended = (*TASKS, task(3, "n3", "10.0.9.5", "shutdown"))
    assert judged_one(found, topology(tasks=ended), there(OVERLAY)).verdict is Verdict.FAIL
    attached = {"n3": (live("demo_a1", demo_mesh="10.0.9.9"),)}
    assert judged_one(found, topology(plain=attached), there(OVERLAY)).verdict is Verdict.PASS
    assert judged_one(found, topology(plain=attached), there(None)).verdict is Verdict.FAIL


def test_an_engine_that_cannot_be_asked():
    result = judged_one(check("network", name="bridge", on="node:3"), topology(), lambda _: Unasked("lost"))
    assert (result.verdict, result.nodes) == (Verdict.INCONCLUSIVE, ("n3",))


def test_a_node_that_the_inventory_has_not():
    result = judged_one(check("network", name="bridge", on="node:4"), topology(), there(BRIDGE))
    assert (result.verdict, result.reason) == (Verdict.FAIL, "node:4: the inventory has no such node")


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"name": "bleu"}, "did you mean 'blue'?"),
        ({"name": "blue", "present": False, "driver": "bridge"}, "driver: a network that must not be there has none"),
        ({"name": "blue", "present": "with-tasks"}, "with-tasks is for overlay networks"),
    ],
)
def test_networks_that_do_not_fit_the_lab_file(keys, problem):
    (found,) = check("network", on="node:1", **keys).problems(NAMES)
    assert problem in found


@pytest.mark.parametrize("name", ["mesh", "blue", "bridge", "host", "none"])
def test_networks_that_a_lab_can_name(name):
    assert list(check("network", name=name, on="node:1").problems(NAMES)) == []


def tasks(**keys):
    return check("tasks", **{"service": "web", "count": 2} | keys)


def test_tasks_where_they_should_be():
    result = judged_one(tasks(nodes=2, network="mesh", subnet="10.0.9.0/24"), topology())
    assert (result.verdict, result.reason) == (Verdict.PASS, "1 on n1 and 1 on n2")


@pytest.mark.parametrize(
    ("keys", "running", "reason"),
    [
        ({"count": 3}, TASKS, "expected 3 running, got 2"),
        ({}, (*TASKS, task(3, "n3", "10.0.9.5")), "expected 2 running, got 3"),
        ({"count": 1}, (), "expected 1 running, got 0 (no task)"),
        ({}, (TASKS[0], task(2, "n2", "10.0.9.4", "shutdown")), "expected 2 running, got 1"),
        ({"nodes": 2}, (TASKS[0], task(2, "n1", "10.0.9.4")), "on 2 different nodes, got 1 (2 on n1)"),
        ({"network": "mesh"}, (TASKS[0], task(2, "n2", "")), "task 2 of demo_web on n2 has no address on demo_mesh"),
        ({"network": "mesh"}, (TASKS[0], task(2, "n2", "10.0.9.3")), "have the same address 10.0.9.3"),
        ({"network": "mesh", "subnet": "10.0.8.0/24"}, TASKS, "has 10.0.9.3, which is not in 10.0.8.0/24"),
    ],
)
def test_tasks_that_are_not_as_they_should_be(keys, running, reason):
    result = judged_one(tasks(**keys), topology(tasks=running))
    assert result.verdict is Verdict.FAIL
    assert reason in result.reason
    assert result.nodes == tuple(sorted({one.node_id.removeprefix("id-") for one in running if one.state == "running"}))


def test_no_task_at_all_can_be_what_is_wanted():
    assert judged_one(tasks(count=0, nodes=0), topology(tasks=())).verdict is Verdict.PASS


def test_tasks_without_a_manager_or_a_service():
    assert judged_one(tasks(), topology(swarm=False)).verdict is Verdict.INCONCLUSIVE
    whole = topology()
    without = replace(whole, view=replace(whole.view, swarm=replace(whole.view.swarm, services=())))
    assert judged_one(tasks(), without).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"service": "wbe"}, "there is no service 'wbe' in this lab"),
        ({"network": "blue"}, "there is no network 'blue' in this lab"),
        ({"subnet": "10.0.9.0/24"}, "network is missing"),
    ],
)
def test_tasks_that_do_not_fit_the_lab_file(keys, problem):
    assert list(tasks(network="mesh").problems(NAMES)) == []
    (found,) = tasks(**keys).problems(NAMES)
    assert problem in found
