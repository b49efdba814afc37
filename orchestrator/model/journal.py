"""Entries of the system journals of nodes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LogEntry:
    """One entry as a node's journal has it.

    ``usec`` is the node's own clock in microseconds since 1970 (UTC); ``priority`` is that of syslog, 0 (emergency) to
    7 (debug), -1 where it has none. ``cursor`` is the journal's name for the entry.
    """

    usec: int
    node: str
    unit: str
    message: str
    priority: int = -1
    cursor: str = ""
