"""What the core tells while it works. Sinks fold these into what a person or a program reads.

``node`` is "" where an event is not about one node. Times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model.journal import LogEntry


@dataclass(frozen=True)
class PhaseStarted:
    """A phase of a use case begins; ``phase`` is a short stable key (``machines``), ``title`` is for people."""

    phase: str
    title: str


@dataclass(frozen=True)
class PhaseFinished:
    """A phase is over. ``summary`` says what came of it."""

    phase: str
    seconds: float
    ok: bool
    summary: str = ""


@dataclass(frozen=True)
class StepStarted:
    """Something that takes time begins within a phase."""

    step: str
    summary: str
    node: str = ""
    reason: str = ""


@dataclass(frozen=True)
class StepProgress:
    """News of a running step: ``message`` replaces the last one; ``fraction`` is 0 to 1, or -1 where unknown."""

    step: str
    message: str
    fraction: float = -1.0


@dataclass(frozen=True)
class StepFinished:
    """A step is over; ``error`` says why where it failed."""

    step: str
    seconds: float
    ok: bool
    error: str = ""


@dataclass(frozen=True)
class Notice:
    """Something a person should know. ``level`` is ``info`` or ``warning``."""

    message: str
    level: str = "info"
    node: str = ""


@dataclass(frozen=True)
class LogLine:
    """An entry of a node's journal, for whoever asked for the logs."""

    entry: LogEntry


Event = PhaseStarted | PhaseFinished | StepStarted | StepProgress | StepFinished | Notice | LogLine
