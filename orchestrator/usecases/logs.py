"""``lab logs``: the engine logs of all nodes as one, in the order of time. Changes nothing."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue

from orchestrator.errors import NodeError, UsageError
from orchestrator.model.events import LogLine
from orchestrator.model.inventory import Inventory, NodeConfig
from orchestrator.model.journal import LogEntry
from orchestrator.model.observed import Problem
from orchestrator.model.outcome import LogsOutcome
from orchestrator.observe.journal import NO_JOURNAL, journal_command, parse_entries, parse_entry, since_word
from orchestrator.providers.base import Provider
from orchestrator.runtime.bounded import fan_out_within
from orchestrator.runtime.context import Context
from orchestrator.transport.base import CommandResult, Host, problem_of
from orchestrator.usecases.connect import PATIENCE, Hosts, connected, unreachable

READ_SECONDS = 30.0
"""How long a node may take to print what its journal holds."""

HOLD = 0.5
"""Seconds for which a new entry is held back, in case that an earlier one of another node is still on its way."""

TICK = 0.1

LAST = 100
"""Entries of each node that are told where nobody says since when."""


@dataclass(frozen=True)
class Wanted:
    """Which entries: of one systemd unit, ``since`` a moment (as the person wrote it) or the last ``lines``."""

    unit: str = "docker"
    since: str = ""
    lines: int | None = None
    follow: bool = False

    def command(self, after: str = "", *, follow: bool = False) -> tuple[str, ...]:
        """What a node is told to print; ``after`` a cursor, nothing else counts. Raises :class:`UsageError`."""
        if after:
            return journal_command(self.unit, after=after, follow=follow)
        try:
            since = since_word(self.since) if self.since else ""
        except ValueError as error:
            raise UsageError(f"--since: {error}") from None
        last = self.lines if self.lines is not None or self.since else LAST
        return journal_command(self.unit, since=since, lines=last, follow=follow)


@dataclass
class _Read:
    """What a node has told so far; ``root`` is how its journal could be read, ``cursor`` its last entry."""

    entries: list[LogEntry]
    root: bool
    cursor: str = field(init=False)

    def __post_init__(self) -> None:
        self.cursor = self.entries[-1].cursor if self.entries else ""


def logs(
    context: Context,
    inventory: Inventory,
    provider: Provider,
    wanted: Wanted,
    *,
    node: str = "",
    hold: float = HOLD,
    clock: Callable[[], float] = time.monotonic,
) -> LogsOutcome:
    """Tell the entries of all nodes (or of one), merged by time; with ``follow`` go on until interrupted.

    A node that cannot be read is told and waited for no longer than :data:`PATIENCE`. Raises :class:`UsageError` for a
    node that is not in the inventory.
    """
    command = wanted.command()
    with connected(context, provider, _chosen(inventory, node), patience=PATIENCE) as hosts:
        problems = unreachable(hosts)
        there = {name: host for name, host in hosts.items() if not isinstance(host, Problem)}
        found = _read_all(context, there, wanted, command, problems)
        entries = sorted((entry for one in found.values() for entry in one.entries), key=lambda entry: entry.usec)
        for entry in entries:
            context.emit(LogLine(entry))
        told = len(entries)
        if wanted.follow and found:
            told += _follow(context, there, wanted, found, hold=hold, clock=clock)
    return LogsOutcome(told, tuple(found), problems)


def _chosen(inventory: Inventory, node: str) -> Sequence[NodeConfig]:
    if not node:
        return inventory.nodes
    try:
        return [inventory.node(node)]
    except KeyError:
        known = ", ".join(one.name for one in inventory.nodes)
        raise UsageError(f"there is no node {node!r}", hint=f"the nodes are {known}") from None


def _read_all(
    context: Context, hosts: Mapping[str, Host], wanted: Wanted, command: Sequence[str], problems: dict[str, Problem]
) -> dict[str, _Read]:
    """What every journal holds already; nodes whose journal cannot be read are added to ``problems``."""
    found: dict[str, _Read] = {}
    late = Problem("timeout", f"its journal was not told within {READ_SECONDS:.0f} s", "ask for less: --since, --lines")
    for result in fan_out_within(
        context, list(hosts), lambda name: _read(context, hosts[name], wanted, command), READ_SECONDS
    ):
        if isinstance(result.error, NodeError | TimeoutError):
            problem = late if isinstance(result.error, TimeoutError) else problem_of(result.error)
            problems[result.item] = problem
            context.notice(f"{problem.message}; {problem.hint}", level="warning", node=result.item)
        else:
            found[result.item] = result.get()
    return found


def _read(context: Context, host: Host, wanted: Wanted, command: Sequence[str]) -> _Read:
    """One journal, as root where that is allowed. Raises ``NodeError``."""
    result, root = _as_root_or_not(host, command)
    if result.exit_code == NO_JOURNAL:
        raise NodeError(
            "it has no journalctl, so the engine's log is not in a systemd journal",
            node=host.name,
            hint="its service manager keeps the log elsewhere, often in /var/log/docker.log: "
            f"lab ssh {host.name} -- tail -f /var/log/docker.log",
        )
    entries, said = parse_entries(host.name, wanted.unit, result.stdout.splitlines())
    if result.exit_code != 0:
        words = result.stderr.strip() or "; ".join(said) or f"exit code {result.exit_code}"
        raise NodeError(f"its journal cannot be read: {words}", node=host.name, hint="try it: journalctl -u docker")
    if not entries:
        words = f"; journalctl says: {result.stderr.strip()}" if result.stderr.strip() else ""
        context.notice(f"no entries of the unit {wanted.unit}{words}", node=host.name, level="warning")
    return _Read(entries, root)


def _as_root_or_not(host: Host, command: Sequence[str]) -> tuple[CommandResult, bool]:
    """Whoever may not be root may be in a group that reads the journal (systemd-journal(8): adm, systemd-journal)."""
    try:
        return host.run(command, timeout=READ_SECONDS, root=True), True
    except NodeError as error:
        if error.kind != "auth":
            raise
    return host.run(command, timeout=READ_SECONDS), False


def _follow(
    context: Context,
    hosts: Hosts,
    wanted: Wanted,
    found: Mapping[str, _Read],
    *,
    hold: float,
    clock: Callable[[], float],
) -> int:
    """Tell new entries as they come, in the order of time as far as ``hold`` seconds allow; how many."""
    arrived: SimpleQueue[LogEntry | str] = SimpleQueue()
    waiting: list[tuple[int, int, float, LogEntry]] = []
    order, told, open_nodes = count(), 0, set(found)
    with ExitStack() as stack:
        for name, one in found.items():
            host = hosts[name]
            assert not isinstance(host, Problem)  # noqa: S101 (it was read from)
            stack.callback(_start(context, host, wanted, one, arrived))
        while open_nodes or waiting:
            try:
                news = arrived.get(timeout=TICK)
            except Empty:
                context.check()
            else:
                if isinstance(news, LogEntry):
                    heapq.heappush(waiting, (news.usec, next(order), clock(), news))
                else:
                    open_nodes.discard(news)
            while waiting and (not open_nodes or clock() - waiting[0][2] >= hold):
                context.emit(LogLine(heapq.heappop(waiting)[3]))
                told += 1
    return told


def _start(
    context: Context, host: Host, wanted: Wanted, one: _Read, arrived: SimpleQueue[LogEntry | str]
) -> Callable[[], None]:
    """Read a journal on in a thread of its own; what ends it. At its end the node's name is put into the queue.

    The thread is a daemon: nobody waits for it when the process ends in the middle.
    """
    lines = host.follow(wanted.command(one.cursor, follow=True), root=one.root)

    def pump() -> None:
        said = ""
        for line in lines:
            entry = parse_entry(host.name, wanted.unit, line)
            if entry is not None:
                arrived.put(entry)
            elif not line.startswith("-- "):
                said = line.strip() or said
        if not context.cancelled.is_set():
            why = f": {said}" if said else "" if host.alive else ": the connection is lost"
            context.notice(f"its log ends here{why}", level="warning", node=host.name)
        arrived.put(host.name)

    threading.Thread(target=pump, name=f"log-{host.name}", daemon=True).start()
    return lines.close
