"""A sink that remembers what happened, for the report at the end."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model.events import Event, Notice, PhaseFinished, PhaseStarted, StepFinished


@dataclass(frozen=True)
class PhaseRecord:
    """A phase that is over."""

    phase: str
    title: str
    seconds: float
    ok: bool
    summary: str


class Journal:
    """Folds events into phases with their durations, the duration of each step, and the notices."""

    def __init__(self) -> None:
        self.phases: list[PhaseRecord] = []
        self.step_seconds: dict[str, float] = {}
        self.notices: list[Notice] = []
        self._titles: dict[str, str] = {}

    def handle(self, event: Event) -> None:
        """Take one event."""
        match event:
            case PhaseStarted():
                self._titles[event.phase] = event.title
            case PhaseFinished():
                title = self._titles.get(event.phase, event.phase)
                self.phases.append(PhaseRecord(event.phase, title, event.seconds, event.ok, event.summary))
            case StepFinished():
                self.step_seconds[event.step] = event.seconds
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
