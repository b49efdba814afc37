"""The one way in which this package makes a rich console, and the signs of verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from orchestrator.model.verdict import Verdict
from orchestrator.report.words import visible

MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}
STYLES = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow"}


class _Console(Console):
    """A console whose terminal obeys rich alone: what texts themselves would make it do is only shown."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of what is shown; every way of printing comes through here."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def make_console(file: IO[str], width: int | None = None) -> Console:
    """A console that shows text as it is: no markup, no emoji, no guessing at what a word means.

    ``width`` in columns; ``None`` takes the terminal's, or 80 where there is none.
    """
    return _Console(file=file, width=width, markup=False, emoji=False, highlight=False)
