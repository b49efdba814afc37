"""One file for a bug report: parts by name, packed."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import EnvironmentProblem, UsageError

MODE = 0o600
"""Only who made it may read it: addresses and names of machines are nobody else's business."""


def as_json(value: object) -> Any:  # noqa: ANN401 (JSON has no narrower type)
    """A value as JSON has it: dataclasses as objects, paths as text; bytes by their number, never themselves."""
    plain = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    return json.loads(json.dumps(plain, default=_other))


def _other(value: object) -> str:
    return f"({len(value)} bytes)" if isinstance(value, bytes) else str(value)


def pack(folder: str, parts: Mapping[str, str]) -> bytes:
    """A tar archive, compressed, in which every part is a file below ``folder``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in sorted(parts.items()):
            data = text.encode("utf-8", "replace")
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), MODE, int(time.time())
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def write_new(path: Path, data: bytes) -> None:
    """Write a file that does not exist yet, readable by its owner alone.

    Raises :class:`UsageError` where it exists, :class:`EnvironmentProblem` where it cannot be written whole.
    """
    require_new(path)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
        except OSError:
            path.unlink(missing_ok=True)
            raise
    except FileExistsError:
        require_new(path)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {path}: {error.strerror}", hint="name another file") from error


def require_new(path: Path) -> None:
    """Raise :class:`UsageError` where something of that name exists."""
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} exists", hint="name another file, or remove this one")
