"""What became of plain containers, and what engines refuse."""

import json

import pytest
from lab_standins import check, judged, judged_one, topology
from pydantic import ValidationError

from orchestrator.checks.base import Names
from orchestrator.model.question import Inspect, Inspected, Refused, Unasked
from orchestrator.model.verdict import Verdict

NAMES = Names(frozenset({"web"}), frozenset({"ended"}), frozenset())
CLASH = "Bind for 0.0.0.0:8081 failed: port is already allocated"


def became(state, error="", logs="", code=0):
    """Replies of an engine on a container in that state, which has written ``logs``."""
    inspected = Inspected({"State": {"Status": state, "Error": error, "ExitCode": code}})
    return lambda question: inspected if question.kind == "container" else Inspected(logs)


def ended(**keys):
    return check("container", key="ended", **{"state": "exited"} | keys)


def test_one_item_for_each_node_that_shall_have_it():
    (first, second) = check("container", key="both", state="running").plan(topology(plain={}))
    assert [item.questions for item in (first, second)] == [
        (Inspect(topology().vantage(node), "container", "demo_both"),) for node in ("n1", "n2")
    ]


@pytest.mark.parametrize(
    ("keys", "reply", "evidence"),
    [
        ({"state": "running"}, became("running"), "running"),
        ({}, became("exited", code=1), "exited with code 1"),
        ({"state": "created", "message": "already allocated"}, became("created", CLASH), f"created: {CLASH}"),
        (
            {"message": "unknown option"},
            became("exited", logs="hm\nunknown option --network\nbye"),
            "unknown option --",
        ),
    ],
)
def test_containers_as_they_should_be(keys, reply, evidence):
    result = judged_one(ended(**keys), topology(), reply)
    assert result.verdict is Verdict.PASS
    assert evidence in result.reason


@pytest.mark.parametrize(
    ("keys", "reply", "reason"),
    [
        ({}, became("running"), "expected exited, got running"),
        ({"state": "running"}, became("created", CLASH), f"expected running, got created ({CLASH})"),
        ({"state": "running"}, became("exited", code=2), "expected running, got exited with code 2"),
        (
            {"message": "already"},
            became("exited", logs="another reason\n", code=3),
            "(another reason): nowhere the words",
        ),
        ({}, lambda _: Inspected(None), "there is no such container"),
    ],
)
def test_containers_that_are_not_as_they_should_be(keys, reply, reason):
    result = judged_one(ended(**keys), topology(), reply)
    assert (result.verdict, result.nodes) == (Verdict.FAIL, ("n2",))
    assert reason in result.reason


def test_a_container_whose_engine_cannot_be_asked():
    assert judged_one(ended(), topology(), lambda _: Unasked("lost")).verdict is Verdict.INCONCLUSIVE


def test_a_container_must_be_in_the_lab_file():
    assert list(ended().problems(NAMES)) == []
    (problem,) = check("container", key="endde", state="exited").problems(NAMES)
    assert "there is no container 'endde' in this lab; did you mean 'ended'?" in problem


TOLD = "could not find the corresponding predefined swarm network: network none not found"


def refusal(**keys):
    given = {
        "on": "node:1",
        "post": "/services/create",
        "body": {"Name": "x"},
        "status": 404,
        "message": "network none",
    }
    return check("refusal", **given | keys)


def test_what_would_be_created_carries_our_labels():
    (item,) = refusal(body={"Name": "x", "Labels": {"mine": "1"}}).plan(topology())
    (call,) = item.questions
    assert (call.path, call.undo) == ("/services/create", "/services")
    assert json.loads(call.body) == {
        "Name": "x",
        "Labels": {
            "mine": "1",
            "swarm-mesh-lab.cluster": "lab",
            "swarm-mesh-lab.lab": "demo",
            "com.docker.stack.namespace": "demo",
        },
    }


def test_the_right_refusal():
    result = judged_one(refusal(), topology(), lambda _: Refused(404, TOLD))
    assert (result.verdict, result.reason) == (Verdict.PASS, f"404 {TOLD}")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Refused(400, TOLD), f"expected 404 with 'network none', got 400 {TOLD}"),
        (Refused(404, "page not found"), "expected 404 with 'network none', got 404 page not found"),
        (Refused(201, "", "abc"), "not refused (status 201): it created abc, which was removed again"),
        (Refused(201, "", "abc", "500 no"), "it created abc, which could not be removed: 500 no"),
        (Refused(200, ""), "expected 404 with 'network none', got 200"),
    ],
)
def test_any_other_answer_fails(reply, reason):
    result = judged_one(refusal(), topology(), lambda _: reply)
    assert (result.verdict, result.nodes) == (Verdict.FAIL, ("n1",))
    assert reason in result.reason


def test_an_engine_that_gave_up_has_not_refused():
    busy = "could not find the network: rpc error: code = DeadlineExceeded desc = context deadline exceeded"
    result = judged_one(refusal(message="could not find"), topology(), lambda _: Refused(404, busy))
    assert (result.verdict, result.nodes) == (Verdict.INCONCLUSIVE, ("n1",))


def test_nothing_is_called_where_nobody_knows_whose_it_would_be():
    found = judged(refusal(on="node:all"), topology(swarm=False), None)
    assert {result.verdict for result in found.values()} == {Verdict.INCONCLUSIVE}


def test_an_engine_that_cannot_be_called():
    assert judged_one(refusal(), topology(), lambda _: Unasked("lost")).verdict is Verdict.INCONCLUSIVE


def test_a_refusal_whose_object_could_not_be_found_again():
    assert list(refusal().problems(NAMES)) == []
    (found,) = refusal(body={"Labels": ["a=b"]}).problems(NAMES)
    assert "expected a mapping" in found


@pytest.mark.parametrize("post", ["/swarm/leave", "/containers/prune", "/services/create/../x", "/services/create?x"])
def test_no_call_that_could_not_be_taken_back(post):
    with pytest.raises(ValidationError, match="/services/create"):
        refusal(post=post)
