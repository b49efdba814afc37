"""Errors as text."""

from __future__ import annotations

from orchestrator.errors import LabError
from orchestrator.report.words import located, visible


def render_error(error: LabError) -> str:
    """What failed and where, every detail on a line of its own, then what to do next; ends in a line break."""
    first, *more = located(error.node, error.message).splitlines() or [""]
    lines = [f"lab: {first}", *(f"  {line}" for line in more)]
    lines += [f"  {line}" for detail in error.details for line in detail.splitlines()]
    if error.hint:
        lines.append(f"  → {error.hint}")
    return visible("\n".join(lines) + "\n")
