"""What a node's systemd journal holds of one unit. Pure: a command line, and the meaning of what it prints.

Source: journalctl(1) and systemd's "Journal JSON Format". Times are exact to the microsecond, whatever the node's
locale and time zone are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from orchestrator.config.hints import shown
from orchestrator.config.units import duration
from orchestrator.model.journal import LogEntry

_SCRIPT = 'command -v journalctl >/dev/null || exit 127; LC_ALL=C exec journalctl "$@"'
"""The shell looks for the program: sudo would tell in many ways that there is none."""

NO_JOURNAL = 127
"""Exit code where the node has no journalctl."""

TOO_LONG = "(too long to be told)"
"""What stands for a message that journalctl leaves out; it does so above 4096 bytes unless it prints all."""


def journal_command(
    unit: str, *, since: str = "", lines: int | None = None, follow: bool = False, after: str = ""
) -> tuple[str, ...]:
    """The command that prints a unit's entries as JSON lines: since a moment, the last ``lines``, or after a cursor.

    With ``follow`` it goes on as entries come.
    """
    words = ["sh", "-c", _SCRIPT, "journalctl", f"--unit={unit}", "--output=json", "--all", "--no-pager"]
    words += ["--output-fields=MESSAGE,PRIORITY"]
    words += [f"--since={since}"] if since else []
    words += [f"--lines={lines}"] if lines is not None else []
    words += ["--lines=all", f"--after-cursor={after}"] if after else []
    return (*words, "--follow") if follow else tuple(words)


def parse_entries(node: str, unit: str, lines: Iterable[str]) -> tuple[list[LogEntry], list[str]]:
    """The entries among these lines, and whatever else was said there."""
    entries, said = [], []
    for line in lines:
        entry = parse_entry(node, unit, line)
        if entry is not None:
            entries.append(entry)
        elif line.strip() and not line.startswith("-- "):  # such lines are journalctl's own ("-- No entries --")
            said.append(line.strip())
    return entries, said


def parse_entry(node: str, unit: str, line: str) -> LogEntry | None:
    """One line of ``journalctl --output=json``; ``None`` for what is no entry."""
    if not line.startswith("{"):
        return None
    try:
        raw = json.loads(line)
        usec = int(raw["__REALTIME_TIMESTAMP"])
    except (ValueError, KeyError, TypeError):
        return None
    priority = str(raw.get("PRIORITY", ""))
    return LogEntry(
        usec,
        node,
        unit,
        _text(raw.get("MESSAGE")),
        int(priority) if priority.isdecimal() else -1,
        str(raw.get("__CURSOR", "")),
    )


def _text(message: object) -> str:
    """A message: text, or the numbers of its bytes where it is not printable text, or several of these."""
    if message is None:
        return TOO_LONG
    if isinstance(message, list) and all(isinstance(byte, int) for byte in message):
        return bytes(byte & 0xFF for byte in message).decode("utf-8", "replace")
    if isinstance(message, list):
        return "\n".join(map(_text, message))
    return str(message)


def since_word(text: str) -> str:
    """A moment as journalctl takes it, from how long ago it was (``10m``, ``1h30m``) or its date and time (ISO 8601).

    A time without a zone is one of the operator's machine. Raises ``ValueError``.
    """
    try:
        return f"-{duration(text):.6f}s"
    except ValueError:
        pass
    try:
        return f"@{datetime.fromisoformat(text).astimezone().timestamp():.6f}"
    except ValueError:
        expected = "expected how long ago ('10m', '1h30m') or a date and time ('2026-01-31 17:00', '2026-01-31T17:00Z')"
        raise ValueError(f"{expected}, got {shown(text)}") from None
