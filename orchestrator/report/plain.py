"""The sink for pipes and logs: one line per event, each with the time since the start."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import IO

from orchestrator.model.events import (
    Event,
    LogLine,
    Notice,
    PhaseFinished,
    PhaseStarted,
    StepFinished,
    StepProgress,
    StepStarted,
)
from orchestrator.report.words import located, seconds, visible

PROGRESS_INTERVAL = 1.0
"""Seconds between two lines of news of the same step: a log is not a terminal."""

_MARGIN = 11
"""Columns that the time takes."""


class PlainSink:
    """Writes lines to ``stream``; ``clock`` gives seconds."""

    def __init__(self, stream: IO[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._started = clock()
        self._steps: dict[str, StepStarted] = {}
        self._news: dict[str, tuple[float, str]] = {}

    def handle(self, event: Event) -> None:
        """Write the line of an event, if it deserves one."""
        line = self._line(event)
        if line:
            elapsed = self._clock() - self._started
            # What a host says may have several lines: those after the first cannot be taken for ours.
            indented = visible(line).replace("\n", f"\n{' ' * _MARGIN}")
            self._stream.write(f"[{elapsed:7.1f}s] {indented}\n")
            self._stream.flush()

    def tick(self) -> None:
        """A log does not show the passing of time."""

    def pause(self) -> None:
        """Whole lines leave the terminal as a question wants it."""

    def resume(self) -> None:
        """Nothing was put away."""

    def close(self) -> None:
        """Nothing to put back."""

    def _line(self, event: Event) -> str:
        match event:
            case PhaseStarted():
                return f"{event.title} …"
            case PhaseFinished():
                outcome = event.summary or ("done" if event.ok else "failed")
                return f"{event.phase}: {outcome} ({seconds(event.seconds)})"
            case StepStarted():
                self._steps[event.step] = event
                self._news.pop(event.step, None)
                reason = f" ({event.reason})" if event.reason else ""
                return f"  {self._subject(event.step)}{reason}"
            case StepProgress():
                return self._progress(event)
            case StepFinished():
                outcome = "done" if event.ok else f"FAILED: {event.error}"
                return f"  {self._subject(event.step)}: {outcome} ({seconds(event.seconds)})"
            case LogLine():
                return ""  # told by a sink of its own
            case Notice():
                prefix = "warning: " if event.level == "warning" else ""
                return f"{prefix}{located(event.node, event.message)}"

    def _subject(self, step: str) -> str:
        started = self._steps.get(step)
        if started is None:
            return step
        return located(started.node, started.summary)

    def _progress(self, event: StepProgress) -> str:
        """The line of news, if it is news: a step that waits says the same again and again."""
        now = self._clock()
        news = event.message + (f" {event.fraction:.0%}" if event.fraction >= 0 else "")
        told, last = self._news.get(event.step, (-math.inf, ""))
        if news == last or now - told < PROGRESS_INTERVAL:
            return ""
        self._news[event.step] = (now, news)
        return f"  {self._subject(event.step)}: {news}"
