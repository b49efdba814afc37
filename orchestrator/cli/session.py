"""Runs a use case in a worker thread while the main thread feeds the sinks and listens for Ctrl-C.

The first SIGINT or SIGTERM cancels the context: connections close, waiting ends, the use case raises
:class:`Interrupted`. The second one leaves at once with exit code 130.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Generic, TypeVar

from orchestrator.cli.prompt import answer
from orchestrator.errors import ExitCode, Interrupted
from orchestrator.model.events import Event, Notice
from orchestrator.report.sinks import Sink
from orchestrator.runtime.context import Context

Value = TypeVar("Value")

TICK = 0.1
"""Seconds between two redraws."""

GRACE = 30.0
"""Seconds that a cancelled use case has to come to its end before it is left where it is."""

SHOW_CURSOR = b"\x1b[?25h\r\n"


@dataclass(frozen=True)
class _Done(Generic[Value]):
    """The worker's last word."""

    value: Value | None = None
    error: BaseException | None = None


class _Signal:
    """A signal has arrived (the first one; the second never gets this far)."""


class _Question:
    """Something that a worker thread wants to know from the person; it waits for :attr:`answered`."""

    def __init__(self, text: str, *, secret: bool) -> None:
        self.text = text
        self.secret = secret
        self.answer: str | None = None
        self.answered = threading.Event()


Message = Event | _Signal | _Question | _Done[Value]


def run(work: Callable[[Context], Value], sinks: Sequence[Sink]) -> Value:
    """Carry out ``work`` and return its value, or raise what it raised. Call it from the main thread."""
    # SimpleQueue, because a signal handler may put into it while the main thread is inside get().
    queue: SimpleQueue[Message[Value]] = SimpleQueue()
    stop = threading.Event()

    def ask(question: str, *, secret: bool) -> str | None:
        asked = _Question(question, secret=secret)
        queue.put(asked)
        asked.answered.wait()
        return asked.answer

    def signalled() -> None:
        stop.set()
        queue.put(_Signal())

    context = Context(queue.put, ask)

    def worker() -> None:
        try:
            queue.put(_Done(value=work(context)))
        except BaseException as error:
            queue.put(_Done(error=error))

    try:
        with _signals(signalled):
            threading.Thread(target=worker, name="lab-work", daemon=True).start()
            done = _drain(queue, context, sinks, stop.is_set)
    finally:
        for sink in sinks:
            sink.close()
    if done.error is not None:
        raise done.error
    return done.value  # type: ignore[return-value]


def _drain(
    queue: SimpleQueue[Message[Value]], context: Context, sinks: Sequence[Sink], interrupted: Callable[[], bool]
) -> _Done[Value]:
    """Feed the sinks until the worker is done, or until it had its grace after a signal."""
    deadline: float | None = None
    while True:
        try:
            message = queue.get(timeout=TICK)
        except Empty:
            if deadline is not None and time.monotonic() > deadline:
                return _Done(error=Interrupted(f"interrupted; what was running did not stop within {GRACE:.0f} s"))
            for sink in sinks:
                sink.tick()
            continue
        if isinstance(message, _Done):
            # What fails because we closed its connections did not fail of itself.
            stopped = deadline is not None and message.error is not None
            return _Done(error=Interrupted("interrupted")) if stopped else message
        if isinstance(message, _Question):
            _put(message, context, sinks, interrupted)
        elif isinstance(message, _Signal):
            deadline = time.monotonic() + GRACE
            _feed(sinks, Notice("stopping … (again to leave at once)", level="warning"))
            context.cancel()
        else:
            _feed(sinks, message)


def _put(question: _Question, context: Context, sinks: Sequence[Sink], interrupted: Callable[[], bool]) -> None:
    """Ask the person while nothing else is drawn; a signal is an answer, too."""
    for sink in sinks:
        sink.pause()
    try:
        question.answer = answer(question.text, secret=question.secret, stopped=interrupted, env=os.environ)
    finally:
        if interrupted():
            context.cancelled.set()  # the worker must not take "no answer" for "nobody there"
        question.answered.set()
        for sink in sinks:
            sink.resume()


def _feed(sinks: Sequence[Sink], event: Event) -> None:
    for sink in sinks:
        sink.handle(event)


@contextmanager
def _signals(first: Callable[[], None]) -> Iterator[None]:
    """While the body runs, the first SIGINT or SIGTERM calls ``first`` and the second ends the process."""
    seen = False

    def handler(_number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        if seen:
            _leave()
        seen = True
        first()

    previous = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def _leave() -> None:
    """End the process at once: no thread is waited for, only the terminal's cursor comes back."""
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), SHOW_CURSOR)
    os._exit(ExitCode.INTERRUPTED)
