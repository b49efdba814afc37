"""Whom a disruption hits, when it is over, and what counts as passed."""

import pytest
from altering_lab import TASKS, task, topology

from orchestrator.checks.base import Names, verdict_of
from orchestrator.checks.disruption import DisruptionCheck
from orchestrator.model.probe import Outcome
from orchestrator.model.timeline import Sample, Shot, Timeline
from orchestrator.model.verdict import Verdict

NAMES = Names(frozenset({"web"}), frozenset(), frozenset())


def check(does="kill-machine", **keys):
    return DisruptionCheck.model_validate({"kind": "disruption", "service": "web", "does": does, **keys})


def item(wanted, **cluster):
    (found,) = wanted.plan(topology(**cluster))
    return found


def scene(wanted, **cluster):
    return item(wanted, **cluster).about


class TestPlan:
    def test_it_hits_a_node_that_runs_a_task_and_does_not_lead(self):
        found = scene(check())
        assert (found.node, found.entries, found.lost) == ("n2", ("n1", "n3"), {"web-2"})
        assert (found.service, found.port, found.replicas) == ("lab_web", 8090, 2)

    def test_a_worker_is_hit_rather_than_a_manager_that_could_be_spared(self):
        tasks = (task(1, "web", "n2"), task(2, "web", "n3"))
        assert scene(check(), tasks=tasks, managers=("n1", "n2")).node == "n3"

    def test_the_only_manager_and_the_leader_are_spared(self):
        tasks = (task(1, "web", "n1"),)
        assert "no task of web runs on a node that can be spared" in item(check(), tasks=tasks).unasked
        assert scene(check(), tasks=tasks, managers=("n1", "n2", "n3"), leader="n2").node == "n1"
        assert item(check(on="node:1")).unasked.startswith("n1 is the only manager")

    def test_the_managers_keep_their_majority(self):
        """Of two managers none may fall silent; a drained one goes on to manage."""
        tasks = (task(1, "web", "n2"),)
        assert (
            "no task of web runs on a node that can be spared"
            in item(check("restart-engine"), tasks=tasks, managers=("n1", "n2")).unasked
        )
        assert "too few managers" in item(check(on="node:2"), managers=("n1", "n2")).unasked
        assert scene(check("drain"), tasks=tasks, managers=("n1", "n2")).node == "n2"
        assert scene(check("restart-engine"), tasks=tasks, managers=("n1", "n2", "n3")).node == "n2"

    def test_a_node_can_be_named(self):
        assert scene(check(on="node:3")).node == "n3"
        assert "does not exist or does not answer" in item(check(on="node:9")).unasked
        assert "does not exist or does not answer" in item(check(on="node:3"), unreachable=("n3",)).unasked

    def test_a_drained_node_and_a_service_under_update_are_asked_on_every_node(self):
        assert scene(check("drain")).entries == ("n1", "n2", "n3")
        found = scene(check("update"))
        assert (found.node, found.entries, found.lost) == ("", ("n1", "n2", "n3"), {"web-1", "web-2"})

    def test_without_a_task_or_a_port_nothing_is_done(self):
        nothing = item(check(), tasks=TASKS[2:])
        assert verdict_of(check(), nothing, {}).verdict is Verdict.FAIL
        unpublished = DisruptionCheck.model_validate({"kind": "disruption", "service": "client", "does": "drain"})
        assert "publishes no TCP port" in item(unpublished).problem


def shot(at, outcome=Outcome.ANSWERED, entry="n1"):
    return Shot(entry, at, outcome, 0.1, slot="1")


def steady(until, *, fails=(), entry="n1"):
    times = [tenth / 10 for tenth in range(-20, int(until * 10))]
    return [shot(at, Outcome.TIMEOUT if at in fails else Outcome.ANSWERED, entry) for at in times]


def timeline(end=30.0, *, fails=(), samples=(), entries=("n1", "n3")):
    shots = [one for entry in entries for one in steady(end, fails=fails if entry == "n3" else (), entry=entry)]
    return Timeline(tuple(entries), tuple(shots), tuple(samples), end)


BACK = (Sample(5.0, frozenset({"web-1", "web-2"}), "ready"), Sample(19.0, frozenset({"web-1", "new"}), "down"))


def verdicts(wanted, seen, **cluster):
    return {result.subject.partition(": ")[2]: result for result in wanted.results(item(wanted, **cluster), seen)}


class TestOver:
    def test_it_is_over_when_all_has_come_and_it_was_calm_since(self):
        wanted = check()
        about = scene(wanted)
        assert wanted.over(about, timeline(22.5, fails=(4.0,), samples=BACK))
        assert not wanted.over(about, timeline(21.5, fails=(4.0,), samples=BACK))
        assert not wanted.over(about, timeline(40.0, fails=(39.0,), samples=BACK))
        assert not wanted.over(about, timeline(40.0, samples=BACK[:1]))

    def test_it_is_over_when_its_time_is_up(self):
        assert check(lasts="40s").over(scene(check()), timeline(40.0, samples=BACK[:1]))

    def test_an_update_is_over_when_the_manager_says_so_as_well(self):
        wanted, new = check("update"), frozenset({"new-1", "new-2"})
        busy = (Sample(10.0, new, "", "updating"),)
        assert not wanted.over(scene(wanted), timeline(30.0, samples=busy))
        assert wanted.over(scene(wanted), timeline(30.0, samples=(*busy, Sample(12.0, new, "", "completed"))))


class TestResults:
    def test_traffic_and_replicas_that_come_back_in_time_pass_with_their_story(self):
        seen = verdicts(check(), timeline(fails=(0.5, 4.0), samples=BACK))
        assert {result.verdict for result in seen.values()} == {Verdict.PASS}
        assert "2 of 300 requests failed, between 0.5 s and 4.0 s" in seen["traffic through n3"].reason
        assert seen["replicas"].reason == "all ran again after 19.0 s"

    def test_an_entry_that_recovers_too_late_fails_and_no_other(self):
        seen = verdicts(check(recovers_within="3s"), timeline(fails=(0.5, 2.0, 4.0), samples=BACK))
        assert seen["traffic through n3"].verdict is Verdict.FAIL
        assert "within 3 s, not after 4.0 s" in seen["traffic through n3"].reason
        assert seen["traffic through n3"].nodes == ("n2", "n3")
        assert seen["traffic through n1"].verdict is Verdict.PASS

    def test_disturbances_with_calm_between_them_are_judged_one_by_one(self):
        seen = verdicts(check(recovers_within="3s"), timeline(fails=(0.5, 9.0, 11.0), samples=BACK))
        assert seen["traffic through n3"].verdict is Verdict.PASS
        assert seen["traffic through n3"].reason.endswith("between 0.5 s and 11.0 s, at most 2.0 s on end")

    def test_an_entry_that_never_recovers_fails(self):
        seen = verdicts(check(), timeline(fails=(29.0,), samples=BACK))
        assert "did not recover" in seen["traffic through n3"].reason

    @pytest.mark.parametrize(("samples", "words"), [(BACK[:1], "did not run again"), (BACK, "expected within 10 s")])
    def test_replicas_that_come_late_or_never_fail(self, samples, words):
        found = verdicts(check(replaced_within="10s"), timeline(samples=samples))["replicas"]
        assert (found.verdict, found.nodes) == (Verdict.FAIL, ("n2",))
        assert words in found.reason

    def test_a_failure_before_the_event_spoils_the_measurement(self):
        found = verdicts(check(), timeline(fails=(-1.0,), samples=BACK))["traffic through n3"]
        assert (found.verdict, found.nodes) == (Verdict.FAIL, ("n3",))
        assert "before anything was done" in found.reason

    def test_an_entry_that_cannot_be_asked_is_inconclusive(self):
        lost = Timeline(("n1",), tuple(shot(at, Outcome.VANTAGE_DEAD) for at in range(9)), BACK, 30.0)
        assert verdicts(check(), lost)["traffic through n1"].verdict is Verdict.INCONCLUSIVE

    def test_failures_are_counted_where_their_number_is_limited(self):
        seen = verdicts(check("update", errors_at_most=1), timeline(fails=(1.0, 2.0)))
        assert seen.keys() == {"traffic through n1", "traffic through n3", "failures"}
        assert seen["failures"].verdict is Verdict.FAIL
        seen = verdicts(check("update", errors_at_most=2), timeline(fails=(1.0, 2.0)))
        assert seen["failures"].verdict is Verdict.PASS


def test_the_drawing_tells_what_was_measured_beside_what_one_expects():
    wanted = check()
    first, expected, *lines = wanted.drawing(item(wanted), timeline(fails=(4.0,), samples=BACK))
    assert first == (
        "kill-machine on n2: E the event 0.0 s; D n2 is down for the managers 19.0 s; R all replicas run again 19.0 s; "
        "C traffic recovered 4.0 s"
    )
    assert expected.startswith("expected: traffic after about 5 s")
    assert lines[-1] == "n3: 1 of 300 requests failed, between 4.0 s and 4.0 s"


def test_the_measured_data_has_the_two_numbers():
    wanted = check()
    data = wanted.measured(item(wanted), timeline(fails=(4.0,), samples=BACK))
    assert (data["recovered"], data["replaced"], data["down"]) == (4.0, 19.0, 19.0)


def test_what_does_not_fit_the_lab_is_told():
    assert list(check().problems(NAMES)) == []
    assert "wbe" in next(iter(check().model_copy(update={"service": "wbe"}).problems(NAMES)))
    assert "an update happens to the whole service" in next(iter(check("update", on="node:2").problems(NAMES)))


@pytest.mark.parametrize("value", ["node:0", "node:all", "n2", 2])
def test_a_place_that_is_no_node_is_refused(value):
    with pytest.raises(ValueError, match="expected holder or node:N"):
        check(on=value)
