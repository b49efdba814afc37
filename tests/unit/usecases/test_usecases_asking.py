"""Who did not answer in time is asked again, gently; what is lost on the way gets lost again."""

from __future__ import annotations

import json
import threading

import pytest

from orchestrator.model.probe import Outcome, Probe, Target
from orchestrator.planning.doubt import turns
from orchestrator.runtime.context import Context
from orchestrator.transport.base import ChannelFailed
from orchestrator.transport.scripted import ScriptedHost
from orchestrator.usecases.asking import A_FEW, ask

BODY = json.dumps({"node": "n2", "task": "t1"})
ANSWER = f"HTTP/1.0 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}".encode()
COUNT = 20


class Moody(ScriptedHost):
    """Its n-th connection to a port fails as ``failing`` says: pairs of port and n."""

    def __init__(self, name, failing):
        super().__init__(name, tcp={("10.0.0.2", port): ANSWER for port in (1, 2)})
        self._failing, self._count, self._lock = failing, {1: 0, 2: 0}, threading.Lock()

    def open_tcp(self, address, port, *, timeout):
        with self._lock:
            self._count[port] += 1
            kind = self._failing(port, self._count[port])
        if kind:
            raise ChannelFailed(kind, f"scripted: {kind}")
        return super().open_tcp(address, port, timeout=timeout)


@pytest.fixture
def context():
    return Context(lambda _event: None)


def asked(context, failing, ports=(1,)):
    probes = [Probe(f"p{port}", "n1", Target("n2", "10.0.0.2", port), "web", 8080, COUNT, 5.0) for port in ports]
    return ask(context, probes, {"n1": Moody("n1", failing)})


def test_what_answers_in_time_is_asked_once(context):
    seen = asked(context, lambda _port, _number: "")
    assert (len(seen.made), seen.counted, seen.notes) == (COUNT, seen.made, ())


def test_who_was_only_busy_is_judged_by_the_second_answers(context):
    seen = asked(context, lambda _port, number: "timeout" if number in (3, 4, 5) else "")
    assert len(seen.made) == 2 * COUNT
    assert sorted(one.attempt for one in seen.made) == list(range(2 * COUNT))
    assert [one.attempt for one in seen.counted] == list(range(COUNT, 2 * COUNT))
    assert {one.outcome for one in seen.counted} == {Outcome.ANSWERED}
    (note,) = seen.notes
    assert "web :8080: time-outs at first" in note
    assert "n1 → n2 (3 of 20)" in note


@pytest.mark.parametrize("late", [COUNT + 1, COUNT + 2, 2 * COUNT])
def test_who_times_out_again_is_judged_by_the_first_answers_and_left_alone(context, late):
    seen = asked(context, lambda _port, number: "timeout" if number in (3, late) else "")
    assert seen.counted == seen.made[:COUNT]
    assert [one.outcome for one in seen.counted].count(Outcome.TIMEOUT) == 1
    assert seen.notes == ()


def test_a_dead_way_costs_one_more_request(context):
    seen = asked(context, lambda port, _number: "timeout" if port == 2 else "", ports=(1, 2))
    assert len(seen.made) == 2 * COUNT + 1
    assert len(seen.counted) == 2 * COUNT


def test_only_what_timed_out_is_asked_again(context):
    seen = asked(context, lambda port, number: "timeout" if (port, number) == (2, 1) else "", ports=(1, 2))
    assert len(seen.made) == 3 * COUNT
    assert [one.probe for one in seen.counted] == ["p1"] * COUNT + ["p2"] * COUNT


@pytest.mark.parametrize("kind", ["refused", "unreachable"])
def test_what_fails_otherwise_is_no_question_of_time(context, kind):
    seen = asked(context, lambda _port, number: kind if number == 3 else "")
    assert (len(seen.made), seen.counted) == (COUNT, seen.made)


def test_few_are_asked_at_once(context):
    threads = set()

    def failing(_port, number):
        if number > COUNT:
            threads.add(threading.current_thread())
        return "timeout" if number == 1 else ""

    asked(context, failing)
    assert len(threads) <= 3 * A_FEW  # a pool for each turn


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 20, 1000])
def test_the_turns_make_up_all_requests(count):
    assert sum(turns(count)) == count
    assert all(part >= 0 for part in turns(count))
    assert turns(count)[0] <= 1
