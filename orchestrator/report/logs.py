"""The sink of ``lab logs``: entries to one stream as they come, what is to be told besides to the other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import IO

from orchestrator.model.events import Event, LogLine, Notice
from orchestrator.model.journal import LogEntry
from orchestrator.report.words import located

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
"""What could do something to a terminal (a log holds what anybody may have sent to the engine)."""


class LogSink:
    """Writes entries as lines of text, the node's name in front; or as JSON, one document a line."""

    def __init__(self, out: IO[str], err: IO[str], names: Sequence[str], *, as_json: bool) -> None:
        self._out = out
        self._err = err
        self._json = as_json
        self._width = max(map(len, names), default=0)

    def handle(self, event: Event) -> None:
        """Take one event; phases and steps are not worth a line here."""
        if isinstance(event, LogLine):
            for line in [entry_document(event.entry)] if self._json else text_lines(event.entry, self._width):
                self._out.write(f"{line}\n")
            self._out.flush()
        elif isinstance(event, Notice) and self._json and event.node:
            self._out.write(json.dumps({"node": event.node, "notice": event.message}, ensure_ascii=False) + "\n")
            self._out.flush()
        elif isinstance(event, Notice) and not self._json:
            self._err.write(f"{'warning: ' * (event.level == 'warning')}{located(event.node, event.message)}\n")
            self._err.flush()

    def tick(self) -> None:
        """A log does not show the passing of time."""

    def pause(self) -> None:
        """Whole lines leave the terminal as a question wants it."""

    def resume(self) -> None:
        """Nothing was put away."""

    def close(self) -> None:
        """Nothing to put back."""


def text_lines(entry: LogEntry, width: int) -> Iterator[str]:
    """An entry for a person: the node, the time of this machine's zone, the message; each of its lines by itself."""
    when = datetime.fromtimestamp(entry.usec / 1e6).astimezone()
    for line in entry.message.splitlines() or [""]:
        yield f"{entry.node:<{width}}  {when:%Y-%m-%d %H:%M:%S.%f}  {_CONTROL.sub('�', line)}"


def entry_document(entry: LogEntry) -> str:
    """An entry for a program."""
    seconds, micro = divmod(entry.usec, 1_000_000)
    when = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micro)
    document = {
        "node": entry.node,
        "time": when.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "unit": entry.unit,
        "priority": entry.priority if entry.priority >= 0 else None,
        "message": entry.message,
    }
    return json.dumps(document, ensure_ascii=False)
