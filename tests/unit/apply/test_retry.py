"""Policies for trying again: when they stop, and that waiting can be cancelled."""

from __future__ import annotations

import pytest

from orchestrator.errors import Interrupted
from orchestrator.runtime.retry import NotYet, on_conflict, until, while_busy


def failing(times: int, error: Exception):
    """Fails so many times, then succeeds."""
    left = [times]

    def work() -> str:
        if left[0]:
            left[0] -= 1
            raise error
        return "done"

    return work


def test_until_it_is_so(context):
    assert until(context, failing(7, NotYet()), deadline=60) == "done"
    assert context.waits == 7


def test_until_the_deadline_tells_what_was_missing(context):
    with pytest.raises(NotYet, match="one of two"):
        until(context, failing(1, NotYet("one of two")), deadline=0)


def test_until_does_not_hide_errors(context):
    with pytest.raises(ValueError, match="broken"):
        until(context, failing(1, ValueError("broken")), deadline=60)
    assert context.waits == 0


def test_a_conflict_is_tried_a_few_times(context):
    def clash(error: BaseException) -> bool:
        return "clash" in str(error)

    assert on_conflict(context, failing(4, ValueError("clash")), clash) == "done"
    with pytest.raises(ValueError, match="clash"):
        on_conflict(context, failing(5, ValueError("clash")), clash)
    with pytest.raises(ValueError, match="other"):
        on_conflict(context, failing(1, ValueError("other")), clash)


def test_while_busy_ends_at_its_deadline(context):
    assert while_busy(context, failing(9, ValueError()), lambda _: True, deadline=60) == "done"
    with pytest.raises(ValueError, match="busy"):
        while_busy(context, failing(1, ValueError("busy")), lambda _: True, deadline=0)


def test_waiting_ends_when_cancelled(context):
    context.on_wait = lambda number: context.cancel() if number == 3 else None
    with pytest.raises(Interrupted):
        until(context, failing(100, NotYet()), deadline=60)
    assert context.waits == 3
