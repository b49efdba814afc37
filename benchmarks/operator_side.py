"""The operator's side of a fan-out, in a process of its own that says at its end what it took."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.simulated import inventory
from orchestrator.errors import NodeError
from orchestrator.model.events import PhaseFinished
from orchestrator.model.inventory import Inventory
from orchestrator.model.probe import Pairs
from orchestrator.model.verdict import Verdict
from orchestrator.observe import observe
from orchestrator.providers.ssh import SshProvider
from orchestrator.runtime.context import Context
from orchestrator.usecases.connect import connected
from orchestrator.usecases.verify import verify

MEGABYTE = 1e6


def look(context: Context, hosts: Inventory, pairs: Pairs | None) -> int:  # noqa: ARG001 (as the other)
    """Log in everywhere and observe, as every command does first; how many engines were asked."""
    with connected(context, SshProvider(hosts), hosts.nodes) as connections:
        view = observe(context, connections, ())
    seen = sum(node.reachable for node in view.nodes)
    if seen < len(hosts.nodes) or view.swarm is None:
        raise NodeError(f"only {seen} of {len(hosts.nodes)} simulated hosts answered")
    return seen


def check(context: Context, hosts: Inventory, pairs: Pairs | None) -> int:
    """All of `lab verify`; how many requests were made."""
    report = verify(context, hosts, SshProvider(hosts), pairs=pairs).report
    if report.verdict is not Verdict.PASS:
        raise NodeError(f"the simulated mesh did not pass: {report.verdict}")
    return report.requests


WORK: Mapping[str, Callable[[Context, Inventory, Pairs | None], int]] = {"observe": look, "verify": check}


def main(words: Sequence[str]) -> None:
    """``words``: what to do, the folder of the hosts, and a plan of pairs ("" for the automatic one)."""
    what, folder, pairs = words
    phases: dict[str, float] = {}
    context = Context(lambda event: _note(phases, event))
    hosts = inventory(Path(folder))
    before, started = _used(), time.perf_counter()
    asked = WORK[what](context, hosts, Pairs(pairs) if pairs else None)
    seconds, after = time.perf_counter() - started, _used()
    told = {
        "seconds": seconds,
        "cpu": after[0] - before[0],
        "memory": after[1],
        "memory before": before[1],
        "asked": asked,
        "phases": phases,
    }
    sys.stdout.write(json.dumps(told) + "\n")


def _note(phases: dict[str, float], event: object) -> None:
    if isinstance(event, PhaseFinished):
        phases[event.phase] = event.seconds


def _used() -> tuple[float, float]:
    """Seconds of CPU, and the largest resident memory so far in megabytes (getrusage(2) counts kibibytes)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / MEGABYTE


if __name__ == "__main__":
    main(sys.argv[1:])
