"""Do the same thing on many nodes at once and return what became of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Result(Generic[Item, Value]):
    """What became of one item: a value, or the exception that ended it."""

    item: Item
    value: Value | None = None
    error: Exception | None = None

    def get(self) -> Value:
        """The value; raises the exception that ended the work."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


def fan_out(items: Sequence[Item], work: Callable[[Item], Value], *, limit: int = 32) -> list[Result[Item, Value]]:
    """Run ``work`` on every item, at most ``limit`` at a time; results come in the order of the items.

    No exception of one item keeps the others from being done; each is returned in its result.
    """

    def attempt(item: Item) -> Result[Item, Value]:
        try:
            return Result(item, value=work(item))
        except Exception as error:
            return Result(item, error=error)

    if not items:
        return []
    with ThreadPoolExecutor(max_workers=min(limit, len(items))) as pool:
        return list(pool.map(attempt, items))
