"""YAML text → node graph, with YAML 1.2's plain types and a bounded depth.

PyYAML resolves plain scalars by YAML 1.1, where ``22:22`` is the number 1342 and ``on`` is true. Compose files
are read by go-yaml, which knows neither, so this module has its own short table. Octal numbers may be written
``0444`` (YAML 1.1, used for file modes in Compose files) or ``0o444`` (YAML 1.2).
"""

from __future__ import annotations

import math
import re
from typing import NoReturn

import yaml

_TAG = "tag:yaml.org,2002:"
NULL, BOOL, INT, FLOAT, STR, MAP, SEQ, MERGE = (
    _TAG + name for name in ("null", "bool", "int", "float", "str", "map", "seq", "merge")
)
MAX_DEPTH = 40
MAX_NODES = 20_000
_MOST_DIGITS = 100


class _Loader(yaml.SafeLoader):
    """Composes nodes; constructs nothing."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's own way to start an empty table)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node; refuses depths and numbers that can only be an accident or an attack."""
        self._count += 1
        if self._depth > MAX_DEPTH:
            self._refuse(f"nested more than {MAX_DEPTH} levels deep")
        if self._count > MAX_NODES:
            self._refuse(f"the file has more than {MAX_NODES} values")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def _refuse(self, problem: str) -> NoReturn:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _resolver(tag: str, pattern: str, first: str) -> None:
    """``first`` has the characters with which such a text can begin ("" for the empty text)."""
    _Loader.add_implicit_resolver(tag, re.compile(rf"(?:{pattern})\Z"), list(first) or [""])


_resolver(NULL, r"", "")
_resolver(NULL, r"~|null|Null|NULL", "~nN")
_resolver(BOOL, r"true|True|TRUE|false|False|FALSE", "tTfF")
_resolver(INT, r"[-+]?(?:0|[1-9][0-9]*|0o?[0-7]+|0x[0-9a-fA-F]+)", "-+0123456789")
_resolver(FLOAT, r"(?=.*[.eE])[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", "-+0123456789.")
_resolver(MERGE, r"<<", "<")


def compose(text: str) -> yaml.Node | None:
    """The root node of the only document; ``None`` for an empty one. Raises ``yaml.YAMLError``."""
    loader = _Loader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


def plain_tag(text: str) -> str:
    """The tag of a text that stands plain (unquoted) in a file."""
    for tag, pattern in _Loader.yaml_implicit_resolvers.get(text[:1], []):
        if pattern.match(text):
            return str(tag)
    return STR


def typed(tag: str, text: str) -> str | int | float | bool | None:
    """The value of a scalar. Raises ``ValueError`` where the text is not of the kind its tag says."""
    if tag == NULL:
        return None
    if tag == BOOL:
        return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _refuse(text)
    if tag == INT:
        return _integer(text)
    if tag == FLOAT:
        return _finite(text)
    return text


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("the number has too many digits")
    digits = text.lstrip("+-")
    base = 8 if re.fullmatch(r"0[0-7]+", digits) else 0
    try:
        return int(text, base)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a number that can be used")
    return value


def _refuse(text: str) -> bool:
    raise ValueError(f"{text!r} is neither true nor false")
