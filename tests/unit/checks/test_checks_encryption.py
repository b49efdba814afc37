"""What leaves a node: hidden where it should be, and the proof that the capture would have seen it."""

import shutil
import subprocess

import pytest
from checks_support import TASKS, check, judged, task, topology

from orchestrator.checks.base import Names
from orchestrator.checks.encryption import CAPTURE
from orchestrator.model.question import Inspected, Told, Unasked
from orchestrator.model.verdict import Verdict

KEYS = {"service": "safe", "network": "sealed", "control_service": "web", "control_network": "mesh"}
CHECK = check("encryption", **KEYS)
NETWORK = Inspected({"Options": {"com.docker.network.driver.overlay.vxlanid_list": "4098", "encrypted": ""}})

ESP = "ESP(spi=0x5d2e4c11\n"
OPEN = "VXLAN, flags [I] (0x08), vni 4097\n"
SECRET_CLEAR, CONTROL_CLEAR = "lab-safe1-to-safe2\n", "lab-web1-to-web2\n"
HIDDEN = Told(0, f"{ESP}answered\nanswered\n")
CLEAR = Told(0, f"{OPEN}answered\n{CONTROL_CLEAR}")


def item(**options):
    """What is asked in the first direction."""
    return CHECK.plan(topology(**options))[0]


def test_both_captures_are_made_on_the_same_node_towards_the_same_node():
    inspect, secret, control = item().questions
    assert (inspect.kind, inspect.name) == ("network", "lab_sealed")
    assert secret.vantage == control.vantage == inspect.vantage
    assert (secret.vantage.node, secret.vantage.namespace) == ("n1", "")
    assert secret.argv[-5:] == ("/ns/safe1", "10.0.8.4", "80", "192.168.90.12", "lab-safe1-to-safe2")
    assert control.argv[-5:] == ("/ns/web1", "10.0.9.4", "80", "192.168.90.12", "lab-web1-to-web2")


def test_every_sending_node_is_looked_at():
    there, back = CHECK.plan(topology())
    assert (there.subject, back.subject) == (
        "safe on sealed, n1 → n2, beside web",
        "safe on sealed, n2 → n1, beside web",
    )
    inspect, secret, control = back.questions
    assert {inspect.vantage.node, secret.vantage.node, control.vantage.node} == {"n2"}
    assert secret.argv[-5:] == ("/ns/safe2", "10.0.8.3", "80", "192.168.90.11", "lab-safe2-to-safe1")


def test_the_control_may_ask_another_node():
    (found,) = CHECK.plan(topology(tasks=(*TASKS[:1], *TASKS[2:], task("web", 2, "n3", mesh="10.0.9.5"))))
    _, secret, control = found.questions
    assert secret.vantage.node == control.vantage.node == "n1"
    assert (secret.argv[-2], control.argv[-2]) == ("192.168.90.12", "192.168.90.13")


def test_a_node_from_which_nothing_can_be_asked_is_left_out():
    (back,) = CHECK.plan(topology(unseen=("safe1",)))
    assert "n2 → n1" in back.subject


@pytest.mark.parametrize(
    ("tasks", "unseen"),
    [
        (TASKS[:3], ()),  # one task of safe
        ((*TASKS[:3], task("safe", 2, "n1", sealed="10.0.8.4")), ()),  # both on one node
        ((*TASKS[2:], task("web", 3, "n3", mesh="10.0.9.4")), ()),  # the control elsewhere
        (TASKS, ("safe1", "web2")),
    ],
)
def test_without_a_node_in_common_nothing_can_be_said(tasks, unseen):
    found = item(tasks=tasks, unseen=unseen)
    assert judged(CHECK, found).verdict is Verdict.INCONCLUSIVE


def test_hidden_while_the_other_can_be_read():
    result = judged(CHECK, item(), NETWORK, HIDDEN, CLEAR)
    assert (result.verdict, result.reason) == (Verdict.PASS, "ESP from n1 to n2, while mesh can be read")


def test_what_left_hidden_needs_no_answer():
    """A receiver that takes no encrypted packets is found by the check of kind reach."""
    result = judged(CHECK, item(), NETWORK, Told(0, ESP), CLEAR)
    assert (result.verdict, result.reason) == (
        Verdict.PASS,
        "ESP from n1 to n2, which did not answer, while mesh can be read",
    )


@pytest.mark.parametrize(
    ("secret", "control", "reason"),
    [
        (f"{ESP}answered\n{SECRET_CLEAR}", CLEAR.stdout, "requests over sealed leave n1 in clear"),
        (f"{ESP}answered\nVXLAN, flags [I] (0x08), vni 4098\n", CLEAR.stdout, "VXLAN of sealed leaves n1 unencrypted"),
        (f"answered\n{OPEN}", CLEAR.stdout, "no ESP leaves n1 towards n2"),
        # a leak is a leak, also where the control saw nothing
        (f"answered\n{SECRET_CLEAR}", "", "requests over sealed leave n1 in clear"),
    ],
)
def test_what_can_be_read_is_a_failure_of_the_sending_node(secret, control, reason):
    result = judged(CHECK, item(), NETWORK, Told(0, secret), Told(0, control))
    assert (result.verdict, result.reason) == (Verdict.FAIL, reason)
    assert result.nodes[0] == "n1"


@pytest.mark.parametrize(
    ("secret", "control", "reason"),
    [
        (HIDDEN, Told(0, f"answered\n{ESP}"), "the capture does not show what web sends in clear"),
        (HIDDEN, Told(0, OPEN + CONTROL_CLEAR), "two tasks of web were not answered"),
        (Told(0, ""), CLEAR, "two tasks of safe were not answered"),
        (Told(3, "", "tcpdump is not installed\n"), CLEAR, "captured on n1: tcpdump is not installed"),
        (HIDDEN, Told(4, ""), "captured on n1: exit code 4"),
        (Unasked("bash is not installed on n1"), CLEAR, "bash is not installed on n1"),
    ],
)
def test_without_proof_nothing_is_said(secret, control, reason):
    result = judged(CHECK, item(), NETWORK, secret, control)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert reason in result.reason
    assert "n1" in result.nodes


@pytest.mark.parametrize("network", [Inspected(None), Inspected({"Options": None})])
def test_a_network_without_a_number_is_still_judged_by_what_can_be_read(network):
    assert judged(CHECK, item(), network, HIDDEN, CLEAR).verdict is Verdict.PASS


def test_services_and_networks_must_exist_and_the_networks_differ():
    names = Names(frozenset({"safe", "web"}), frozenset(), frozenset({"sealed", "mesh"}))
    assert list(CHECK.problems(names)) == []
    assert len(list(CHECK.problems(Names(frozenset(), frozenset(), frozenset())))) == 4
    assert list(check("encryption", **KEYS | {"control_network": "sealed"}).problems(names))


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_script_tells_a_node_without_tcpdump(tmp_path):
    result = subprocess.run(
        [shutil.which("bash"), "-c", CAPTURE, "bash", "/ns", "10.0.8.4", "80", "192.168.90.12", "marker"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (result.returncode, result.stderr) == (3, "tcpdump is not installed\n")
