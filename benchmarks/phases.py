"""Where the time of ``lab up`` goes, from what its own document tells. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]

PARTS = {
    "resume": "resume ",
    "identity": "identity ",
    "init": "init ",
    "joins": "join ",
    "network": "network ",
    "config": "config ",
    "service": "service ",
}
"""The parts that are steps, with what the names of their steps begin with."""


def parts(document: Document) -> dict[str, float]:
    """Seconds of each part of a first ``lab up``, from when its first step began to when its last one ended.

    Parts overlap where steps do: resuming holds the identities within, networks are made while nodes join. ``answers``
    is what remains after the service was made: its tasks start, all is looked at again, every way has answered.
    Raises ``KeyError`` where the document is not that of a first ``lab up``.
    """
    timeline = document["timeline"]
    found = {part: _span(timeline, prefix) for part, prefix in PARTS.items()}
    return {part: end - start for part, (start, end) in found.items()} | {
        "converge": _length(timeline, "await "),
        "answers": _length(timeline, "await ") + _phase(document, "check") + _phase(document, "answer"),
        "check": _phase(document, "check"),
    }


def _span(timeline: Sequence[Document], prefix: str) -> tuple[float, float]:
    steps = list(_steps(timeline, prefix))
    return min(step["started"] for step in steps), max(step["started"] + step["seconds"] for step in steps)


def _length(timeline: Sequence[Document], prefix: str) -> float:
    start, end = _span(timeline, prefix)
    return end - start


def _steps(timeline: Sequence[Document], prefix: str) -> Iterator[Document]:
    found = [step for step in timeline if step["step"].startswith(prefix)]
    if not found:
        raise KeyError(f"no step of `lab up` is called {prefix.strip()} …")
    yield from found


def _phase(document: Document, name: str) -> float:
    return float(next(phase["seconds"] for phase in document["phases"] if phase["phase"] == name))
