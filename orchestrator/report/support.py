"""What ``lab support`` tells of the archive that it has written."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from orchestrator.model.outcome import SupportOutcome
from orchestrator.report.words import count, located


def render_support(outcome: SupportOutcome) -> list[RenderableType]:
    """Where it is, what is missing, and what to do before it is sent."""
    lines: list[RenderableType] = [
        Text(f"wrote {outcome.file}: {count(len(outcome.parts), 'file')}, {outcome.size / 1024:.0f} KiB", style="bold")
    ]
    for one in outcome.missing:
        what = located(one.node, f"{one.what}: {one.why}")
        lines.append(Text.assemble(("! ", "yellow"), "not collected: ", what))
    lines.append(Text(f"secrets are removed, names and addresses are not: read it first (tar -xzf {outcome.file})"))
    return lines
