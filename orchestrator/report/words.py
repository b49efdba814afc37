"""The small words that all reports share. Standard library only: errors must be shown whatever is missing."""

from __future__ import annotations

import unicodedata

_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of what steers instead of showing: controls, marks of direction, halves of pairs, line ends."""


class _Signs(dict[int, str]):
    """For ``str.translate``: each character as it is shown, decided once."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        steers = unicodedata.category(character) in _UNSEEN and character not in "\n\t"
        self[code] = (chr(0x2400 + code) if code < 0x20 else "\ufffd") if steers else character
        return self[code]


_SIGNS = _Signs()


def visible(text: str) -> str:
    """The text without anything that a terminal would obey: names and answers come from files and hosts.

    Controls are shown by their pictures (``␛``), what cannot be seen by ``�``; line breaks and tabs stay.
    """
    return text if text.isascii() and text.isprintable() else text.translate(_SIGNS)


def steering(text: str) -> set[str]:
    """The characters of a text that a terminal would obey, line breaks and tabs apart."""
    return {character for character in text if _SIGNS[ord(character)] != character}


def seconds(value: float) -> str:
    """A duration for people: ``0.4 s``, ``12.0 s``, ``3 min 5 s``."""
    if value < 60:
        return f"{value:.1f} s"
    return f"{int(value // 60)} min {int(value % 60)} s"


def latency(value: float) -> str:
    """A latency in seconds as people write it: ``0.8 ms``, ``12 ms``, ``1.2 s``."""
    if value >= 1:
        return f"{value:.1f} s"
    milliseconds = value * 1000
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


def count(number: int, noun: str) -> str:
    """``1 step``, ``3 steps``; for nouns with a regular plural."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def located(node: str, message: str) -> str:
    """A message about a node, with the node's name before it unless it begins with that."""
    return message if not node or message.startswith(node) else f"{node}: {message}"
