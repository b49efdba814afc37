"""Interfaces of containers, and what is plugged into bridges."""

import pytest
from lab_standins import BLUE_ID, check, judged, judged_one, links, topology

from orchestrator.checks.base import Names
from orchestrator.checks.links import ADDRESSES
from orchestrator.model.question import Inspect, Inspected, Read, Told, Unasked, Vantage
from orchestrator.model.verdict import Verdict

NAMES = Names(frozenset({"web"}), frozenset({"a1"}), frozenset({"mesh"}), frozenset({"blue"}))
ETHERNET = links("lo", "eth0", lo="127.0.0.1/8", eth0="172.17.0.2/16")


def interfaces(**keys):
    return check("interfaces", of="container:a1", **keys)


def namespaces(own, node):
    """Replies of a container in the namespace ``own`` on a node in ``node``."""
    return lambda question: (
        ETHERNET if question.argv == ADDRESSES else Told(0, f"{own if question.vantage.namespace else node}\n")
    )


@pytest.mark.parametrize(
    "keys",
    [
        {"only": ["lo", "eth0"]},
        {"has": ["eth0"]},
        {"address_in": "172.17.0.0/16"},
        {"address_in": "172.17.0.2/32"},
        {"no_address_in": "10.0.9.0/24"},
        {"only": ["eth0", "lo"], "address_in": "172.17.0.0/16", "no_address_in": "172.18.0.0/16"},
    ],
)
def test_interfaces_as_they_should_be(keys):
    result = judged_one(interfaces(**keys), topology(), lambda _: ETHERNET)
    assert (result.verdict, result.reason) == (Verdict.PASS, "lo 127.0.0.1/8, eth0 172.17.0.2/16")


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"only": ["lo"]}, "eth0 should not be there"),
        ({"only": ["lo", "eth0", "eth1"]}, "eth1 missing"),
        ({"has": ["eth1"]}, "eth1 missing"),
        ({"address_in": "172.18.0.0/16"}, "no address in 172.18.0.0/16"),
        ({"no_address_in": "172.17.0.0/16"}, "where none should be: eth0 172.17.0.2/16"),
    ],
)
def test_interfaces_that_are_wrong(keys, reason):
    result = judged_one(interfaces(**keys), topology(), lambda _: ETHERNET)
    assert (result.verdict, result.nodes) == (Verdict.FAIL, ("n1",))
    assert reason in result.reason
    assert "there: lo 127.0.0.1/8, eth0 172.17.0.2/16" in result.reason


@pytest.mark.parametrize(
    ("wanted", "own", "verdict"),
    [
        (True, "net:[1]", Verdict.PASS),
        (True, "net:[2]", Verdict.FAIL),
        (False, "net:[2]", Verdict.PASS),
        (False, "net:[1]", Verdict.FAIL),
    ],
)
def test_a_container_is_in_the_nodes_own_network_or_not(wanted, own, verdict):
    result = judged_one(interfaces(same_as_node=wanted), topology(), namespaces(own, "net:[1]"))
    assert result.verdict is verdict
    assert verdict is Verdict.PASS or own in result.reason


def test_the_interfaces_of_tasks_and_nodes_are_asked_for_where_they_are():
    (first, second) = check("interfaces", of="service:web", has=["eth0"]).plan(topology())
    assert [item.questions[0].vantage.namespace for item in (first, second)] == ["/netns/c1", "/netns/c2"]
    nodes = check("interfaces", of="node:all", has=["docker0"]).plan(topology())
    assert [item.questions for item in nodes] == [(Read(Vantage(name), ADDRESSES),) for name in ("n1", "n2", "n3")]


@pytest.mark.parametrize("reply", [Unasked("no connection"), Told(1, "", "nsenter: cannot open /netns/x")])
def test_interfaces_that_cannot_be_looked_at_say_nothing(reply):
    result = judged_one(interfaces(only=["lo"]), topology(), lambda _: reply)
    assert (result.verdict, result.nodes) == (Verdict.INCONCLUSIVE, ("n1",))


def test_a_container_that_does_not_run_has_no_interfaces_to_look_at():
    result = judged_one(check("interfaces", of="container:ended", only=["lo"]), topology(), None)
    assert result.verdict is Verdict.INCONCLUSIVE


def test_a_container_that_is_nowhere_fails():
    result = judged_one(interfaces(only=["lo"]), topology(plain={}), None)
    assert result.verdict is Verdict.FAIL
    assert "it does not exist on any node" in result.reason


def test_interfaces_that_do_not_fit_the_lab_file():
    assert list(interfaces(only=["lo"]).problems(NAMES)) == []
    (nothing,) = interfaces().problems(NAMES)
    assert "nothing is expected" in nothing
    (unknown,) = check("interfaces", of="container:a2", only=["lo"]).problems(NAMES)
    assert "there is no container 'a2'" in unknown


def plugged(veths, *containers, kind="veth"):
    """Replies of a node with these veths in the bridge, whose engine lists these containers."""
    listed = {f"id-{name}": {"Name": name} for name in containers}
    return lambda question: (
        Inspected({"Containers": listed}) if isinstance(question, Inspect) else links(*veths, kind=kind)
    )


def test_one_veth_for_each_container():
    result = judged_one(check("veths", on="node:1"), topology(), plugged(["veth1", "veth2"], "a", "b"))
    assert (result.verdict, result.reason) == (
        Verdict.PASS,
        "veth1 and veth2 in docker0; running on the network: a and b",
    )


def test_no_veth_without_containers():
    found = check("veths", on="node:1")
    none = lambda question: Inspected({"Containers": None}) if isinstance(question, Inspect) else Told(0, "")  # noqa: E731
    assert judged_one(found, topology(), none).verdict is Verdict.PASS
    assert judged_one(found, topology(), plugged(["veth1"])).reason.startswith("1 veths for 0 containers")


@pytest.mark.parametrize("veths", [[], ["veth1"], ["veth1", "veth2", "veth3"]])
def test_veths_that_are_not_as_many_as_containers(veths):
    result = judged_one(check("veths", on="node:2"), topology(), plugged(veths, "a", "b"))
    assert (result.verdict, result.nodes) == (Verdict.FAIL, ("n2",))
    assert f"{len(veths)} veths for 2 containers" in result.reason


def test_what_is_no_veth_does_not_count_as_one():
    result = judged_one(check("veths", on="node:1"), topology(), plugged(["dummy0"], "a", kind="dummy"))
    assert (result.verdict, result.reason) == (Verdict.FAIL, "dummy0 in docker0: not a veth")


def test_the_bridge_of_a_lab_is_found_by_its_id():
    (item,) = check("veths", on="node:1", network="blue").plan(topology())
    looked, asked = item.questions
    assert looked.argv[-1] == f"br-{BLUE_ID[:12]}"
    assert asked.name == "demo_blue"


def test_a_bridge_that_is_not_there():
    found = check("veths", on="node:2", network="blue")
    missing = judged_one(found, topology(), None)
    assert (missing.verdict, missing.nodes) == (Verdict.FAIL, ("n2",))
    lost = judged_one(found, topology(unreachable=("n2",)), None)
    assert lost.verdict is Verdict.INCONCLUSIVE
    reply = lambda question: Inspected({}) if isinstance(question, Inspect) else Told(1, "", "Device does not exist.")  # noqa: E731
    gone = judged_one(check("veths", on="node:2", bridge="docker9"), topology(), reply)
    assert gone.reason == "there is no bridge docker9: Device does not exist."


def test_each_node_is_judged_by_itself():
    """A failure on one node says nothing of another."""
    reply = {"n1": plugged(["veth1"], "a"), "n2": plugged([], "a"), "n3": lambda _: Unasked("lost")}
    found = judged(check("veths", on="node:all"), topology(), lambda question: reply[question.vantage.node](question))
    assert [result.verdict.value for result in found.values()] == ["pass", "fail", "inconclusive"]


def test_veths_of_an_overlay_make_no_sense():
    assert list(check("veths", on="node:1").problems(NAMES)) == []
    assert list(check("veths", on="node:1", network="blue").problems(NAMES)) == []
    (problem,) = check("veths", on="node:1", network="mesh").problems(NAMES)
    assert "there is no bridge 'mesh'" in problem
