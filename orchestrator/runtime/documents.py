"""JSON files of ours: each names the schema it was written in, and appears whole or not at all.

What is read may have been truncated, edited or written by another version of this program: that is told, with the
path and with what to do, and never guessed at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import EnvironmentProblem
from orchestrator.runtime.paths import write_atomic

KEY = "schema"


class UnusableDocument(EnvironmentProblem):
    """A file of ours that is there and cannot be gone by."""


class DamagedDocument(UnusableDocument):
    """A file that does not hold what we wrote."""


class NewerDocument(UnusableDocument):
    """A file that a newer version of this program has written."""


def write_document(path: Path, schema: int, content: Mapping[str, Any]) -> None:
    """Write ``content`` with its schema; raises :class:`EnvironmentProblem` where the folder cannot be written."""
    write_atomic(path, (json.dumps({KEY: schema, **content}, indent=2) + "\n").encode())


def read_document(path: Path, schema: int, *, hint: str, unnamed: int = 0) -> dict[str, Any] | None:
    """The content of a file, without its schema; ``None`` where there is no file.

    ``schema`` is the newest that the caller reads, ``unnamed`` the one of files that name none (0: there are none
    such). Raises :class:`DamagedDocument` with ``hint``, :class:`NewerDocument`, or :class:`EnvironmentProblem` for a
    file that cannot be read at all.
    """
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {path}: {error.strerror}", hint="look at its owner and mode") from error
    try:
        document = json.loads(text)
    except ValueError as error:
        raise damaged(path, f"it is not JSON ({error})", hint) from error
    found = document.pop(KEY, unnamed) if isinstance(document, dict) else None
    if type(found) is not int or found < 1:
        raise damaged(path, "it does not name its schema", hint)
    if found > schema:
        raise NewerDocument(
            f"{path} was written by a newer version of lab (schema {found}, this one reads {schema})",
            hint="use that version of lab for it",
        )
    content: dict[str, Any] = document
    return content


def damaged(path: Path, why: str, hint: str) -> DamagedDocument:
    """The error for a file that does not hold what we wrote."""
    return DamagedDocument(f"the file {path} is damaged: {why}", hint=hint)
