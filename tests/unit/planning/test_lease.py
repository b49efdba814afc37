"""When a lease is free: by the managers' clock, whatever the operators' clocks show."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.lease import Holder, LiveLease
from orchestrator.planning.lease import FENCE, RENEW, TERM, expired, may_take, told
from orchestrator.planning.preflight import SKEW_FAILURE

ALICE = Holder("1", "alice", "laptop", 7, 1, "boot pid", "lab up")
NOW = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age", "free"),
    [(0.0, False), (TERM, False), (TERM + 1, True), (-30.0, False), (-TERM - 1, True), (1e9, True)],
)
def test_a_lease_is_free_a_term_after_its_last_renewal(age, free):
    assert expired(LiveLease("id", ALICE, age, age)) is free
    assert may_take(LiveLease("id", ALICE, age, age), gone=False) is free
    assert may_take(LiveLease("id", ALICE, age, age), gone=True)


@given(st.floats(0, FENCE), st.floats(-SKEW_FAILURE, SKEW_FAILURE))
def test_nobody_takes_it_from_a_holder_that_may_still_change_something(since_renewal, skew):
    """``skew`` is between the manager that dated the renewal and the one that is asked: the preflight bounds it."""
    assert not expired(LiveLease("id", ALICE, since_renewal + skew, 0))


def test_a_holder_that_is_well_never_has_to_ask_before_a_step():
    assert RENEW < FENCE


def test_who_since_when_and_until_when():
    text = told(LiveLease("id", ALICE, age=20.0, held=90.0), "dev", NOW)
    assert text == ("alice@laptop (`lab up`, pid 7) works on the cluster 'dev' since 11:58:30, at least until 12:01:40")
    assert told(LiveLease("id", None, 0, 0), "dev", NOW).startswith("somebody whose note cannot be read works")
