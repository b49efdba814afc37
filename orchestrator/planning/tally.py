"""The observations of each probe, counted: the matrix from which everything else is concluded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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

SERVER_ERROR = 500
"""HTTP status from which an answer says that the service itself fails."""


@dataclass(frozen=True)
class Way:
    """One vantage × target: its probe and what came of it.

    ``good`` are the observations that were as expected, ``bad`` those that were not; requests that could not be
    made at all are in neither.
    """

    probe: Probe
    good: tuple[Observation, ...]
    bad: tuple[Observation, ...]
    unasked: str = ""

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
    def failures(self) -> str:
        """What went wrong and how often, for a sentence: ``time-out (10 of 20)``."""
        kinds = Counter(_word(seen) for seen in self.bad)
        asked = len(self.good) + len(self.bad)
        return ", ".join(f"{word} ({times} of {asked})" for word, times in kinds.most_common())


def tally(probes: Iterable[Probe], observations: Iterable[Observation]) -> tuple[Way, ...]:
    """Sort the observations by probe and by whether they are as expected."""
    found: dict[str, list[Observation]] = {}
    for seen in observations:
        found.setdefault(seen.probe, []).append(seen)
    return tuple(_way(probe, found.get(probe.id, [])) for probe in probes)


def cell(way: Way) -> Cell:
    """The cell of the matrix that a person sees."""
    latencies = [seen.latency for seen in way.answers] or [0.0]
    probe = way.probe
    tasks = Counter(seen.answer.task for seen in way.answers if seen.answer.task)
    return Cell(
        vantage=way.vantage,
        entry=way.entry,
        address=probe.target.address,
        port=probe.target.port,
        verdict=Verdict.FAIL if way.failed else Verdict.PASS if way.conclusive else Verdict.INCONCLUSIVE,
        asked=len(way.good) + len(way.bad),
        answered=len(way.answers),
        latency_min=min(latencies),
        latency_median=median(latencies),
        latency_max=max(latencies),
        tasks=dict(sorted(tasks.items())),
        reason=_reason(way),
    )


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
    return seen.outcome is Outcome.ANSWERED and seen.status < SERVER_ERROR


def _word(seen: Observation) -> str:
    """How an attempt ended, for a sentence."""
    failed = seen.outcome is Outcome.ANSWERED and seen.status >= SERVER_ERROR
    return f"HTTP {seen.status}" if failed else WORDS[seen.outcome]


def _reason(way: Way) -> str:
    if not way.failed:
        return way.unasked
    closed = " where the connection had to be refused" if way.probe.expect is Expectation.REFUSED else ""
    said = next((seen.error for seen in way.bad if seen.error), "")
    return way.failures + closed + (f": {said}" if said else "")
