"""All at once, and only so long."""

import threading

import pytest

from orchestrator.errors import Interrupted, NodeError
from orchestrator.runtime.bounded import fan_out_within
from orchestrator.runtime.context import Context


@pytest.fixture
def context():
    return Context(lambda _event: None)


def test_results_come_in_the_order_of_the_items_errors_among_them(context):
    def work(item):
        if item == 2:
            raise ValueError("two")
        return item * 10

    results = fan_out_within(context, [1, 2, 3], work, 60)
    assert [(one.item, one.value, str(one.error or "")) for one in results] == [
        (1, 10, ""),
        (2, None, "two"),
        (3, 30, ""),
    ]


def test_who_is_late_is_given_up_and_the_others_are_not(context):
    never = threading.Event()
    try:
        late, done = fan_out_within(context, [never.wait, lambda: "done"], lambda work: work(), 0.2)
    finally:
        never.set()
    assert isinstance(late.error, TimeoutError)
    assert done.get() == "done"


def test_slow_ones_set_the_pace_for_the_others(context):
    """Nobody is given up before the first has succeeded, who then gives the others as long again."""
    never, late = threading.Event(), threading.Event()
    threading.Timer(1.5, late.set).start()
    try:
        first, lost = fan_out_within(context, [late.wait, never.wait], lambda work: work(), 1.0, pace=True)
    finally:
        never.set()
    assert first.get() is True
    assert isinstance(lost.error, TimeoutError)


def test_where_none_succeeds_their_own_time_outs_count(context):
    def work(_item):
        raise NodeError("no answer")

    results = fan_out_within(context, [1, 2], work, 60, pace=True)
    assert {type(one.error) for one in results} == {NodeError}


def test_all_run_at_once(context):
    barrier = threading.Barrier(40, timeout=30)
    assert len({one.get() for one in fan_out_within(context, range(40), lambda _: barrier.wait(), 60)}) == 40


def test_nobody_is_waited_for_after_an_interruption(context):
    never = threading.Event()

    def work(_item):
        context.cancel()
        never.wait()

    try:
        with pytest.raises(Interrupted):
            fan_out_within(context, [1], work, 600)
    finally:
        never.set()


def test_nothing_to_do(context):
    assert fan_out_within(context, [], lambda item: item, 1) == []
