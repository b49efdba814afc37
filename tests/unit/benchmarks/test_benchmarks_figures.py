"""From samples to figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import BENCHMARKS, GROUPS, Benchmark, Result, Series, ratios, results

RATIO = Benchmark("up", "up", "up", "by lab", baseline_key="shell", baseline="by hand", aim=0.5)
VALUE = Benchmark("memory", "memory", "pss", "a lab", "GB", aim=3.5)


def test_a_series_knows_median_and_spread():
    series = Series((3.0, 1.0, 2.0))
    assert (series.low, series.median, series.high) == (1.0, 2.0, 3.0)
    assert Series((1.0, 2.0)).median == 1.5


def test_a_series_without_values_is_refused():
    with pytest.raises(ValueError, match="at least one value"):
        Series(())


def test_ratios_are_taken_run_by_run():
    # The second run was on a busy machine; both sides were slow, so its ratio is as good as the first.
    result = Result(RATIO, Series((1.0, 10.0)), Series((2.0, 20.0)))
    assert result.figure.values == (0.5, 0.5)
    assert result.unit == "×"


def test_sides_of_different_length_are_refused():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        ratios((1.0, 2.0), (1.0,))


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=1, max_size=9))
def test_the_figure_lies_within_its_spread(pairs):
    figure = Result(RATIO, Series(tuple(a for a, _ in pairs)), Series(tuple(b for _, b in pairs))).figure
    assert figure.low <= figure.median <= figure.high
    assert len(figure.values) == len(pairs)


@pytest.mark.parametrize(("value", "met"), [(3.4, True), (3.5, True), (3.6, False)])
def test_an_aim_is_reached_up_to_its_value(value, met):
    assert Result(VALUE, Series((value,))).met is met


def test_without_an_aim_nothing_is_judged():
    assert Result(Benchmark("x", "x", "x", "x"), Series((1.0,))).met is None


def test_without_a_baseline_the_figure_is_the_value():
    result = Result(VALUE, Series((2.0,)))
    assert result.figure == result.subject
    assert result.unit == "GB"


def test_a_benchmark_without_samples_of_both_sides_has_no_result():
    assert list(results([RATIO, VALUE], {"up": [1.0]})) == []
    assert [one.benchmark for one in results([RATIO, VALUE], {"up": [1.0], "shell": [2.0]})] == [RATIO]


def test_every_promise_has_its_aim():
    aims = {one.name: one.aim for one in BENCHMARKS if one.aim is not None}
    assert aims == {
        "resume": 0.35,
        "up": 1.0,
        "noop": 0.15,
        "verify": 2.0,
        "checks": 0.1,
        "snapshot save": 0.25,
        "snapshot restore": 0.25,
        "snapshot from": 0.25,
        "ansible, whole job": 0.2,
        "ansible, per probe": 0.02,
        "cli help": 0.4,
        "cli completion": 0.4,
        "memory": 3.5,
        "image": 180.0,
        **{f"growth of {what}, {measured}": 1.5 for what in ("observe", "verify") for measured in ("cpu", "memory")},
    }
    assert set(GROUPS) == {
        "resume", "up", "phases", "noop", "verify", "checks", "docker", "ansible", "traffic", "scale",
        "cli", "memory", "image", "fanout", "snapshot", "labs",
    }  # fmt: skip
