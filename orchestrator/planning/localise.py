"""Where a failure comes from, in words: which nodes to look at, what is likely, what to try."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.model.probe import OPERATOR, Outcome
from orchestrator.planning.scene import Scene
from orchestrator.planning.tally import Way, enumerate_names, task_name

DATA_PATH_HINT = (
    "on {nodes}: does the data-path port (UDP 4789 by default) pass both ways? `tcpdump -ni any udp port 4789`"
)
TASK_HINT = "`docker service ps {service}` and `docker logs` of that task; does its process listen and answer?"
REFUSED_HINT = "on {entry}: does dockerd listen (`ss -ltn sport = :{port}`)? does a firewall rule REJECT port {port}?"
DROPPED_HINT = "on {entry}: a firewall rule that drops port {port} (`iptables-save`, `nft list ruleset`), or its link"
LINK_HINT = "on {node}: is the cluster interface up (`ip -br link`), does a firewall drop its traffic?"
LOOPBACK_HINT = "on {entry}: the OUTPUT rules of table nat (DOCKER-INGRESS) and rules on interface lo"
OPERATOR_HINT = "the nodes do reach it: look at the port forward or the firewall between this machine and {entry}"

THIN_HINT = "`lab verify --pairs paths` asks for every task through every node; else packet loss or load on {entry}"


@dataclass(frozen=True)
class Finding:
    """One cause: the nodes to look at, what happened and what that means, where to look next."""

    nodes: tuple[str, ...]
    reason: str
    hint: str


def findings(found: Scene, entry: str) -> tuple[Finding, ...]:
    """Every cause of failures through an entry node."""
    ways = [way for way in found.through(entry) if way.failed]
    if not ways:
        return ()
    if all(way.dead and way.other_protocol for way in ways):
        return (_other_protocol(found, entry, ways),)
    if found.silent:
        return (_silence(found, ways),)
    if entry in found.mute:
        return (_mute(found, entry, ways),)
    blocked = [way for way in ways if found.blocked(way)]
    partly = [way for way in ways if way not in blocked]
    return (*_own(entry, blocked), *_access(found, entry, blocked), *_lossy(found, entry, partly))


def _other_protocol(found: Scene, entry: str, ways: Sequence[Way]) -> Finding:
    """Somebody answers, but not as a web server does: the network is fine, and we cannot tell who it was."""
    if found.silent:
        what = f"{_said(ways)}; the port answers on every node, but not in HTTP, and only HTTP can be judged"
        return Finding((), what, f"if {found.service} is no web server, this tells that its port leads to it")
    what = f"{_said(ways)}; elsewhere it answers in HTTP: something else listens there"
    return Finding((entry,), what, f"on {entry}: what listens (`ss -ltnp sport = :{found.port}`)?")


def _silence(found: Scene, ways: Sequence[Way]) -> Finding:
    """Nothing answers through any entry: that is the service itself, or the one thing all ways share."""
    what = f"{_said(ways)}; nothing answers on any node"
    hint = TASK_HINT.format(service=found.service)
    if not found.tasks:
        return Finding((), f"{what}, for no task of {found.service} runs", hint)
    if _refused(ways):
        likely = f"either its tasks (on {enumerate_names(found.hosts)}) listen on another port, or no node listens"
    else:
        likely = f"its tasks (on {enumerate_names(found.hosts)}) do not answer, or no request gets to them"
    return Finding(found.hosts, f"{what}: {likely}", hint)


def _mute(found: Scene, entry: str, ways: Sequence[Way]) -> Finding:
    """Nobody gets an answer through this entry, while others are fine."""
    itself = ", not even itself" if any(way.own for way in ways) else ""
    what = f"{_said(ways)}; nobody gets an answer through {entry}{itself}"
    if entry in found.trouble:
        return Finding((entry,), f"{what}: {found.trouble[entry]}", f"`lab status`; `docker node ls`; then {entry}")
    if _refused(ways):
        likely = f"dockerd on {entry} does not listen for the mesh, or a firewall there rejects"
        return Finding((entry,), f"{what}: {likely}", REFUSED_HINT.format(entry=entry, port=found.port))
    blamed = {node for pair, nodes in found.paths.items() if pair[0] == entry for node in nodes}
    if blamed and entry not in blamed:
        return _no_path(entry, what, tuple(sorted(blamed)))
    likely = f"packets are dropped: a firewall on {entry}, its link, or its way to the tasks"
    return Finding((entry,), f"{what}: {likely}", DROPPED_HINT.format(entry=entry, port=found.port))


def _own(entry: str, ways: Sequence[Way]) -> Iterator[Finding]:
    """The node does not reach itself at one of its addresses, though others do."""
    own = [way for way in ways if way.own]
    if not own:
        return
    if all(way.loopback for way in own):
        what = f"{_said(own)}; on {entry} only 127.0.0.1 fails, its address answers"
    else:
        what = f"{_said(own)}; {entry} does not reach its own port, while it answers others"
    yield Finding((entry,), what, LOOPBACK_HINT.format(entry=entry))


def _access(found: Scene, entry: str, ways: Sequence[Way]) -> Iterator[Finding]:
    """Vantages that do not get into the entry at all, grouped by who is to blame."""
    groups: dict[tuple[str, ...], list[Way]] = {}
    for way in ways:
        if not way.own:
            groups.setdefault(found.access[way.vantage, way.entry], []).append(way)
    for blamed, group in groups.items():
        yield _blocked(found, entry, blamed, group)


def _blocked(found: Scene, entry: str, blamed: tuple[str, ...], ways: Sequence[Way]) -> Finding:
    what = _said(ways)
    vantages = enumerate_names(way.vantage for way in ways)
    if OPERATOR in blamed:
        nodes = tuple(node for node in blamed if node != OPERATOR)
        reason = f"{what}; only the way from this machine to {entry} fails"
        return Finding(nodes, reason, OPERATOR_HINT.format(entry=entry))
    if blamed == (entry,):
        return _closed(found, entry, f"{what}; {vantages} cannot reach {entry}", ways)
    if entry in blamed:
        reason = f"{what}; nothing gets through between {vantages} and {entry}, and either side may be to blame"
        return Finding(tuple(sorted(blamed)), reason, LINK_HINT.format(node=enumerate_names(sorted(blamed))))
    node = enumerate_names(blamed)
    reason = f"{what}; {node} does not reach the other nodes: its link or its firewall{_known(found, blamed)}"
    return Finding(blamed, reason, LINK_HINT.format(node=node))


def _closed(found: Scene, entry: str, what: str, ways: Sequence[Way]) -> Finding:
    """All the others fail at this entry, and the node itself gets answers or could not be asked."""
    itself = ", which answers itself" if any(way.own and way.good for way in found.through(entry)) else ""
    what += itself + _known(found, (entry,))
    if _refused(ways):
        likely = f"a firewall on {entry} rejects, or dockerd does not listen on that address"
        return Finding((entry,), f"{what}: {likely}", REFUSED_HINT.format(entry=entry, port=found.port))
    likely = f"packets to {entry} are dropped: its link is down or a firewall drops them"
    return Finding((entry,), f"{what}: {likely}", DROPPED_HINT.format(entry=entry, port=found.port))


def _lossy(found: Scene, entry: str, ways: Sequence[Way]) -> Iterator[Finding]:
    """Some requests through this entry fail and some do not: it depends on the task that was picked."""
    if not ways:
        return
    what = _said(ways)
    causes = [*_silent_tasks(found, what), *_lost_tasks(found, entry, what)]
    if not causes and found.thin(entry):
        reason = f"{what}; too few requests went through {entry} to tell which tasks they met"
        causes = [Finding((entry,), reason, THIN_HINT.format(entry=entry))]
    if not causes:
        reason = f"{what}; every task answers through {entry} at times: requests get lost, or a task is overloaded"
        hint = f"packet loss (`ip -s link`) or load on {entry}, and the logs of the tasks"
        causes = [Finding((entry,), reason, hint)]
    yield from causes


def _silent_tasks(found: Scene, what: str) -> Iterator[Finding]:
    """Tasks that answer nobody, whichever node lets the request in."""
    for task in found.never_seen:
        host = found.host(task)
        reason = f"{what}; {task_name(task, host)} answers nobody{_known(found, (host,))}"
        yield Finding((host,), reason, TASK_HINT.format(service=found.service))


def _lost_tasks(found: Scene, entry: str, what: str) -> Iterator[Finding]:
    """Tasks that answer, but not through this entry."""
    groups: dict[str, list[str]] = {}
    for task in found.missed(entry):
        host = found.host(task)
        groups.setdefault(host, []).append(task_name(task, host))
    for host, tasks in groups.items():
        lost = f"{what}; {enumerate_names(tasks)} answers, but not through {entry}"
        if (entry, host) in found.paths:
            yield _no_path(entry, lost, found.paths[entry, host], host)
        else:
            yield Finding((entry,), lost, TASK_HINT.format(service=found.service))


def _no_path(entry: str, what: str, blamed: tuple[str, ...], host: str = "") -> Finding:
    where = f"from {entry} to {host}" if host else f"to {enumerate_names(blamed)}"
    reason = f"{what}: the data path {where} is broken (VXLAN, by default UDP 4789)"
    nodes = tuple(sorted(set(blamed)))
    return Finding(nodes, reason, DATA_PATH_HINT.format(nodes=enumerate_names(nodes)))


def _said(ways: Sequence[Way]) -> str:
    """What happened, for each way of failing: ``from n1 and n3: time-out (20 of 20)``."""
    groups: dict[str, list[str]] = {}
    for way in ways:
        place = f"{way.vantage} at 127.0.0.1" if way.loopback else way.vantage
        groups.setdefault(way.failures, []).append(place)
    return "; ".join(f"from {enumerate_names(places)}: {failures}" for failures, places in groups.items())


def _refused(ways: Sequence[Way]) -> bool:
    return all(seen.outcome is Outcome.REFUSED for way in ways for seen in way.bad)


def _known(found: Scene, nodes: Sequence[str]) -> str:
    known = [f"{node}: {found.trouble[node]}" for node in nodes if node in found.trouble]
    return f" ({'; '.join(known)})" if known else ""
