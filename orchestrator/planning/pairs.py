"""Which pairs of vantage and entry are asked: all of them, or a sample.

All pairs grow with the square of the nodes, a sample grows with the nodes. Each plan keeps what it promises
(:data:`GUARANTEES`) for any number of nodes and tasks and any seed, and chooses the same pairs for the same seed. Other
seeds choose other pairs: so many successive ones ask them all (:func:`seeds_for_all`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import permutations

from orchestrator.model.probe import Pairs

NEIGHBOURS = 2
"""In a sample, from how many other nodes each node is asked, and how many others each node asks."""

FEWEST = 4
"""The least requests of a way in a sample: a way on which nothing comes through is told from one task that hangs."""

ENTRIES_FOR_TASKS = 2
"""With the plan ``nodes``: through how many nodes all tasks are asked for."""

ALL_UP_TO = 20
"""The largest number of nodes whose pairs are all asked unless somebody wants it otherwise."""

REQUESTS_FOR_PATHS = 50_000
"""The most requests that the plan ``paths`` may take to be chosen without being asked for: a minute or two."""

GUARANTEES = {
    Pairs.ALL: "every node asks every node, and every node leads to every running task",
    Pairs.PATHS: f"every node asks {NEIGHBOURS} others and itself, is asked by {NEIGHBOURS} others, "
    "and leads to every running task",
    Pairs.NODES: f"every node asks {NEIGHBOURS} others and itself and is asked by {NEIGHBOURS} others; "
    f"every running task is asked for through {ENTRIES_FOR_TASKS} nodes",
}
"""What each plan promises, where the nodes are enough and the vantages live."""


def automatic(nodes: int, requests: int) -> Pairs:
    """The plan where nobody chose one; ``requests`` are those that the plan ``paths`` would take."""
    if nodes <= ALL_UP_TO:
        return Pairs.ALL
    return Pairs.PATHS if requests <= REQUESTS_FOR_PATHS else Pairs.NODES


def ways_before(hosts: Sequence[str], managers: Collection[str]) -> Iterator[tuple[str, str]]:
    """Which hosts try to reach which others before a swarm is made of them: everyone everyone, as long as they are few.

    Of more than :data:`ALL_UP_TO` everyone tries every manager and :data:`NEIGHBOURS` others, and is tried by as many.
    """
    if len(hosts) <= ALL_UP_TO:
        yield from permutations(hosts, 2)
        return
    to_managers = ((host, manager) for manager in hosts if manager in managers for host in hosts if host != manager)
    yield from dict.fromkeys([*to_managers, *sampled(hosts, hosts, 0)])


def sampled(vantages: Sequence[str], entries: Sequence[str], seed: int) -> Iterator[tuple[str, str]]:
    """Pairs of different nodes: each entry from :data:`NEIGHBOURS` vantages, and each vantage to as many entries.

    Fewer only where there are not so many others. Where the vantages are the entries, each has exactly so many. Each
    pair comes once.
    """
    asked: dict[tuple[str, str], None] = {}
    load = dict.fromkeys(vantages, 0)
    for place, entry in enumerate(entries):
        for vantage in _some(vantages, entry, place, seed):
            asked[vantage, entry] = None
            load[vantage] += 1
    for place, vantage in enumerate(vantages):
        missing = NEIGHBOURS - load[vantage]
        fresh = (entry for entry in _turned(entries, place) if entry != vantage and (vantage, entry) not in asked)
        for entry, _ in zip(fresh, range(missing), strict=False):
            asked[vantage, entry] = None
    yield from asked


def some_entries(entries: Sequence[str], seed: int) -> tuple[str, ...]:
    """The entries through which the plan ``nodes`` asks for all tasks."""
    return tuple(entries[place] for place in _places(len(entries), ENTRIES_FOR_TASKS, seed))


def seeds_for_all(nodes: int) -> int:
    """How many successive seeds ask every pair of so many nodes at least once."""
    return max(1, math.ceil((nodes - 1) / NEIGHBOURS))


def _some(names: Sequence[str], other: str, start: int, seed: int) -> Iterator[str]:
    """Some of the names but one, evenly spread over all that come after ``start``, shifted by the seed."""
    others = [name for name in _turned(names, start) if name != other]
    return (others[place] for place in _places(len(others), NEIGHBOURS, seed))


def _turned(names: Sequence[str], start: int) -> Sequence[str]:
    """All names, from the one at ``start`` on."""
    first = start % len(names) if names else 0
    return [*names[first:], *names[:first]]


def _places(size: int, number: int, seed: int) -> Iterator[int]:
    """So many different places of ``size``, evenly spread; the next seed takes the next ones."""
    number = min(number, size)
    return ((seed + turn * size // number) % size for turn in range(number))
