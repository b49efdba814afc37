"""What the kernel lets this process have: a connection is a file, and a shell's usual limit is 1024 of them."""

from __future__ import annotations

import resource
from pathlib import Path

from orchestrator.errors import EnvironmentProblem

SPARE = 128
"""Open files besides the connections: what is open for a moment only."""

_OPEN = Path("/proc/self/fd")


def room_for(connections: int) -> None:
    """See to it that so many more files can be open, and some to spare; the hard limit is not touched.

    Raises ``EnvironmentProblem`` where the hard limit is too low.
    """
    needed = sum(1 for _ in _OPEN.iterdir()) + connections + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise EnvironmentProblem(
            f"{connections} connections need about {needed} open files, and this process may have {hard}",
            hint=f"raise the limit as root (`ulimit -Hn {needed}` in the shell that starts lab, or limits.conf(5))",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
