"""Snapshots as text: the list, one of them, what was saved, restored, exported."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from orchestrator.model.outcome import RestoreOutcome
from orchestrator.model.snapshot import Export, Health, SnapshotSummary
from orchestrator.report.journal import Journal
from orchestrator.report.plan import phase_lines, render_routes
from orchestrator.report.tables import simple_table
from orchestrator.report.words import count

_NONE = "there is no snapshot; `lab snapshot save NAME` makes one of a running cluster"


def render_snapshots(snapshots: Sequence[SnapshotSummary]) -> list[RenderableType]:
    """All snapshots as a table, and below it what is wrong with which."""
    if not snapshots:
        return [Text(_NONE)]
    table = simple_table("SNAPSHOT", "CLUSTER", "NODES", "SIZE", "SAVED", "LABS")
    for one in snapshots:
        saved = one.created.astimezone().strftime("%Y-%m-%d %H:%M:%S") if one.created else "–"
        words = (one.cluster or "–", str(len(one.nodes)), size(one.size), saved, ", ".join(one.labs) or "–")
        table.add_row(one.name, *words, style="yellow" if one.problem else "")
    return [table, *(Text.assemble(("! ", "yellow"), one.problem) for one in snapshots if one.problem)]


def render_snapshot(one: SnapshotSummary) -> list[RenderableType]:
    """Everything that is known of one snapshot."""
    facts = {
        "cluster": one.cluster,
        "saved": one.created.astimezone().strftime("%Y-%m-%d %H:%M:%S") if one.created else "–",
        "size": size(one.size),
        "nodes": ", ".join(one.nodes),
        "labs": ", ".join(one.labs) or "none",
        "health": health_words(one.health),
        "clocks": _clocks(one.health.certificates_end),
        "engine": ", ".join(one.engines) or "–",
        "qemu": f"{one.qemu}, accelerator {one.accel}",
    }
    lines = [Text.assemble((f"{word:<8} ", "dim"), fact) for word, fact in facts.items()]
    lines += [Text.assemble(("✗ ", "bold red"), f"cannot be restored here: {reason}") for reason in one.misfits]
    return [Text(f"snapshot {one.name}", style="bold"), *lines]


def render_saved(one: SnapshotSummary, journal: Journal) -> list[RenderableType]:
    """What ``lab snapshot save`` has saved."""
    line = f"saved cluster {one.cluster} as {one.name} ({size(one.size)}); it runs on"
    return [*phase_lines(journal), *_warning(one.health), Text(line, style="bold green")]


def render_restored(outcome: RestoreOutcome, journal: Journal) -> list[RenderableType]:
    """What ``lab restore`` brought back, and where to look now."""
    when = outcome.created.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    line = f"cluster {outcome.cluster} is as it was in {outcome.snapshot}, saved {when}"
    parts: list[RenderableType] = [*phase_lines(journal), *render_routes(outcome.routes), *_warning(outcome.health)]
    if not outcome.current:
        parts.append(Text("its clocks are as they were then", style="yellow"))
    return [*parts, Text(line, style="bold green")]


def _clocks(end: datetime | None) -> str:
    return f"set to the time of day until {end:%Y-%m-%d}, when the swarm's certificates end" if end else "set"


def render_export(export: Export) -> list[RenderableType]:
    """What ``lab snapshot export`` has written."""
    line = f"wrote {export.name} to {export.file}: {size(export.content)} as {size(export.size)}"
    return [Text(line, style="bold green")]


def health_words(health: Health) -> str:
    """How the cluster was when it was saved."""
    answer = health.ways - len(health.silent)
    ways = f"{answer} of {health.ways} ways to published ports answered" if health.ways else "nothing was published"
    return f"{count(len(health.ready), 'member')} ready, {ways}"


def size(number: int) -> str:
    """A size for people."""
    return f"{number / 2**20:.0f} MiB"


def _warning(health: Health) -> list[Text]:
    if not health.silent:
        return []
    return [Text(f"it was broken when it was saved: {health_words(health)}", style="yellow")]
