"""The contents of a lab's configs. Reads files, changes nothing."""

from __future__ import annotations

from pathlib import Path

from orchestrator.config.compose_schema import LabConfig, LabFile
from orchestrator.config.paths import absolute, unreadable
from orchestrator.config.problems import Loc
from orchestrator.config.validation import Checked

MAX_CONFIG_BYTES = 500 * 1024
"""The engine's bound (Docker's manual, "Store configuration data using Docker Configs")."""


def read_contents(checked: Checked[LabFile], base: Path) -> dict[str, bytes]:
    """The content of each config by key; reports those that cannot be had."""
    contents = {}
    for key, config in checked.value.configs.items():
        data = _content(checked, ("configs", key), config, base)
        if data is not None:
            contents[key] = data
    return contents


def _content(checked: Checked[LabFile], loc: Loc, config: LabConfig, base: Path) -> bytes | None:
    if (config.file is None) == (config.content is None):
        if not checked.incomplete(*loc):
            state = "neither file nor content" if config.file is None else "both file and content"
            checked.error(loc, f"{state} given; expected one of the two")
        return None
    if config.content is not None:
        return _bounded(checked, (*loc, "content"), config.content.encode())
    path = absolute(config.file or "", base, {})
    problem = unreadable(path)
    try:
        if not problem and path.stat().st_size <= MAX_CONFIG_BYTES:
            return _bounded(checked, (*loc, "file"), path.read_bytes())
    except OSError as error:
        problem = str(error.strerror)
    checked.error((*loc, "file"), f"{str(path)!r}: {problem or _too_large()}; expected the config's content")
    return None


def _bounded(checked: Checked[LabFile], loc: Loc, data: bytes) -> bytes | None:
    if 0 < len(data) <= MAX_CONFIG_BYTES:
        return data
    checked.error(loc, "the content is empty; the engine wants at least 1 byte" if not data else _too_large())
    return None


def _too_large() -> str:
    return f"the content has more than {MAX_CONFIG_BYTES} bytes, which is all that the engine takes"
