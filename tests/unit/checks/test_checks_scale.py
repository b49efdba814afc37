"""A service scaled to nothing: what is asked, and what counts as left behind."""

import pytest
from altering_lab import TASKS, topology

from orchestrator.checks.base import Names, verdict_of
from orchestrator.checks.scale import ScaleCheck
from orchestrator.model.lab import ServiceMode
from orchestrator.model.probe import Answer, Observation, Outcome
from orchestrator.model.question import Fetch, Fetched, Lookup, Read, Resolved, Told
from orchestrator.model.verdict import Verdict

CHECK = ScaleCheck.model_validate({"kind": "scale", "service": "web"})

TABLE = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
FWM  00000100 rr
  -> {}:0000      Masq    1      0          0
"""


def replies(item, *answers):
    return dict(zip(item.questions, answers, strict=True))


def fetched(outcome, **answer):
    return Fetched((Observation("", 0, outcome, 0.1, answer=Answer(**answer)),))


def items(kind):
    return [item for item in CHECK.plan(topology()) if isinstance(item.questions[0], kind)]


def test_every_node_is_asked_on_its_address_and_on_loopback():
    asked = {
        (item.questions[0].vantage.node, item.questions[0].address, item.questions[0].port) for item in items(Fetch)
    }
    assert asked == {(f"n{n}", address, 8090) for n in (1, 2, 3) for address in ("127.0.0.1", f"192.168.90.1{n}")}


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [(Outcome.REFUSED, Verdict.PASS), (Outcome.TIMEOUT, Verdict.FAIL), (Outcome.ANSWERED, Verdict.FAIL)],
)
def test_a_published_port_must_be_refused_and_nothing_else(outcome, verdict):
    item = items(Fetch)[0]
    result = verdict_of(CHECK, item, replies(item, fetched(outcome, task="t")))
    assert result.verdict is verdict
    assert result.nodes == (() if verdict is Verdict.PASS else ("n1",))


def test_the_name_is_asked_for_from_the_other_service_together_with_the_virtual_address():
    (item,) = items(Lookup)
    lookup, fetch = item.questions
    assert (lookup.vantage.namespace, lookup.name) == ("/netns/client-1", "web")
    assert fetch.address == "10.0.20.2"


@pytest.mark.parametrize(
    ("said", "outcome", "verdict"),
    [
        (Resolved("NXDOMAIN"), Outcome.TIMEOUT, Verdict.PASS),
        (Resolved("NOERROR", ("10.0.20.2",)), Outcome.TIMEOUT, Verdict.PASS),
        (Resolved("NOERROR", ("10.0.20.2",)), Outcome.ANSWERED, Verdict.FAIL),
    ],
)
def test_a_name_must_lead_nowhere(said, outcome, verdict):
    (item,) = items(Lookup)
    assert verdict_of(CHECK, item, replies(item, said, fetched(outcome))).verdict is verdict


def test_a_stale_backend_is_named_with_its_former_task_and_the_node_that_keeps_it():
    item = items(Read)[1]
    stale = verdict_of(CHECK, item, replies(item, Told(0, TABLE.format("0A000006"))))
    assert (stale.verdict, stale.nodes) == (Verdict.FAIL, ("n2",))
    assert "10.0.0.6 (task 2 of lab_web on n2)" in stale.reason
    others = verdict_of(CHECK, item, replies(item, Told(0, TABLE.format("0A0000F0"))))
    assert others.verdict is Verdict.PASS
    assert verdict_of(CHECK, item, replies(item, Told(1, ""))).verdict is Verdict.INCONCLUSIVE


def test_without_tasks_or_for_a_global_service_nothing_is_tried():
    for found in (topology(TASKS[2:]), topology(mode=ServiceMode.GLOBAL)):
        (item,) = CHECK.plan(found)
        assert verdict_of(CHECK, item, {}).verdict is Verdict.FAIL


def test_scaled_back_the_tasks_know_each_other_on_every_network_of_the_lab():
    (names,) = CHECK.complete(topology())
    assert (names.name, str(names.seen_from), names.network, names.within) == ("tasks.web", "service:web", "net", 60.0)
    assert {item.about for item in names.plan(topology())} == {frozenset({"10.0.20.3", "10.0.20.4"})}


def test_a_service_that_the_lab_lacks_is_told():
    assert "wbe" in next(
        iter(
            ScaleCheck.model_validate({"kind": "scale", "service": "wbe"}).problems(
                Names(frozenset({"web"}), frozenset(), frozenset())
            )
        )
    )
