"""The report of ``lab trust``."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from orchestrator.model.trust import HostKey, KeyState, TrustOutcome
from orchestrator.report.words import count

_MARKS = {
    KeyState.KNOWN: ("✓", "green"),
    KeyState.RECORDED: ("+", "green"),
    KeyState.NEW: ("!", "yellow"),
    KeyState.UNREACHABLE: ("✗", "bold red"),
}


def render_trust(outcome: TrustOutcome) -> list[RenderableType]:
    """Every host with its key, jump hosts first, and a line that sums up."""
    parts: list[RenderableType] = []
    for key in outcome.keys:
        parts += _key(key)
    numbers = [(sum(key.state is state for key in outcome.keys), state.value) for state in KeyState]
    summary = ", ".join(f"{number} {word}" for number, word in numbers if number)
    parts.append(Text(f"{count(len(outcome.keys), 'host')}: {summary}", style="bold"))
    if outcome.advice:
        parts.append(Text(f"new keys were not recorded: {outcome.advice}", style="yellow"))
    return parts


def _key(key: HostKey) -> list[RenderableType]:
    mark, style = _MARKS[key.state]
    port = "" if key.port == 22 else f" port {key.port}"
    via = f" via {key.via}" if key.via else ""
    what = f"{key.kind} {key.fingerprint}" if key.fingerprint else key.message
    line = Text.assemble((f"{mark} ", style), (f"{key.host}{port}{via}", "bold"), f"  {what}")
    where = f"{key.file}:{key.line}" if key.line else ""
    tail = {KeyState.KNOWN: where, KeyState.RECORDED: f"recorded in {where}", KeyState.NEW: "not recorded"}
    detail = tail.get(key.state, key.hint)
    nodes = f"for {', '.join(key.nodes)}"
    return [line, Text(f"    {nodes}; {detail}" if detail else f"    {nodes}", style="dim")]
