"""The one way in which this package makes a rich console, and the signs of verdicts."""

from __future__ import annotations

from typing import IO

from rich.console import Console

from orchestrator.model.verdict import Verdict

MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}
STYLES = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow"}


def make_console(file: IO[str], width: int | None = None) -> Console:
    """A console that shows text as it is: no markup, no emoji, no guessing at what a word means.

    ``width`` in columns; ``None`` takes the terminal's, or 80 where there is none.
    """
    return Console(file=file, width=width, markup=False, emoji=False, highlight=False)
