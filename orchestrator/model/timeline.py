"""What clients and managers saw while something happened to a service. Times are seconds since it happened."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model.probe import Outcome


@dataclass(frozen=True)
class Shot:
    """One request of a steady stream, sent at ``at`` to the published port of the node ``entry``.

    ``task`` and ``slot`` name who answered ("" where nobody did); ``latency`` is seconds until answer or failure.
    """

    entry: str
    at: float
    outcome: Outcome
    latency: float
    task: str = ""
    slot: str = ""


@dataclass(frozen=True)
class Sample:
    """What a manager said at ``at``: ids of the service's running tasks, the disturbed node's state, the update's."""

    at: float
    running: frozenset[str]
    node: str = ""
    update: str = ""


@dataclass(frozen=True)
class Timeline:
    """All of it. ``entries`` are the nodes that were asked, in order; ``end`` is when the watching ended."""

    entries: tuple[str, ...]
    shots: tuple[Shot, ...]
    samples: tuple[Sample, ...]
    end: float
