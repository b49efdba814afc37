"""Paths as they stand in a file, and whether they lead anywhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""The names under which Compose finds its file in a folder, in its order."""


def absolute(text: str, base: Path, env: Mapping[str, str]) -> Path:
    """The path that ``text`` means in a file of the folder ``base``; ``~`` is the ``HOME`` of ``env``."""
    home = env.get("HOME")
    if home and (text == "~" or text.startswith("~/")):
        return Path(os.path.normpath(Path(home, text[2:])))
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        path = Path(text)
    return Path(os.path.normpath(base.absolute() / path))


def unreadable(path: Path) -> str:
    """Why a file cannot be read (``there is no such file``); "" where it can."""
    try:
        if not path.exists():
            return "there is no such file"
        if not path.is_file():
            return "this is not a file"
    except (OSError, ValueError) as error:
        return f"the path cannot be used ({getattr(error, 'strerror', None) or error})"
    return "" if os.access(path, os.R_OK) else "you may not read it"


def compose_files(path: Path) -> list[Path]:
    """The Compose files that a lab's path can mean, best first: itself, or those of the folder."""
    try:
        if path.is_dir():
            return [path / name for name in COMPOSE_NAMES if (path / name).exists()]
        return [path] if path.exists() else []
    except (OSError, ValueError):
        return []
