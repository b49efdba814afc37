"""The largest packet, and a file that arrives whole."""

import hashlib

import pytest
from checks_support import check, judged, topology

from orchestrator.checks.base import Names
from orchestrator.images.nginx import PAYLOAD_SIZE, payload
from orchestrator.model.probe import Observation, Outcome
from orchestrator.model.question import Fetched, Told, Unasked
from orchestrator.model.verdict import Verdict

CHECK = check("payload", from_="service:web", to="service:web", network="mesh", packet=1450)
DIGEST = hashlib.sha256(payload()).hexdigest()

FITS = Told(0, "3 packets transmitted, 3 received, 0% packet loss, time 402ms\n")
LOST = Told(1, "PING 10.0.9.4\n\n1 packets transmitted, 0 received, 100% packet loss, time 0ms\n")
TOO_LONG = Told(1, "1 packets transmitted, 0 received, +1 errors\n", "ping: sendmsg: Message too long\n")
LOCAL = Told(1, "", "ping: local error: message too long, mtu=1450\n")
ROUTER = Told(1, "From 10.0.9.1 icmp_seq=1 Frag needed and DF set (mtu = 1400)\n")


def file(outcome=Outcome.ANSWERED, status=200, size=PAYLOAD_SIZE, digest=DIGEST, error=""):
    return Fetched((Observation("", 0, outcome, 0.1, status, error=error, size=size, digest=digest),))


def test_each_pair_is_asked_with_both_sizes_and_for_the_file():
    items = CHECK.plan(topology())
    assert [item.subject for item in items] == [
        "task 1 of lab_web on n1 → task 2 of lab_web on n2",
        "task 2 of lab_web on n2 → task 1 of lab_web on n1",
    ]
    fits, exceeds, fetch = items[0].questions
    # 20 bytes of IPv4 and 8 of ICMP come on top
    assert fits.argv[-3:] == ("-s", "1422", "10.0.9.4")
    assert exceeds.argv[-3:] == ("-s", "1423", "10.0.9.4")
    assert {question.vantage.namespace for question in (fits, exceeds, fetch)} == {"/ns/web1"}
    assert (fetch.address, fetch.port, fetch.path) == ("10.0.9.4", 80, "/payload")


def test_without_a_size_only_the_file_is_asked_for():
    made = check("payload", from_="container:box", to="service:web", network="mesh")
    first, dead = [item for item in made.plan(topology()) if "task 1" in item.subject]
    assert len(first.questions) == 1
    assert judged(made, first, file()).verdict is Verdict.PASS
    assert judged(made, dead).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("refusal", [TOO_LONG, LOCAL, ROUTER])
def test_a_packet_that_fits_and_one_that_is_refused_as_too_long(refusal):
    assert judged(CHECK, CHECK.plan(topology())[0], FITS, refusal, file()).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ((LOST, TOO_LONG, file()), "1450 bytes does not arrive: 1 packets transmitted, 0 received, 100% packet loss"),
        ((TOO_LONG, TOO_LONG, file()), "1450 bytes does not arrive: ping: sendmsg: Message too long"),
        ((FITS, FITS, file()), "1451 bytes arrives too"),
        ((FITS, LOST, file()), "1451 bytes has to be refused as too long, and was not: 1 packets transmitted"),
        ((FITS, Told(2, ""), file()), "1451 bytes has to be refused as too long, and was not: ping exited with 2"),
        ((FITS, LOCAL, file(Outcome.TIMEOUT, error="no answer within 30 s")), "time-out (no answer within 30 s)"),
        ((FITS, LOCAL, file(status=404)), "/payload does not arrive: HTTP 404"),
        ((FITS, LOCAL, file(size=1000)), f"arrives with 1000 of {PAYLOAD_SIZE} bytes"),
        ((FITS, LOCAL, file(digest="ab" * 32)), "arrives changed: its SHA-256 is abababababab…"),
    ],
)
def test_what_is_wrong_is_told_with_both_nodes(replies, reason):
    result = judged(CHECK, CHECK.plan(topology())[0], *replies)
    assert result.verdict is Verdict.FAIL
    assert reason in result.reason
    assert result.nodes == ("n2", "n1")


def test_a_node_without_ping_is_no_failure_of_the_network():
    result = judged(CHECK, CHECK.plan(topology())[0], Unasked("ping is not installed on n1"), LOCAL, file())
    assert (result.verdict, result.nodes) == (Verdict.INCONCLUSIVE, ("n1",))


def test_nodes_are_refused_as_places():
    made = check("payload", from_="node:1", to="service:web", network="mesh")
    names = Names(frozenset({"web"}), frozenset(), frozenset({"mesh"}))
    assert [problem for problem in made.problems(names) if "service:KEY" in problem]
    assert list(CHECK.problems(names)) == []
