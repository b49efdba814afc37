"""What ``lab verify`` asks: every published TCP port, from every node, at every node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.model.inventory import NodeConfig
from orchestrator.model.lab import Port, Protocol, PublishMode, Service, ServiceMode
from orchestrator.model.labels import LAB, owned_by
from orchestrator.model.observed import ClusterView, SwarmView
from orchestrator.model.probe import OPERATOR, Expectation, Probe, Target
from orchestrator.planning.cluster import Place, places, running, stale_members
from orchestrator.planning.compare import port_text

LOOPBACK = "127.0.0.1"
"""A node's own address; never ``localhost``, which may be ::1: the routing mesh is IPv4 only."""


@dataclass(frozen=True)
class ProbePlan:
    """All probes of one run; ``notes`` say what is not asked, and why."""

    probes: tuple[Probe, ...] = ()
    notes: tuple[str, ...] = ()


Entry = tuple[str, str, str]
"""A node at which published ports are asked: its name, its node id and its address ("" where not known)."""


def plan_probes(
    cluster: str,
    nodes: Sequence[NodeConfig],
    view: ClusterView,
    routes: Mapping[tuple[str, int], Target],
    *,
    requests: int = 20,
    deadline: float = 5.0,
    labs: Sequence[str] | None = None,
) -> ProbePlan:
    """Probes for every published TCP port of our services, or only of the services of ``labs``.

    Every node is a vantage, also one that cannot be reached: that its questions were not asked is part of the result.
    ``routes`` are the operator's ways, by node and published port. Each probe makes ``requests`` requests, or two for
    each running task where that is more: round robin then shows every task. ``deadline`` is seconds per request.
    """
    swarm = view.swarm
    if swarm is None:
        return ProbePlan(notes=("no manager answers, so nobody knows which ports are published",))
    found = places(nodes, view)
    entries, notes = _entries(found, swarm)
    probes: dict[str, Probe] = {}
    for service in _services(cluster, swarm, labs):
        for port in sorted(service.ports):
            untold = _unasked(service, port)
            if untold:
                notes.append(untold)
                continue
            count = max(requests, 2 * len(running(swarm, service.name)))
            expected = {name: _expectation(service, port, swarm, node_id) for name, node_id, _ in entries}
            for vantage, target in (*_between(port, found, entries), *_from_operator(port, routes, expected)):
                probe = _probe(service, port, vantage, target, expected[target.entry], count, deadline)
                probes[probe.id] = probe
    return ProbePlan(tuple(probes.values()), tuple(notes))


def _services(cluster: str, swarm: SwarmView, labs: Sequence[str] | None) -> Iterator[Service]:
    for live in swarm.services:
        if owned_by(live.spec.labels, cluster) and (labs is None or live.spec.labels.get(LAB) in labs):
            yield live.spec


def _entries(found: Sequence[Place], swarm: SwarmView) -> tuple[list[Entry], list[str]]:
    """Every node of the inventory and every other member: the mesh must let requests in at each of them.

    A node of the inventory that is no member is asked as well, at its configured address: that it does not answer is
    what a person wants to know. Former identities of nodes are nobody's entry, lost strangers are not asked.
    """
    entries = [(place.name, place.member.id if place.member else "", place.address) for place in found]
    notes = [f"{name} is asked only by itself: its address is not known" for name, _, address in entries if not address]
    names = {name for name, _, _ in entries}
    known = {node_id for _, node_id, _ in entries} | {member.id for _, member in stale_members(found, swarm)}
    for member in swarm.nodes:
        if member.id in known:
            continue
        name = f"{member.hostname} ({member.id})" if member.hostname in names else member.hostname
        if member.state == "down":
            notes.append(f"member {name} is down and not in the inventory: it is not asked")
        else:
            entries.append((name, member.id, member.address))
    return entries, notes


def _unasked(service: Service, port: Port) -> str:
    """Why a port is not asked, "" for one that is."""
    name = f"{service.name} {port_text(port)}"
    if port.protocol is not Protocol.TCP:
        return f"{name} is not checked: {port.protocol} ports are not checked yet"
    return "" if port.published else f"{name} is not checked: Docker has chosen its number, and it is not known"


def _expectation(service: Service, port: Port, swarm: SwarmView, node_id: str) -> Expectation:
    """In the mesh every node answers as long as there shall be a task; in host mode those with a task do."""
    if port.mode is PublishMode.HOST:
        hosts = {task.node_id for task in running(swarm, service.name)}
        return Expectation.ANSWER if node_id in hosts else Expectation.REFUSED
    none_wanted = service.mode is ServiceMode.REPLICATED and service.replicas == 0
    return Expectation.REFUSED if none_wanted else Expectation.ANSWER


def _between(port: Port, found: Sequence[Place], entries: Sequence[Entry]) -> Iterator[tuple[str, Target]]:
    """From every node to every entry's address, and to itself on loopback."""
    for place in found:
        for name, _, address in entries:
            if address:
                yield place.name, Target(name, address, port.published)
        yield place.name, Target(place.name, LOOPBACK, port.published)


def _from_operator(
    port: Port, routes: Mapping[tuple[str, int], Target], expected: Mapping[str, Expectation]
) -> Iterator[tuple[str, Target]]:
    """From our own side. A closed port is not asked: a forwarded port accepts before it knows that nobody listens."""
    for (node, published), target in routes.items():
        if published == port.published and expected.get(node) is Expectation.ANSWER:
            yield OPERATOR, target


def _probe(
    service: Service, port: Port, vantage: str, target: Target, expect: Expectation, count: int, deadline: float
) -> Probe:
    """One probe. A port that must be closed gets one request: nothing is shared out there."""
    return Probe(
        id=f"{service.name}:{port.published} {vantage}>{target.entry} {target.address}:{target.port}",
        vantage=vantage,
        target=target,
        service=service.name,
        published=port.published,
        count=count if expect is Expectation.ANSWER else 1,
        deadline=deadline,
        expect=expect,
    )
