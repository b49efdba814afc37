"""What a sink of events is: something that folds them into what a person or a program reads."""

from __future__ import annotations

from typing import Protocol

from orchestrator.model.events import Event


class Sink(Protocol):
    """All methods are called from one thread."""

    def handle(self, event: Event) -> None:
        """Take one event."""

    def tick(self) -> None:
        """Called several times a second while nothing happens, for what shows elapsed time."""

    def pause(self) -> None:
        """The terminal is wanted for a question: leave it alone until :meth:`resume`."""

    def resume(self) -> None:
        """The question is answered."""

    def close(self) -> None:
        """The run is over, or about to be left: put the terminal back as it was. May be called twice."""
