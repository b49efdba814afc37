"""The observations of each probe, counted: the matrix from which everything else is concluded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median

from orchestrator.model.observed import LiveTask
from orchestrator.model.probe import Expectation, Observation, Outcome, Probe
from orchestrator.model.verdict import Cell, Verdict

WORDS = {
    Outcome.ANSWERED: "an answer",
    Outcome.REFUSED: "refused",
    Outcome.TIMEOUT: "time-out",
    Outcome.UNREACHABLE: "unreachable",
    Outcome.RESET: "connection reset",
    Outcome.NOT_HTTP: "an answer that is not HTTP",
    Outcome.VANTAGE_DEAD: "vantage dead",
}
"""Outcomes for a sentence."""

MANY = 12
"""More names than a sentence can hold."""

A_FEW = 8
"""How many of them it names."""
SILENCE = "connections are accepted, and nothing comes back"
"""What is told of a port whose protocol nobody knows."""

SERVER_ERROR = 500
"""HTTP status from which an answer says that the service itself fails."""


@dataclass(frozen=True)
class Way:
    """One vantage × target: its probe and what came of it.

    ``good`` are the observations that were as expected, ``bad`` those that were not; requests that could not be
    made at all are in neither. ``silent`` are those that say neither: a connection stood and nothing came back, from a
    service of which nobody knows what it speaks, and which has answered nobody.
    """

    probe: Probe
    good: tuple[Observation, ...]
    bad: tuple[Observation, ...]
    unasked: str = ""
    silent: tuple[Observation, ...] = ()

    @property
    def vantage(self) -> str:
        """From where."""
        return self.probe.vantage

    @property
    def entry(self) -> str:
        """The node whose published port was asked."""
        return self.probe.target.entry

    @property
    def own(self) -> bool:
        """Whether a node asked itself."""
        return self.vantage == self.entry

    @property
    def loopback(self) -> bool:
        """Whether a node asked itself on its loopback address."""
        return self.own and self.probe.target.address.startswith("127.")

    @property
    def conclusive(self) -> bool:
        """Whether it tells anything of the target."""
        return bool(self.bad) or not self.unasked

    @property
    def failed(self) -> bool:
        """Whether something was not as expected."""
        return bool(self.bad)

    @property
    def dead(self) -> bool:
        """Whether nothing at all was as expected."""
        return bool(self.bad) and not self.good

    @property
    def other_protocol(self) -> bool:
        """Whether all that was not as expected are answers in another protocol than HTTP."""
        return all(seen.outcome is Outcome.NOT_HTTP for seen in self.bad)

    @cached_property
    def answers(self) -> tuple[Observation, ...]:
        """Everything that an HTTP server answered, expected or not."""
        return tuple(seen for seen in (*self.good, *self.bad) if seen.outcome is Outcome.ANSWERED)

    @property
    def replies(self) -> tuple[Observation, ...]:
        """The answers in whatever protocol may be answered in."""
        answering = self.probe.any_protocol and self.probe.expect is Expectation.ANSWER
        return self.good if answering else self.answers

    @property
    def failures(self) -> str:
        """What went wrong and how often, for a sentence: ``time-out (10 of 20)``."""
        kinds = Counter(_word(seen) for seen in self.bad)
        asked = len(self.good) + len(self.bad) + len(self.silent)
        return ", ".join(f"{word} ({times} of {asked})" for word, times in kinds.most_common())


def tally(probes: Iterable[Probe], observations: Iterable[Observation]) -> tuple[Way, ...]:
    """Sort the observations by probe and by whether they are as expected."""
    found: dict[str, list[Observation]] = {}
    for seen in observations:
        found.setdefault(seen.probe, []).append(seen)
    ways = tuple(_way(probe, found.get(probe.id, [])) for probe in probes)
    speaking = {_port(way) for way in ways if way.replies}
    return tuple(way if _port(way) in speaking else _undecided(way) for way in ways)


def _port(way: Way) -> tuple[str, int]:
    return way.probe.service, way.probe.published


def _undecided(way: Way) -> Way:
    """The way of a port that answers nobody: where connections stand, silence is no failure of an unknown protocol."""
    silent = tuple(seen for seen in way.bad if _mute(seen, way.probe))
    return replace(way, bad=tuple(seen for seen in way.bad if seen not in silent), silent=silent) if silent else way


def _mute(seen: Observation, probe: Probe) -> bool:
    asked_to_speak = probe.any_protocol and probe.expect is Expectation.ANSWER
    return asked_to_speak and seen.connected and seen.outcome is Outcome.TIMEOUT


def cell(way: Way) -> Cell:
    """The cell of the matrix that a person sees."""
    latencies = [seen.latency for seen in way.replies] or [0.0]
    probe = way.probe
    tasks = Counter(seen.answer.task for seen in way.answers if seen.answer.task)
    return Cell(
        vantage=way.vantage,
        entry=way.entry,
        address=probe.target.address,
        port=probe.target.port,
        verdict=_verdict(way),
        asked=len(way.good) + len(way.bad) + len(way.silent),
        answered=len(way.replies),
        latency_min=min(latencies),
        latency_median=median(latencies),
        latency_max=max(latencies),
        tasks=dict(sorted(tasks.items())),
        reason=_reason(way),
    )


def _verdict(way: Way) -> Verdict:
    if way.failed:
        return Verdict.FAIL
    return Verdict.PASS if way.conclusive and not way.silent else Verdict.INCONCLUSIVE


def seen_tasks(ways: Iterable[Way]) -> Counter[str]:
    """How often each task answered, by task id; answers that do not name their task are left out."""
    return Counter(seen.answer.task for way in ways for seen in way.answers if seen.answer.task)


def by_entry(ways: Sequence[Way]) -> dict[str, list[Way]]:
    """The ways through each entry node, in the order of the probes."""
    found: dict[str, list[Way]] = {}
    for way in ways:
        found.setdefault(way.entry, []).append(way)
    return found


def task_name(task: LiveTask, hostname: str) -> str:
    """A task for a sentence: ``task 2 on n3``; tasks of a global service have no number."""
    return f"task {task.slot} on {hostname}" if task.slot else f"the task on {hostname}"


def enumerate_names(names: Iterable[str]) -> str:
    """Names for a sentence: ``n1``, ``n1 and n2``, ``n1, n2 and n3``; of many the first few and how many more."""
    listed = list(dict.fromkeys(names))
    if len(listed) > MANY:
        listed = [*listed[:A_FEW], f"{len(listed) - A_FEW} more"]
    return " and ".join([", ".join(listed[:-1]), listed[-1]]) if len(listed) > 1 else "".join(listed)


def _way(probe: Probe, found: Sequence[Observation]) -> Way:
    asked = [seen for seen in found if seen.outcome is not Outcome.VANTAGE_DEAD]
    good = tuple(seen for seen in asked if _as_expected(seen, probe))
    bad = tuple(seen for seen in asked if not _as_expected(seen, probe))
    lost = [seen for seen in found if seen.outcome is Outcome.VANTAGE_DEAD]
    unasked = ""
    if lost:
        unasked = f"{probe.vantage} cannot be asked from: {lost[0].error or 'no connection to it'}"
    elif len(found) < probe.count:
        unasked = f"only {len(found)} of {probe.count} requests were made"
    return Way(probe, good, bad, unasked)


def _as_expected(seen: Observation, probe: Probe) -> bool:
    if probe.expect is Expectation.REFUSED:
        return seen.outcome is Outcome.REFUSED
    if probe.any_protocol:
        # Whoever hangs up on a request that it does not understand is there, and so is who answers with an error.
        hung_up = seen.outcome is Outcome.RESET and seen.connected
        return hung_up or seen.outcome in {Outcome.ANSWERED, Outcome.NOT_HTTP}
    return seen.outcome is Outcome.ANSWERED and seen.status < SERVER_ERROR


def _word(seen: Observation) -> str:
    """How an attempt ended, for a sentence."""
    failed = seen.outcome is Outcome.ANSWERED and seen.status >= SERVER_ERROR
    return f"HTTP {seen.status}" if failed else WORDS[seen.outcome]


def _reason(way: Way) -> str:
    if way.silent and not way.failed:
        return f"{SILENCE} ({len(way.silent)} of {len(way.silent) + len(way.good)})"
    if not way.failed:
        return way.unasked
    closed = " where the connection had to be refused" if way.probe.expect is Expectation.REFUSED else ""
    said = next((seen.error for seen in way.bad if seen.error), "")
    return way.failures + closed + (f": {said}" if said else "")
