"""Who reaches whom, and what must fail for the right reason."""

import pytest
from checks_support import check, judged, topology

from orchestrator.checks.base import Names
from orchestrator.model.probe import Answer, Observation, Outcome
from orchestrator.model.question import Fetched, Unasked
from orchestrator.model.verdict import Verdict

WEB = {"from_": "service:web", "to": "service:web", "network": "mesh"}
EACH = check("reach", **WEB)
VIRTUAL = check("reach", **WEB | {"from_": "service:safe", "vip": True})


def fetched(outcome=Outcome.ANSWERED, task="", error=""):
    return Fetched((Observation("", 0, outcome, 0.1, answer=Answer(node="n9", task=task), error=error),))


def test_each_task_asks_each_other_at_its_own_address():
    items = EACH.plan(topology())
    assert [(i.questions[0].vantage.namespace, i.questions[0].address, i.questions[0].port) for i in items] == [
        ("/ns/web1", "10.0.9.4", 80),
        ("/ns/web2", "10.0.9.3", 80),
    ]


def test_nodes_are_asked_at_the_addresses_that_the_swarm_uses():
    items = check("reach", from_="node:2", to="node:all", port=8080).plan(topology())
    assert [(item.subject, item.questions[0].address) for item in items] == [
        ("n2 → n1", "192.168.90.11"),
        ("n2 → n3", "192.168.90.13"),
    ]


def test_the_virtual_address_is_asked_once_by_everybody():
    items = VIRTUAL.plan(topology())
    assert {item.questions[0].address for item in items} == {"10.0.9.2"}
    assert len(items) == 2


@pytest.mark.parametrize("reply", [fetched(task="web2"), fetched()])
def test_an_answer_of_the_task_that_was_asked(reply):
    assert judged(EACH, EACH.plan(topology())[0], reply).verdict is Verdict.PASS


@pytest.mark.parametrize("task", ["web1", "web2"])
def test_any_task_may_answer_at_the_virtual_address(task):
    assert judged(VIRTUAL, VIRTUAL.plan(topology())[0], fetched(task=task)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (fetched(task="web1"), "another task answered (web1 on n9)"),
        (fetched(Outcome.TIMEOUT, error="no answer within 5 s"), "no answer: time-out (no answer within 5 s)"),
        (fetched(Outcome.REFUSED), "no answer: refused"),
    ],
)
def test_what_is_wrong_is_told_with_both_nodes(reply, reason):
    result = judged(EACH, EACH.plan(topology())[0], reply)
    assert (result.verdict, result.reason, result.nodes) == (Verdict.FAIL, reason, ("n2", "n1"))


ACCEPTED = {
    "refused": {Outcome.REFUSED},
    "time-out": {Outcome.TIMEOUT},
    "unreachable": {Outcome.UNREACHABLE},
    "no-way": {Outcome.TIMEOUT, Outcome.UNREACHABLE},
}


@pytest.mark.parametrize("outcome", [Outcome.ANSWERED, Outcome.REFUSED, Outcome.TIMEOUT, Outcome.UNREACHABLE])
@pytest.mark.parametrize("expect", list(ACCEPTED))
def test_what_must_fail_must_fail_for_the_right_reason(expect, outcome):
    made = check("reach", **WEB, expect=expect)
    result = judged(made, made.plan(topology())[0], fetched(outcome))
    assert (result.verdict is Verdict.PASS) == (outcome in ACCEPTED[expect])


@pytest.mark.parametrize("expect", ["answer", *ACCEPTED])
def test_silence_is_waited_for_less_long_than_an_answer(expect):
    (question,) = check("reach", **WEB, expect=expect).plan(topology())[0].questions
    assert question.deadline == (5.0 if expect == "answer" else 3.0)


def test_a_dead_vantage_is_no_failure_that_was_expected():
    made = check("reach", **WEB, expect="no-way")
    result = judged(made, made.plan(topology())[0], Unasked("no connection"))
    assert (result.verdict, result.nodes) == (Verdict.INCONCLUSIVE, ("n1",))
    assert judged(made, made.plan(topology(unseen=["web1"]))[0]).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"from_": "service:none"}, "service:none: no task of it runs"),
        ({"to": "service:none"}, "service:none: no task of it runs"),
        ({"to": "container:box", "network": "mesh"}, "container lab_box on n1 has no address on lab_mesh"),
        ({"to": "node:9"}, "node:9: the inventory has no such node"),
        ({"from_": "node:1", "to": "node:1"}, "node:1: there is nobody else to ask"),
    ],
)
def test_who_is_not_there_fails_it(keys, reason):
    made = check("reach", **WEB | keys)
    assert judged(made, made.plan(topology())[0]).reason == reason


def test_keys_must_exist():
    names = Names(frozenset({"web", "safe"}), frozenset(), frozenset({"mesh"}))
    assert [list(made.problems(names)) for made in (EACH, VIRTUAL)] == [[], []]
    assert list(check("reach", from_="node:1", to="node:all").problems(names)) == []
    wrong = check("reach", from_="container:box", to="service:wep", network="mash")
    assert len(list(wrong.problems(names))) == 3
    (problem,) = check("reach", from_="node:1", to="service:web").problems(names)
    assert "network is missing" in problem
    assert list(check("reach", from_="node:1", to="node:2", vip=True).problems(names))
