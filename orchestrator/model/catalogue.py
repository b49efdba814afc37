"""What there is to choose from: the labs beside an inventory, and the kinds of checks with their keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.model.lab import Lab


@dataclass(frozen=True)
class CheckEntry:
    """One check of a lab; ``claims`` are the numbers of those that it proves."""

    kind: str
    title: str = ""
    claims: tuple[int, ...] = ()


@dataclass(frozen=True)
class LabEntry:
    """One lab. ``name`` is what ``lab up`` takes; ``lab`` is ``None`` where its file cannot be read (``problem``).

    ``derived`` says that its file has no checks, so that they are made from what the lab consists of. ``readme`` is
    ``None`` where there is none.
    """

    name: str
    path: Path
    lab: Lab | None = None
    checks: tuple[CheckEntry, ...] = ()
    derived: bool = False
    readme: Path | None = None
    problem: str = ""

    @property
    def claims(self) -> tuple[int, ...]:
        """All claims that its checks prove."""
        return tuple(sorted({claim for check in self.checks for claim in check.claims}))


@dataclass(frozen=True)
class KeyDoc:
    """One key of a check: its type in words, and its default in words ("" where it has none)."""

    name: str
    type: str
    required: bool
    default: str
    description: str


@dataclass(frozen=True)
class KindDoc:
    """One kind of check. ``paragraphs`` say what it means; ``common`` are the keys that every kind has."""

    name: str
    paragraphs: tuple[str, ...]
    keys: tuple[KeyDoc, ...]
    common: tuple[KeyDoc, ...]
    alters: bool = False
