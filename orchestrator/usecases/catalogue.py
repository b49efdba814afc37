"""``lab labs``: what labs there are beside the inventory, and what each consists of. Needs no machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.checks.base import Check
from orchestrator.checks.derived import derived_checks
from orchestrator.config.compose import load_lab
from orchestrator.errors import ConfigError
from orchestrator.model.catalogue import CheckEntry, LabEntry
from orchestrator.model.lab import Lab
from orchestrator.usecases.locate import lab_place, shelf_of

README = "README.md"


def list_labs(file: Path, env: Mapping[str, str]) -> list[LabEntry]:
    """Every lab in ``labs/`` beside this inventory file, by name; one that cannot be read says why."""
    shelf = shelf_of(file)
    folders = sorted(path for path in shelf.iterdir() if path.is_dir()) if shelf.is_dir() else []
    return [_entry(folder, env) for folder in folders]


def find_lab(file: Path, name: str, env: Mapping[str, str]) -> LabEntry:
    """The lab of that name, or at that path.

    Raises :class:`UsageError` naming the labs that exist, :class:`ConfigError` for a file that cannot be read.
    """
    place = lab_place(shelf_of(file), name)
    return _described(place, load_lab(place, env).value)


def _entry(folder: Path, env: Mapping[str, str]) -> LabEntry:
    try:
        return _described(folder, load_lab(folder, env).value)
    except ConfigError as error:
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        return LabEntry(folder.name, folder, problem=f"{error.problems[0]}{more}")


def _described(place: Path, lab: Lab) -> LabEntry:
    checks: Sequence[Check] = lab.checks or tuple(derived_checks(lab))
    entries = tuple(CheckEntry(check.kind, check.title or "", tuple(check.claims)) for check in checks)
    guide = lab.path.parent / README
    entry = LabEntry(place.name if place.is_dir() else lab.name, lab.path, lab, entries, derived=not lab.checks)
    return replace(entry, readme=guide if guide.is_file() else None)
