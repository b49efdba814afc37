"""Where something stands in a file, and the collection of everything that is wrong there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from orchestrator.errors import ConfigError, ConfigProblem

Loc = tuple[str | int, ...]
"""The way from the root of a document to a value: keys of mappings and positions in lists."""

Value = TypeVar("Value")

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_MOST = 600
"""Characters of a place or a message that are told; what is longer repeats a value that cannot be meant."""


@dataclass(frozen=True)
class Loaded(Generic[Value]):
    """What a file says, and what is allowed in it but probably not meant."""

    value: Value
    warnings: tuple[ConfigProblem, ...] = ()


def path_of(loc: Loc) -> str:
    """The place as people write it: ``nodes[1].ssh.port``; keys with other characters are quoted."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not _PLAIN_KEY.fullmatch(part):
            path += f'["{part}"]'
        else:
            path += f".{part}" if path else part
    return path


def _told(text: str) -> str:
    """The text as one line of bounded length, whatever a file made it hold."""
    short = text if len(text) <= _MOST else f"{text[: _MOST // 2]}…{text[-_MOST // 2 :]}"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in short)


class Report:
    """Collects the problems of one file.

    ``lines`` maps places to lines; a place without a line has that of the nearest place around it.
    """

    def __init__(self, file: Path, lines: Mapping[Loc, int]) -> None:
        self._file = file
        self._lines = lines
        self.errors: list[ConfigProblem] = []
        self.warnings: list[ConfigProblem] = []

    def line(self, loc: Loc) -> int:
        """The line where the place stands; 1 where nothing is known."""
        for end in range(len(loc), -1, -1):
            if loc[:end] in self._lines:
                return self._lines[loc[:end]]
        return 1

    def error(self, loc: Loc, message: str, *, line: int = 0) -> None:
        """Something that keeps the file from being used; ``line`` overrides the line of the place."""
        self.errors.append(self._problem(line or self.line(loc), loc, message))

    def warn(self, loc: Loc, message: str) -> None:
        """Something that is allowed but probably not meant."""
        self.warnings.append(self._problem(self.line(loc), loc, message))

    def _problem(self, line: int, loc: Loc, message: str) -> ConfigProblem:
        return ConfigProblem(self._file, line, _told(path_of(loc)), _told(message))

    def as_error(self) -> ConfigError:
        """Everything found so far as one error, each problem once."""
        return ConfigError(sorted(set(self.errors)))
