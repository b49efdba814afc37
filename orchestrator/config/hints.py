"""Words for messages: what was found, what was expected, what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST = 60


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A closing question such as ``; did you mean 'role'?``, or "" where nothing is near."""
    by_lower = {choice.lower(): str(choice) for choice in choices}
    near = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""


def one_of(choices: Iterable[str]) -> str:
    """``a, b or c``."""
    *most, last = list(choices)
    return f"{', '.join(most)} or {last}" if most else last


def shown(value: object) -> str:
    """A value as a message shows it: short, on one line, with its kind where that is what is wrong."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {_short(str(value) if _fits(value) else 'with very many digits')}"
    if isinstance(value, str):
        return _short(repr(value))
    return "a list" if isinstance(value, list) else "a mapping"


def _fits(value: float) -> bool:
    """Whether a number has few enough digits for Python to print it (it refuses above 4300)."""
    return bool(abs(value) < 10**_LONGEST)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]}…{text[-1]}"


def unusable(text: str) -> str:
    """Why no file name, no argument and no JSON can be that text (``holds …``), "" where it can."""
    bad = next((character for character in text if character == "\0" or "\ud800" <= character <= "\udfff"), "")
    if not bad:
        return ""
    what = "the character NUL" if bad == "\0" else f"{bad!r}, which is no character (a byte that is not UTF-8?)"
    return f"holds {what}"
