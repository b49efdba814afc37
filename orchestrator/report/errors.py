"""Errors as text."""

from __future__ import annotations

from orchestrator.errors import LabError
from orchestrator.report.words import located


def render_error(error: LabError) -> str:
    """What failed and where, every detail on a line of its own, then what to do next; ends in a line break."""
    lines = [f"lab: {located(error.node, error.message)}"]
    lines += [f"  {line}" for detail in error.details for line in detail.splitlines()]
    if error.hint:
        lines.append(f"  → {error.hint}")
    return "\n".join(lines) + "\n"
