"""The context of a run: where events go, and whether the person has asked us to stop.

A use case runs in a worker thread; the main thread drains the events (see :mod:`orchestrator.cli.session`),
so that a terminal is written by one thread and Ctrl-C is noticed at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from orchestrator.errors import Interrupted, LabError
from orchestrator.model.events import (
    Event,
    Notice,
    PhaseFinished,
    PhaseStarted,
    StepFinished,
    StepProgress,
    StepStarted,
)


class Progress(Protocol):
    """Tell news of a running step."""

    def __call__(self, message: str, fraction: float = -1.0) -> None:
        """``message`` replaces the last one; ``fraction`` is 0 to 1, or -1 where unknown."""


class Phase:
    """Handle of a running phase; set :attr:`summary` to say what came of it."""

    def __init__(self) -> None:
        self.summary = ""


class Asker(Protocol):
    """Ask the person at the terminal."""

    def __call__(self, question: str, *, secret: bool) -> str | None:
        """The answer without its line end, not shown while typed if ``secret``; ``None`` where nobody can answer."""


def _nobody(question: str, *, secret: bool) -> str | None:  # noqa: ARG001 (an Asker's signature)
    return None


class Context:
    """Carries events and questions out, cancellation and answers in. All methods may be called from any thread."""

    def __init__(self, sink: Callable[[Event], None], asker: Asker = _nobody) -> None:
        self._sink = sink
        self._asker = asker
        self._lock = threading.Lock()
        self._closers: list[Callable[[], None]] = []
        self.cancelled = threading.Event()

    def emit(self, event: Event) -> None:
        """Hand an event to the sink."""
        self._sink(event)

    def notice(self, message: str, *, level: str = "info", node: str = "") -> None:
        """Tell the person something (``level`` is ``info`` or ``warning``)."""
        self.emit(Notice(message, level, node))

    def ask(self, question: str, *, secret: bool = False) -> str | None:
        """Ask the person; ``None`` where nobody can answer. Raises ``Interrupted`` where they would rather stop."""
        self.check()
        answer = self._asker(question, secret=secret)
        self.check()
        return answer

    @contextmanager
    def phase(self, phase: str, title: str) -> Iterator[Phase]:
        """Bracket a phase; it is reported as failed when the body raises."""
        self.check()
        self.emit(PhaseStarted(phase, title))
        handle = Phase()
        started = time.monotonic()
        ok = False
        try:
            yield handle
            ok = True
        finally:
            self.emit(PhaseFinished(phase, time.monotonic() - started, ok, handle.summary))

    @contextmanager
    def step(self, step: str, summary: str, *, node: str = "", reason: str = "") -> Iterator[Progress]:
        """Bracket one step; yields a function that reports progress. Raises ``Interrupted`` when cancelled."""
        self.check()
        self.emit(StepStarted(step, summary, node, reason))
        started = time.monotonic()

        def progress(message: str, fraction: float = -1.0) -> None:
            self.emit(StepProgress(step, message, fraction))

        try:
            yield progress
        except BaseException as error:
            message = error.message if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
            self.emit(StepFinished(step, time.monotonic() - started, ok=False, error=message))
            raise
        self.emit(StepFinished(step, time.monotonic() - started, ok=True))

    def check(self) -> None:
        """Raise ``Interrupted`` if the person has asked us to stop."""
        if self.cancelled.is_set():
            raise Interrupted("interrupted")

    def wait(self, seconds: float) -> None:
        """Pause between two looks at something, at most ``seconds``; raises ``Interrupted`` when cancelled."""
        self.cancelled.wait(seconds)
        self.check()

    @contextmanager
    def closing(self, close: Callable[[], None]) -> Iterator[None]:
        """While the body runs, cancellation calls ``close``, so that a blocked read ends at once."""
        with self._lock:
            self._closers.append(close)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._closers.remove(close)

    def cancel(self) -> None:
        """Ask the run to stop and close what it may be blocked on. Never raises; may be called twice."""
        self.cancelled.set()
        with self._lock:
            closers = list(self._closers)
        for close in closers:
            close()
