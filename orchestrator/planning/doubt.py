"""What to think of requests that were not answered in time: lost on the way, or held up by busy machines.

Machines that are emulated, or shared, stand still for seconds when all questions come at once. So who did not answer in
time is asked once more, a few at a time; what is lost on the way gets lost again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from orchestrator.model.probe import Observation, Outcome, Probe
from orchestrator.model.question import Echo, Echoed, Fetched, Reply, Resolved, Unasked
from orchestrator.planning.tally import enumerate_names


def in_doubt(probes: Iterable[Probe], observations: Iterable[Observation]) -> list[Probe]:
    """The probes of which a request timed out."""
    late = {seen.probe for seen in observations if seen.outcome is Outcome.TIMEOUT}
    return [probe for probe in probes if probe.id in late]


def unanswered(reply: Reply) -> bool:
    """Whether nothing came back in time from the other side, or the question did not get as far as to be asked."""
    match reply:
        case Unasked():
            return True
        case Fetched(seen):
            return any(one.outcome is Outcome.TIMEOUT for one in seen)
        case Resolved(failure=failure):
            return failure not in ("", "refused")
        case Echoed(outcome):
            return outcome is Echo.SILENT
        case _:
            return False


def turns(count: int) -> tuple[int, ...]:
    """How many requests of ``count`` go into each turn: few at first, so that what is dead is soon left alone."""
    first = min(count, 1)
    second = min(count - first, (count + 3) // 4)
    return first, second, count - first - second


def busy_notes(probes: Iterable[Probe], observations: Sequence[Observation]) -> list[str]:
    """What is told of probes that answered late at first, and in time when they were asked again, one line per port."""
    late = Counter(seen.probe for seen in observations if seen.outcome is Outcome.TIMEOUT)
    ports: dict[str, list[str]] = {}
    for probe in probes:
        way = f"{probe.vantage} → {probe.target.entry} ({late[probe.id]} of {probe.count})"
        ports.setdefault(f"{probe.service} :{probe.published}", []).append(way)
    return [
        f"{port}: time-outs at first, none when asked again a few at a time: {enumerate_names(ways)}; the nodes or "
        "this machine are busy"
        for port, ways in ports.items()
    ]
