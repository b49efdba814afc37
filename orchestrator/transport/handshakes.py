"""How many logins one sshd is asked for at the same time.

An sshd drops connections that have not authenticated yet, at random from the tenth on and all from the hundredth
(sshd_config(5), ``MaxStartups 10:30:100``). Nodes behind one address, and whoever else logs in there, share them.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

PER_SSHD = 8
"""Logins at once at one sshd; two are left for others."""

_lock = threading.Lock()
_turns: dict[tuple[str, int], threading.Semaphore] = defaultdict(lambda: threading.Semaphore(PER_SSHD))


@contextmanager
def handshake(host: str, port: int) -> Iterator[None]:
    """While entered, this is one of at most :data:`PER_SSHD` logins at that sshd; waits for its turn."""
    with _lock:
        turn = _turns[host, port]
    with turn:
        yield
