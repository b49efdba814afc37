"""The order of a plan's steps, and what becomes of it when one fails."""

from __future__ import annotations

import threading

import pytest
from apply_support import NETWORK, init, join, leave

from orchestrator.apply import execute
from orchestrator.errors import Interrupted, NodeError, RefusedError
from orchestrator.model.events import StepFinished, StepStarted
from orchestrator.model.lab import Service
from orchestrator.model.observed import Problem
from orchestrator.model.plan import AwaitService, CreateNetwork, CreateService, Plan, Refusal, Step


def step(name: str, *after: str, action=None) -> Step:
    return Step(name, action or leave(name), f"do {name}", f"why {name}", after)


def services(number: int) -> Plan:
    """So many services to create, each waited for."""
    names = [f"s{one}" for one in range(number)]
    made = [Step(f"service {name}", CreateService(Service(name, name, "web:1")), "", "") for name in names]
    awaited = [Step(f"await {name}", AwaitService(name), "", "", (f"service {name}",)) for name in names]
    return Plan((*made, *awaited))


@pytest.fixture
def played(monkeypatch):
    """Steps that do nothing but note their start; ``failing`` maps a step's node to its error."""
    started: list[str] = []
    failing: dict[str, Exception] = {}

    def act(job, action):
        started.append(action.node)
        if action.node in failing:
            raise failing[action.node]
        return True

    monkeypatch.setattr(execute, "carry_out", act)
    return started, failing


def test_steps_wait_for_those_before_them(carry_out, played):
    started, _ = played
    report = carry_out(plan=Plan((step("c", "a", "b"), step("a"), step("b", "a"))))
    assert started == ["a", "b", "c"]
    assert report.changed == ("a", "b", "c")


def test_independent_steps_run_at_once(carry_out, monkeypatch):
    meeting = threading.Barrier(4, timeout=10)
    monkeypatch.setattr(execute, "carry_out", lambda job, action: bool(meeting.wait() + 1))
    report = carry_out(plan=Plan(tuple(step(name) for name in "abcd")), workers=4)
    assert sorted(report.changed) == list("abcd")


def test_no_more_run_at_once_than_allowed(carry_out, monkeypatch):
    running, most, lock = 0, 0, threading.Lock()

    def act(job, action):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1
        return True

    monkeypatch.setattr(execute, "carry_out", act)
    carry_out(plan=Plan(tuple(step(name) for name in "abcdefgh")), workers=1)
    assert most == 1


def test_no_more_services_come_up_at_once_than_there_are_nodes(carry_out, hosts, monkeypatch):
    coming, most, lock = set(), 0, threading.Lock()

    def act(job, action):
        nonlocal most
        with lock:
            if isinstance(action, CreateService):
                coming.add(action.spec.name)
                most = max(most, len(coming))
            else:
                coming.remove(action.service)
        return True

    monkeypatch.setattr(execute, "carry_out", act)
    assert len(carry_out(plan=services(12)).changed) == 24
    assert most <= len(hosts)


def test_a_service_that_cannot_be_made_keeps_none_from_coming(carry_out, monkeypatch):
    def act(job, action):
        raise NodeError("broken", node="n1")

    monkeypatch.setattr(execute, "carry_out", act)
    with pytest.raises(NodeError, match="12 steps of 24 failed"):
        carry_out(plan=services(12))


def test_a_service_that_does_not_come_up_makes_room_for_others(carry_out, hosts, monkeypatch):
    together = threading.Barrier(len(hosts), timeout=5)

    def act(job, action):
        if isinstance(action, CreateService):
            together.wait()
            return True
        raise NodeError("late", node="n1")

    monkeypatch.setattr(execute, "carry_out", act)
    number = 2 * len(hosts)
    with pytest.raises(NodeError, match=f"{number} steps of {2 * number} failed"):
        carry_out(plan=services(number))


def test_each_step_is_told_with_its_node_and_reason(carry_out, played, events):
    carry_out(plan=Plan((step("a"), step("network", action=leave("b")))))
    starts = {event.step: event for event in events if isinstance(event, StepStarted)}
    assert (starts["a"].summary, starts["a"].node, starts["a"].reason) == ("do a", "a", "why a")
    assert starts["network"].node == "b"
    assert all(event.ok for event in events if isinstance(event, StepFinished))


def test_a_failure_stops_what_comes_after_and_nothing_else(carry_out, played):
    started, failing = played
    failing["a"] = NodeError("broken", node="a", hint="mend it")
    steps = (step("a"), step("b", "a"), step("c", "b"), step("d"), step("e", "d"))
    with pytest.raises(NodeError, match="1 step of 5 failed") as caught:
        carry_out(plan=Plan(steps), workers=1)
    assert started == ["a", "d", "e"]
    assert caught.value.details == ("a: a: broken", "not started because of that: b, c")
    assert (caught.value.node, caught.value.hint) == ("a", "mend it")


def test_all_failures_are_told_at_once(carry_out, played):
    _, failing = played
    failing["a"] = NodeError("broken", node="a", details=["more"])
    failing["b"] = RefusedError("not ours", node="b")
    with pytest.raises(NodeError, match="2 steps of 3 failed") as caught:
        carry_out(plan=Plan((step("a"), step("b"), step("c"))), workers=1)
    assert caught.value.details == ("a: a: broken", "  more", "b: b: not ours")


def test_a_single_failure_is_raised_as_it_is(carry_out, played):
    _, failing = played
    failing["b"] = RefusedError("not ours", node="b")
    with pytest.raises(RefusedError, match="not ours"):
        carry_out(plan=Plan((step("a"), step("b", "a"))))


def test_a_fault_of_our_own_is_not_blamed_on_a_node(carry_out, played):
    _, failing = played
    failing["a"] = NodeError("broken", node="a")
    failing["b"] = KeyError("bug")
    with pytest.raises(KeyError):
        carry_out(plan=Plan((step("a"), step("b"))))


def test_a_plan_with_refusals_is_not_begun(carry_out, played):
    started, _ = played
    with pytest.raises(RefusedError) as caught:
        carry_out(plan=Plan((step("a"),), (Refusal("n1", "n1 is in another swarm", "leave it"),)))
    assert caught.value.details == ("n1 is in another swarm",)
    assert started == []


def test_an_empty_plan_is_done(carry_out):
    assert carry_out(plan=Plan()) == execute.ApplyReport()


def test_cancelling_starts_nothing_more(carry_out, context, monkeypatch):
    started = []

    def act(job, action):
        started.append(action.node)
        context.cancel()
        return True

    monkeypatch.setattr(execute, "carry_out", act)
    with pytest.raises(Interrupted):
        carry_out(plan=Plan((step("a"), step("b", "a"))))
    assert started == ["a"]


def test_what_breaks_because_of_a_cancel_is_an_interruption(carry_out, context, monkeypatch):
    def act(job, action):
        context.cancel()
        raise NodeError("the connection broke", node="a")

    monkeypatch.setattr(execute, "carry_out", act)
    with pytest.raises(Interrupted):
        carry_out(plan=Plan((step("a"),)))


def test_a_real_plan_over_an_unreachable_node(carry_out, swarm, hosts):
    hosts["n3"] = Problem("timeout", "no answer", "switch it on")
    steps = (
        step("init", action=init()),
        step("join n2", "init", action=join("n2")),
        step("join n3", "init", action=join("n3")),
        step("network", "init", action=CreateNetwork(NETWORK)),
    )
    with pytest.raises(NodeError, match="no answer") as caught:
        carry_out(plan=Plan(steps))
    assert (caught.value.node, caught.value.hint, caught.value.kind) == ("n3", "switch it on", "timeout")
    assert swarm.named("networks", "mesh_net")
    assert swarm.engines["n2"].state == "active"
