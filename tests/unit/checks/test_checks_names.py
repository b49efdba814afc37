"""What names resolve to, from which containers."""

import pytest
from checks_support import TASKS, check, judged, task, topology

from orchestrator.checks.base import Names
from orchestrator.model.question import Resolved, Unasked
from orchestrator.model.verdict import Verdict

VIP = check("names", from_="service:web", name="web", resolves_to="vip", network="mesh")
ALL = check("names", from_="container:box", name="tasks.web", resolves_to="tasks", network="mesh")
BOX = check("names", from_="service:web", name="other", of="box", resolves_to="container", network="lan")
NOTHING = check("names", from_="service:safe", name="web", resolves_to="nothing")


def found(*addresses):
    return Resolved("NOERROR", addresses)


def replies(made, reply):
    """One reply, or a list of them, with that of a container that finds itself where it is asked for."""
    given = reply if isinstance(reply, list) else [reply]
    return [*given, found("10.0.8.2")] if made is NOTHING and len(given) == 1 else given


def test_each_container_asks():
    items = VIP.plan(topology())
    assert [item.subject for item in items] == [
        "web seen from task 1 of lab_web on n1",
        "web seen from task 2 of lab_web on n2",
    ]
    assert [item.questions[0].vantage.namespace for item in items] == ["/ns/web1", "/ns/web2"]


@pytest.mark.parametrize(
    ("made", "reply"),
    [
        (VIP, found("10.0.9.2")),
        (ALL, found("10.0.9.3", "10.0.9.4")),
        (BOX, found("172.30.1.2")),
        (NOTHING, Resolved("NXDOMAIN")),
        (NOTHING, Resolved("SERVFAIL")),
        (NOTHING, found()),
        (NOTHING, Resolved(failure="refused")),
    ],
)
def test_as_it_should_be(made, reply):
    assert judged(made, made.plan(topology())[0], *replies(made, reply)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("made", "reply", "reason"),
    [
        (VIP, found("10.0.9.3"), "resolves to 10.0.9.3: 10.0.9.2 missing; 10.0.9.3 should not be there"),
        (VIP, found(), "resolves to no address: 10.0.9.2 missing"),
        (VIP, Resolved("NXDOMAIN"), "does not resolve: NXDOMAIN"),
        (VIP, Resolved(failure="refused"), "does not resolve: no name server at 127.0.0.11"),
        (ALL, found("10.0.9.3"), "resolves to 10.0.9.3: 10.0.9.4 missing"),
        (ALL, found("10.0.9.3", "10.0.9.4", "10.0.9.9"), "10.0.9.9 should not be there"),
        (NOTHING, found("10.0.9.2"), "must not resolve, and did: NOERROR 10.0.9.2"),
        # silence is no proof that a name is unknown
        (
            NOTHING,
            [Resolved(failure="timeout")] * 2,
            "must say that there is no such name, and did not answer",
        ),
    ],
)
def test_what_is_wrong_points_at_the_node_that_asked(made, reply, reason):
    result = judged(made, made.plan(topology())[0], *replies(made, reply))
    assert (result.verdict, result.nodes) == (Verdict.FAIL, ("n1",))
    assert reason in result.reason


def test_a_name_server_that_passes_an_unknown_name_on_to_nobody_does_not_know_it():
    item = NOTHING.plan(topology())[0]
    assert [question.name for question in item.questions] == ["web", "c-safe1"]
    result = judged(NOTHING, item, Resolved(failure="timeout"), found("10.0.8.2"))
    assert result.verdict is Verdict.PASS
    assert "did not answer" in result.reason


def test_what_has_no_address_cannot_be_resolved_to():
    made = check("names", from_="service:web", name="none", resolves_to="vip", network="mesh")
    result = judged(made, made.plan(topology())[0])
    assert result.verdict is Verdict.FAIL
    assert "none has no address on the network mesh" in result.reason


def test_who_is_not_there_cannot_ask():
    made = check("names", from_="service:none", name="web", resolves_to="vip", network="mesh")
    assert judged(made, made.plan(topology())[0]).reason == "service:none: no task of it runs"


@pytest.mark.parametrize("reply", [[], [Unasked("the engine does not answer")]])
def test_who_cannot_be_asked_from_leaves_it_open(reply):
    unseen = () if reply else ("web1",)
    result = judged(VIP, VIP.plan(topology(unseen=unseen))[0], *reply)
    assert (result.verdict, result.nodes) == (Verdict.INCONCLUSIVE, ("n1",))


def test_tasks_that_are_being_shut_down_do_not_count():
    late = task("web", 3, "n3", mesh="10.0.9.5")
    ending = topology(tasks=[*TASKS, type(late)(**(vars(late) | {"desired": "shutdown"}))])
    assert ALL.plan(ending)[0].about == {"10.0.9.3", "10.0.9.4"}


def test_keys_must_exist():
    names = Names(frozenset({"web", "safe"}), frozenset({"box"}), frozenset({"mesh", "lan"}))
    assert [list(made.problems(names)) for made in (VIP, ALL, BOX, NOTHING)] == [[]] * 4
    wrong = check("names", from_="service:wep", name="tasks.wen", resolves_to="tasks", network="mash")
    assert [problem.split(" in this lab")[0] for problem in wrong.problems(names)] == [
        "there is no service 'wep'",
        "there is no network 'mash'",
        "there is no service or container 'wen'",
    ]
    silent = check("names", from_="service:web", name="web", resolves_to="vip")
    assert [problem for problem in silent.problems(names) if "network is missing" in problem]
