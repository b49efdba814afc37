"""What leaves a doubt whether a question got through, and what is an answer, welcome or not."""

import pytest

from orchestrator.model.probe import Observation, Outcome
from orchestrator.model.question import Echo, Echoed, Fetched, Inspected, Refused, Resolved, Told, Unasked
from orchestrator.planning.doubt import unanswered


def fetched(*outcomes):
    return Fetched(tuple(Observation("way", 0, outcome, 0.1) for outcome in outcomes))


@pytest.mark.parametrize(
    "reply",
    [
        Unasked("no connection"),
        fetched(Outcome.ANSWERED, Outcome.TIMEOUT),
        Resolved(failure="timeout"),
        Resolved(failure="reset"),
        Echoed(Echo.SILENT),
    ],
)
def test_nothing_came_back(reply):
    assert unanswered(reply)


@pytest.mark.parametrize(
    "reply",
    [
        fetched(Outcome.ANSWERED, Outcome.REFUSED),
        Resolved("NXDOMAIN"),
        Resolved(failure="refused"),
        Echoed(Echo.ANSWERED, "hello"),
        Echoed(Echo.REFUSED),
        Told(1, "", "no"),
        Inspected(None),
        Refused(400, "no"),
    ],
)
def test_an_answer_is_one_whatever_it_says(reply):
    assert not unanswered(reply)
