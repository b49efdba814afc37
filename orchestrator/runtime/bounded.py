"""Do the same thing on many nodes at once, and wait for all of them together only so long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from orchestrator.runtime.context import Context
from orchestrator.runtime.fanout import Result

Item = TypeVar("Item")
Value = TypeVar("Value")

SLOW = 3
"""How many times slower than usual all may be before all are given up."""

TICK = 0.1
"""Seconds between two looks at whether the person has asked us to stop."""


def fan_out_within(
    context: Context,
    items: Sequence[Item],
    work: Callable[[Item], Value],
    seconds: float,
    *,
    pace: bool = False,
    limit: int = 64,
) -> list[Result[Item, Value]]:
    """Run ``work`` on the items, ``limit`` at once, for at most ``seconds``; results come in the order of the items.

    What has not ended by then is given up: its result is a ``TimeoutError``. Its thread is left alone and keeps nobody,
    not even the end of the process, waiting. Raises ``Interrupted`` as soon as the run is cancelled.

    With ``pace`` those that succeed set the pace: where they are slow (a busy machine, many nodes) the others have
    twice as long as they took. Until the first has succeeded all have :data:`SLOW` times ``seconds``.
    """
    done: SimpleQueue[tuple[int, Result[Item, Value]]] = SimpleQueue()

    turn = threading.Semaphore(limit)

    def attempt(place: int, item: Item) -> None:
        with turn:
            try:
                done.put((place, Result(item, value=work(item))))
            except Exception as error:
                done.put((place, Result(item, error=error)))

    for place, item in enumerate(items):
        threading.Thread(target=attempt, args=(place, item), name="within", daemon=True).start()
    results: dict[int, Result[Item, Value]] = {}
    started = time.monotonic()
    allowed, paced = (SLOW if pace else 1) * seconds, False
    while len(results) < len(items) and time.monotonic() - started < allowed:
        context.check()
        try:
            place, result = done.get(timeout=TICK)
        except Empty:
            continue
        results[place] = result
        if pace and result.error is None:
            allowed = max(allowed if paced else seconds, 2 * (time.monotonic() - started))
            paced = True
    context.check()
    late = TimeoutError(f"not done within {seconds:.0f} s")
    return [results.get(place) or Result(item, error=late) for place, item in enumerate(items)]
