"""A steady stream of HTTP requests from several nodes at once, each to a port on its own loopback."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType

from orchestrator.model.probe import Probe, Target
from orchestrator.model.timeline import Shot
from orchestrator.transport.base import Host
from orchestrator.transport.probing import request
from orchestrator.transport.wire import PING_SECONDS

DEADLINE = 2.0
"""Seconds for one request."""


class Traffic:
    """While entered, every node of ``hosts`` asks ``127.0.0.1:port`` once per ``every`` seconds.

    A request that is not answered does not hold up the next one. ``clock`` gives the time of each shot.
    """

    def __init__(
        self, hosts: Mapping[str, Host], port: int, every: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hosts = dict(hosts)
        self._port = port
        self._every = every
        self._clock = clock
        self._shots: list[Shot] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._stream, args=(name,), name="traffic") for name in hosts]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def shots(self, since: float) -> tuple[Shot, ...]:
        """What has come back so far, in the order of sending; times are seconds after ``since``."""
        return tuple(sorted((replace(shot, at=shot.at - since) for shot in list(self._shots)), key=lambda one: one.at))

    def _stream(self, entry: str) -> None:
        # A silent target and then a silent node (which is asked for a sign of life) are the longest a request takes.
        most = math.ceil((DEADLINE + PING_SECONDS) / self._every) + 1
        begun = self._clock()
        with ThreadPoolExecutor(min(most, 64), thread_name_prefix=f"traffic-{entry}") as pool:
            number = 0
            while not self._over.wait(max(0.0, begun + number * self._every - self._clock())):
                pool.submit(self._one, entry, number)
                number += 1
            pool.shutdown(cancel_futures=True)

    def _one(self, entry: str, number: int) -> None:
        target = Target(entry, "127.0.0.1", self._port)
        at = self._clock()
        seen = request(self._hosts[entry], Probe("", entry, target, "", self._port, 1, DEADLINE), number)
        self._shots.append(Shot(entry, at, seen.outcome, seen.latency, seen.answer.task, seen.answer.slot))
