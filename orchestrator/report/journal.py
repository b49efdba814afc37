"""A sink that remembers what happened, for the report at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.model.events import Event, Notice, PhaseFinished, PhaseStarted, StepFinished, StepStarted


@dataclass(frozen=True)
class PhaseRecord:
    """A phase that is over."""

    phase: str
    title: str
    seconds: float
    ok: bool
    summary: str


@dataclass(frozen=True)
class StepRecord:
    """A step that is over; ``started`` is in seconds since the journal was begun."""

    step: str
    node: str
    started: float
    seconds: float
    ok: bool


class Journal:
    """Folds events into phases with their durations, when each step was at work, and the notices.

    ``clock`` gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.phases: list[PhaseRecord] = []
        self.steps: list[StepRecord] = []
        self.notices: list[Notice] = []
        self._titles: dict[str, str] = {}
        self._running: dict[str, tuple[str, float]] = {}
        self._clock = clock
        self._begun = clock()

    @property
    def step_seconds(self) -> dict[str, float]:
        """The duration of each step."""
        return {record.step: record.seconds for record in self.steps}

    def handle(self, event: Event) -> None:
        """Take one event."""
        match event:
            case PhaseStarted():
                self._titles[event.phase] = event.title
            case PhaseFinished():
                title = self._titles.get(event.phase, event.phase)
                self.phases.append(PhaseRecord(event.phase, title, event.seconds, event.ok, event.summary))
            case StepStarted():
                self._running[event.step] = (event.node, self._clock() - self._begun)
            case StepFinished():
                node, started = self._running.pop(event.step, ("", 0.0))
                self.steps.append(StepRecord(event.step, node, started, event.seconds, event.ok))
            case Notice():
                self.notices.append(event)
            case _:
                pass

    def tick(self) -> None:
        """Nothing changes with time alone."""

    def pause(self) -> None:
        """Nothing is shown."""

    def resume(self) -> None:
        """Nothing is shown."""

    def close(self) -> None:
        """Nothing to put back."""
