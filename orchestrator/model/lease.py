"""Who works on a cluster: the lease that lies in the swarm itself, for operators on different machines."""

from __future__ import annotations

from dataclasses import dataclass

NAME = "swarm-mesh-lab.lease"
"""Name of the swarm config that is the lease. Docker gives no name twice, so only one can hold it."""

HOLDER = "swarm-mesh-lab.lease"
"""Label of that config: its holder, as JSON."""

RENEWED = "swarm-mesh-lab.renewed"
"""Label of that config: how often it was renewed. Docker dates each change by the managers' clock."""


@dataclass(frozen=True)
class Holder:
    """One run of a command, and the person behind it.

    ``seat`` is where ``pid`` means something: one boot of one machine, and one namespace of pids on it. ``born`` is
    when that process started, in the kernel's ticks since boot. ``id`` is random.
    """

    id: str
    user: str
    host: str
    pid: int
    born: int
    seat: str
    command: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host} (`{self.command}`, pid {self.pid})"


@dataclass(frozen=True)
class LiveLease:
    """A lease as it lies in the swarm. ``holder`` is ``None`` where its note cannot be read.

    ``age`` is how long ago it was taken or renewed, ``held`` how long ago it was taken, both in seconds by the
    managers' clock: no operator's clock has a part in it.
    """

    id: str
    holder: Holder | None
    age: float
    held: float
