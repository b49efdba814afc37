"""Fold and draw a :class:`~orchestrator.model.timeline.Timeline`. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.model.probe import Outcome
from orchestrator.model.timeline import Sample, Shot, Timeline

CALM = 3.0
"""Seconds without a failure after which traffic counts as recovered."""

STEP = 0.2
"""Seconds per character of a drawing, at least."""

WIDTH = 90
"""Characters of a drawing, at most; a longer time takes more seconds per character."""


@dataclass(frozen=True)
class Window:
    """One entry after the event: how many requests there were, how many failed, when the first and the last of them.

    An outage goes on until requests are answered for ``CALM`` seconds and none fails. ``recovered`` is when the first
    one was over (its last failure; 0 without a failure), ``outage`` the seconds that the longest took, counted from the
    event where there was no calm before it. ``settled`` is whether the last one is over too. ``unasked`` counts
    requests that could not be made, which says nothing of the service.
    """

    entry: str
    asked: int
    failed: int
    first: float | None
    last: float | None
    recovered: float | None
    outage: float
    settled: bool
    unasked: int = 0
    before: int = 0


def failed(shot: Shot) -> bool:
    """Whether the request was made and nobody answered it."""
    return shot.outcome not in (Outcome.ANSWERED, Outcome.VANTAGE_DEAD)


def window(timeline: Timeline, entry: str) -> Window:
    """What clients of one entry noticed. Failures before the event are counted in ``before``, and nowhere else.

    A request that was on its way when it happened and failed is one that the event made fail.
    """
    mine = [shot for shot in timeline.shots if shot.entry == entry]
    after = [shot for shot in mine if shot.at >= 0 or (failed(shot) and _ended(shot) >= 0)]
    bad = [max(shot.at, 0.0) for shot in after if failed(shot)]
    good = [shot.at for shot in after if shot.outcome is Outcome.ANSWERED]
    settled = bool(good) and max(good) >= max(bad, default=0.0) + CALM
    outages = _outages(bad, good)
    first_end = outages[0][1] if outages else 0.0
    return Window(
        entry,
        asked=sum(shot.outcome is not Outcome.VANTAGE_DEAD for shot in after),
        failed=len(bad),
        first=min(bad, default=None),
        last=max(bad, default=None),
        recovered=first_end if settled or len(outages) > 1 else None,
        outage=max((end - start for start, end in outages), default=0.0),
        settled=settled,
        unasked=sum(shot.outcome is Outcome.VANTAGE_DEAD for shot in after),
        before=sum(failed(shot) for shot in mine if _ended(shot) < 0),
    )


def _ended(shot: Shot) -> float:
    """When its answer came, or when it was given up."""
    return shot.at + shot.latency


def _outages(bad: Iterable[float], good: Collection[float]) -> list[tuple[float, float]]:
    """Start and end of each stretch of failures that ends with calm: requests are answered, and none fails.

    The event belongs to the stretch that follows it without calm.
    """
    found: list[tuple[float, float]] = []
    for at in sorted(bad):
        start, end = found[-1] if found else (0.0, 0.0)
        if any(end + CALM <= answered <= at for answered in good):
            found.append((at, at))
        else:
            found[-1:] = [(start, at)]
    return found


def recovered(windows: Sequence[Window]) -> float | None:
    """When the first outage was over on all entries; ``None`` where it is not on one of them."""
    ends = [one.recovered for one in windows]
    return None if not ends or None in ends else max(end for end in ends if end is not None)


def settled(windows: Sequence[Window]) -> float | None:
    """When the last failure of all was; ``None`` where one entry has not been calm since."""
    return max((one.last or 0.0 for one in windows), default=None) if all(one.settled for one in windows) else None


def replaced(samples: Sequence[Sample], lost: Collection[str], replicas: int) -> float | None:
    """When as many tasks ran as shall run, without those that were lost; ``None`` where that has not come."""
    return _first(samples, lambda sample: len(sample.running - set(lost)) >= replicas)


def down(samples: Sequence[Sample]) -> float | None:
    """When a manager called the disturbed node down; ``None`` where it never did."""
    return _first(samples, lambda sample: sample.node == "down")


def _first(samples: Sequence[Sample], holds: Callable[[Sample], bool]) -> float | None:
    return next((sample.at for sample in samples if sample.at >= 0 and holds(sample)), None)


def draw(timeline: Timeline, marks: Mapping[str, float]) -> list[str]:
    """One line of text per entry, and below them the moments named by a letter in ``marks``.

    One character is the slot that answered last in that time, ``x`` where a request failed, ``?`` where none could be
    made, ``.`` where none was sent. Slots of two digits are ``+``, tasks without a slot ``o``.
    """
    start = min((shot.at for shot in timeline.shots), default=0.0)
    step = _step(timeline.end - start)
    size = max(1, math.ceil((timeline.end - start) / step))
    name = max((len(entry) for entry in timeline.entries), default=0)
    lines = [f"one character is {step:g} s: the slot that answered, x a failure, . nothing sent, ? not to be asked"]
    for entry in timeline.entries:
        buckets: list[list[Shot]] = [[] for _ in range(size)]
        for shot in timeline.shots:
            if shot.entry == entry:
                buckets[_place(shot.at, start, step, size)].append(shot)
        lines.append(f"{entry:<{name}} " + "".join(_character(bucket) for bucket in buckets))
    ruler = [" "] * size
    for letter, at in marks.items():
        ruler[_place(at, start, step, size)] = letter
    return [*lines, (" " * (name + 1) + "".join(ruler)).rstrip()]


def _step(seconds: float) -> float:
    """Seconds per character so that the whole time fits: a multiple of the least step."""
    return round(STEP * max(1, math.ceil(round(seconds / STEP / WIDTH, 6))), 6)


def _place(at: float, start: float, step: float, size: int) -> int:
    return min(size - 1, max(0, int((at - start) / step)))


def _character(bucket: Sequence[Shot]) -> str:
    if not bucket:
        return "."
    if any(failed(shot) for shot in bucket):
        return "x"
    answered = [shot for shot in bucket if shot.outcome is Outcome.ANSWERED]
    if not answered:
        return "?"
    slot = answered[-1].slot
    return (slot if len(slot) == 1 else "+") if slot not in ("", "0") else "o"
