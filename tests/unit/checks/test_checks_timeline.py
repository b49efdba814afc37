"""Folding and drawing of what clients saw."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.checks.timeline import CALM, WIDTH, down, draw, recovered, replaced, settled, window
from orchestrator.model.probe import Outcome
from orchestrator.model.timeline import Sample, Shot, Timeline

OK, LATE, DEAD = Outcome.ANSWERED, Outcome.TIMEOUT, Outcome.VANTAGE_DEAD


def shots(entry, *seen):
    return tuple(Shot(entry, at, outcome, 0.1, slot=slot) for at, outcome, slot in seen)


def timeline(*found, end=6.0, samples=()):
    return Timeline(tuple(dict.fromkeys(shot.entry for shot in found)), tuple(found), tuple(samples), end)


def test_the_window_of_failures_is_from_the_first_to_the_last_request_that_failed():
    seen = window(
        timeline(
            *shots("n1", (-1, OK, "1"), (0.5, OK, "1"), (1, LATE, ""), (2, OK, "1"), (2.5, LATE, ""), (6, OK, "1"))
        ),
        "n1",
    )
    assert (seen.asked, seen.failed, seen.first, seen.last, seen.recovered) == (5, 2, 1, 2.5, 2.5)


def test_without_three_calm_seconds_nothing_has_recovered():
    assert window(timeline(*shots("n1", (1, LATE, ""), (3.9, OK, "1"))), "n1").recovered is None
    assert window(timeline(*shots("n1", (1, LATE, ""), (4, OK, "1"))), "n1").recovered == 1
    assert window(timeline(*shots("n1", (2.9, OK, "1"))), "n1").recovered is None
    assert window(timeline(*shots("n1", (3, OK, "1"))), "n1").recovered == 0


def outages(*seen):
    one = window(timeline(*shots("n1", *seen)), "n1")
    return one.recovered, one.outage, one.settled


def test_an_outage_ends_with_calm_and_the_longest_counts():
    bad = [(at, LATE, "") for at in (1, 2.5, 20, 22.9, 25.8, 40)]
    good = [(at, OK, "1") for at in (0, 2, 6, 21, 25, 30, 39, 50)]
    assert outages(*bad, *good) == (2.5, pytest.approx(5.8), True)
    assert outages(*bad, *good[:-1]) == (2.5, pytest.approx(5.8), False)
    assert outages((2, OK, "1")) == (None, 0, False)
    assert outages((3, OK, "1")) == (0, 0, True)


def test_an_outage_begins_with_the_event_unless_it_was_calm_before():
    assert outages((2, LATE, ""), (9, OK, "1")) == (2, 2, True)
    assert outages((3.5, OK, "1"), (7, LATE, ""), (10, OK, "1")) == (7, 0, True)


def test_where_nothing_is_answered_there_is_no_calm():
    assert outages((1, LATE, ""), (4, LATE, ""), (8, LATE, ""), (12, OK, "1")) == (8, 8, True)
    assert outages((1, LATE, ""), (4.1, DEAD, ""), (8, LATE, "")) == (None, 8, False)


def test_failures_before_the_event_are_told_apart():
    seen = window(timeline(*shots("n1", (-2, LATE, ""), (4, OK, "1"))), "n1")
    assert (seen.before, seen.failed, seen.recovered) == (1, 0, 0)


def test_a_request_on_its_way_when_it_happens_is_one_of_its_victims():
    under_way = Shot("n1", -0.3, LATE, 1.0)
    seen = window(timeline(under_way, *shots("n1", (1, OK, "1"), (4, OK, "1"))), "n1")
    assert (seen.before, seen.failed, seen.first, seen.asked) == (0, 1, 0.0, 3)


def test_a_request_that_could_not_be_made_is_no_failure_of_the_service():
    seen = window(timeline(*shots("n1", (1, DEAD, ""), (4, OK, "1"))), "n1")
    assert (seen.failed, seen.asked, seen.unasked) == (0, 1, 1)


def test_traffic_has_recovered_when_the_last_entry_has():
    calm = (*shots("n1", (1, LATE, ""), (6, OK, "1")), *shots("n3", (2, LATE, ""), (6, OK, "1")))
    found = timeline(*calm)
    assert recovered([window(found, entry) for entry in found.entries]) == 2
    assert settled([window(found, entry) for entry in found.entries]) == 2
    found = timeline(*calm, *shots("n4", (6, LATE, "")))
    assert recovered([window(found, entry) for entry in found.entries]) is None
    assert settled([window(found, entry) for entry in found.entries]) is None
    assert recovered([]) is None


def test_replicas_are_back_when_as_many_run_without_the_lost_ones():
    samples = [
        Sample(-1, frozenset("abc"), "ready"),
        Sample(1, frozenset("abc"), "ready"),
        Sample(15, frozenset("ac"), "down"),
        Sample(20, frozenset("acd"), "down"),
    ]
    assert replaced(samples, {"b"}, 3) == 20
    assert replaced(samples[:3], {"b"}, 3) is None
    assert down(samples) == 15


def test_a_drawing_has_a_line_per_entry_and_the_moments_below():
    found = timeline(
        *shots("n1", (-0.4, OK, "1"), (0, OK, "2"), (0.2, LATE, ""), (0.3, OK, "3"), (0.6, DEAD, ""), (0.8, OK, "12")),
        *shots("node3", (0.0, OK, "")),
        end=1.0,
    )
    head, *lines = draw(found, {"E": 0.0, "R": 0.6})
    assert "0.2 s" in head
    assert lines == ["n1    1.2x.?+", "node3 ..o....", "        E  R"]


@given(st.lists(st.tuples(st.floats(-3, 200), st.sampled_from(list(Outcome)), st.sampled_from("123")), max_size=60))
def test_every_failure_is_in_the_drawing_and_it_fits(seen):
    found = Timeline(("n1",), shots("n1", *seen), (), 200.0)
    _, line, ruler = draw(found, {"E": 0.0})
    assert len(line.removeprefix("n1 ")) <= WIDTH + 1
    assert ("x" in line) == any(outcome not in (OK, DEAD) for _, outcome, _ in seen)
    assert ruler.strip() == "E"


@given(st.lists(st.tuples(st.floats(0, 60), st.sampled_from([OK, LATE]), st.just("1")), max_size=60))
def test_it_is_calm_after_the_moment_of_recovery(seen):
    one = window(timeline(*shots("n1", *seen)), "n1")
    if one.recovered is not None:
        calm = min(at for at, outcome, _ in seen if outcome is OK and at >= one.recovered + CALM)
        assert not [at for at, outcome, _ in seen if outcome is LATE and one.recovered < at < calm]
    if one.settled:
        assert one.recovered is not None
        assert max(at for at, outcome, _ in seen if outcome is OK) >= (one.last or 0) + CALM
    assert one.failed == sum(outcome is LATE for _, outcome, _ in seen)


def test_nothing_seen_can_be_drawn():
    assert draw(Timeline(("n1",), (), (), 0.0), {}) == [draw(Timeline((), (), (), 0.0), {})[0], "n1 .", ""]


@pytest.mark.parametrize(("end", "step"), [(15, "0.2"), (18.2, "0.4"), (60, "0.8")])
def test_a_longer_time_takes_more_seconds_per_character(end, step):
    assert f"one character is {step} s" in draw(timeline(*shots("n1", (0, OK, "1")), end=end), {})[0]
