"""Datagrams that are answered, and those that must not be."""

import pytest
from checks_support import check, judged, topology

from orchestrator.checks.base import Names
from orchestrator.model.probe import Answer
from orchestrator.model.question import Echo, Echoed, Unasked
from orchestrator.model.verdict import Verdict

TASKS = check("udp", from_="service:web", to="service:web", port=5353, network="mesh")
PUBLISHED = check("udp", from_="node:1", to="node:all", port=5454, service="web")
CLOSED = check("udp", from_="container:box", to="service:web", port=5353, network="mesh", expect="no-answer")


def echo(task, node="n2", text="{…}"):
    return Echoed(Echo.ANSWERED, text, Answer(node, "lab_web", task, "2"))


NAMELESS = Echoed(Echo.ANSWERED, "hello\n")


def only(made, number=0, **options):
    return made.plan(topology(**options))[number]


def test_each_task_sends_to_each_other():
    (datagram,) = only(TASKS).questions
    assert (datagram.vantage.namespace, datagram.address, datagram.port) == ("/ns/web1", "10.0.9.4", 5353)


def test_nodes_are_sent_to_at_their_own_addresses():
    items = PUBLISHED.plan(topology())
    assert [item.questions[0].address for item in items] == ["192.168.90.12", "192.168.90.13"]
    assert {item.questions[0].vantage.namespace for item in items} == {""}


@pytest.mark.parametrize(
    ("made", "reply"),
    [
        (TASKS, echo("web2")),
        (TASKS, NAMELESS),
        (PUBLISHED, echo("web1")),
        (PUBLISHED, echo("web2")),
        (CLOSED, Echoed(Echo.SILENT)),
        (CLOSED, Echoed(Echo.REFUSED)),
        (CLOSED, Echoed(Echo.UNREACHABLE)),
    ],
)
def test_as_it_should_be(made, reply):
    assert judged(made, only(made), reply).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("made", "reply", "reason"),
    [
        (TASKS, Echoed(Echo.SILENT), "no answer: silence"),
        (TASKS, Echoed(Echo.REFUSED), "no answer: refused (ICMP port unreachable)"),
        (TASKS, echo("web1", "n1"), "web1) of lab_web on n1, which is not from task 2 of lab_web on n2"),
        (PUBLISHED, echo("gone"), "which is not from a running task of web"),
        (PUBLISHED, NAMELESS, "an answer that names no task ('hello'), which is not from a running task of web"),
        (CLOSED, echo("web1", "n1"), "expected no answer, got an answer of task 2 (web1)"),
        (CLOSED, NAMELESS, "expected no answer, got an answer that names no task"),
    ],
)
def test_what_is_wrong_is_told(made, reply, reason):
    item = only(made)
    result = judged(made, item, reply)
    assert result.verdict is Verdict.FAIL
    assert reason in result.reason
    assert set(result.nodes) <= {"n1", "n2"}
    assert item.questions[0].vantage.node in result.nodes


def test_a_dead_vantage_is_inconclusive_also_where_silence_is_wanted():
    assert judged(CLOSED, only(CLOSED), Unasked("no route to it")).verdict is Verdict.INCONCLUSIVE
    assert judged(TASKS, only(TASKS, unseen=["web1"])).verdict is Verdict.INCONCLUSIVE


def test_a_service_without_tasks_cannot_answer():
    made = check("udp", from_="node:1", to="node:all", port=5454, service="none")
    result = judged(made, only(made))
    assert (result.verdict, result.reason) == (Verdict.FAIL, "service:none: no task of it runs")


def test_names_must_exist():
    names = Names(frozenset({"web"}), frozenset(), frozenset({"mesh"}))
    assert list(TASKS.problems(names)) == []
    made = check("udp", from_="node:1", to="node:all", port=1, service="wep", expect="no-answer")
    assert len(list(made.problems(names))) == 2
