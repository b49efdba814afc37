"""Named policies for trying again. Each says when to stop, how long to wait and what is worth another try.

All waiting goes through the context, so a cancelled run leaves it at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, retry_if_exception_type, stop_after_attempt, stop_after_delay
from tenacity.wait import wait_fixed, wait_random

from orchestrator.runtime.context import Context

Value = TypeVar("Value")


class NotYet(Exception):
    """What is waited for is not so yet; the message says what is missing."""


def until(context: Context, look: Callable[[], Value], *, deadline: float, pause: float = 0.3) -> Value:
    """Look again and again until ``look`` no longer raises :class:`NotYet`; ``deadline`` and ``pause`` in seconds.

    Raises the last ``NotYet`` after the deadline, and whatever else ``look`` raises at once.
    """
    policy = Retrying(
        stop=stop_after_delay(deadline),
        wait=wait_fixed(pause),
        retry=retry_if_exception_type(NotYet),
        sleep=context.wait,
        reraise=True,
    )
    return policy(look)


def on_conflict(context: Context, change: Callable[[], Value], conflict: Callable[[BaseException], bool]) -> Value:
    """Make a change that must be based on the newest state: read and write again when somebody was faster."""
    policy = Retrying(
        stop=stop_after_attempt(5),
        wait=wait_random(0.05, 0.3),
        retry=retry_if_exception(conflict),
        sleep=context.wait,
        reraise=True,
    )
    return policy(change)


def while_busy(
    context: Context, change: Callable[[], Value], busy: Callable[[BaseException], bool], *, deadline: float
) -> Value:
    """Make a change that is refused as long as something still uses the object; ``deadline`` in seconds."""
    policy = Retrying(
        stop=stop_after_delay(deadline),
        wait=wait_fixed(0.5),
        retry=retry_if_exception(busy),
        sleep=context.wait,
        reraise=True,
    )
    return policy(change)
