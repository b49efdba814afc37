"""What ``lab verify`` asks: every published TCP port, from every node, at every node or at some of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.model.inventory import NodeConfig
from orchestrator.model.lab import Port, Protocol, PublishMode, Service, ServiceMode
from orchestrator.model.labels import LAB, owned_by
from orchestrator.model.observed import ClusterView, SwarmView
from orchestrator.model.probe import OPERATOR, Expectation, Pairs, Probe, Sample, Target
from orchestrator.planning.cluster import Place, places, running, stale_members
from orchestrator.planning.compare import port_text
from orchestrator.planning.pairs import FEWEST, GUARANTEES, automatic, sampled, some_entries

LOOPBACK = "127.0.0.1"
"""A node's own address; never ``localhost``, which may be ::1: the routing mesh is IPv4 only."""


Through = tuple[str, int, str]
"""A service, one of its published ports, and the node at which that is asked."""

Entry = tuple[str, str, str]
"""A node at which published ports are asked: its name, its node id and its address ("" where not known)."""


@dataclass(frozen=True)
class ProbePlan:
    """All probes of one run; ``notes`` say what is not asked, and why.

    ``thin`` are the entries through which a sample asks too little for every task to show. ``sample`` counts what is
    asked; ``None`` where nobody knows what there is.
    """

    probes: tuple[Probe, ...] = ()
    notes: tuple[str, ...] = ()
    thin: frozenset[Through] = frozenset()
    sample: Sample | None = None


@dataclass(frozen=True)
class _Ground:
    """What all ports have in common."""

    swarm: SwarmView
    found: tuple[Place, ...]
    entries: tuple[Entry, ...]
    pairs: Pairs
    seed: int
    requests: int
    deadline: float

    @property
    def addressed(self) -> list[str]:
        """The entries that others can ask."""
        return [name for name, _, address in self.entries if address]

    @property
    def ways(self) -> int:
        """How many ways there are between the nodes: every vantage to every address, and to itself on loopback."""
        return len(self.found) * (len(self.addressed) + 1)


def plan_probes(
    cluster: str,
    nodes: Sequence[NodeConfig],
    view: ClusterView,
    routes: Mapping[tuple[str, int], Target],
    *,
    requests: int = 20,
    deadline: float = 5.0,
    labs: Sequence[str] | None = None,
    pairs: Pairs | None = None,
    seed: int = 0,
    any_protocol: bool = False,
) -> ProbePlan:
    """Probes for every published TCP port of our services, or only of the services of ``labs``.

    Every node is a vantage, also one that cannot be reached: that its questions were not asked is part of the result.
    ``routes`` are the operator's ways, by node and published port. ``pairs`` says which nodes ask which (``None``: by
    their number, :func:`orchestrator.planning.pairs.automatic`), ``seed`` which of them in a sample.

    With all pairs, each probe makes ``requests`` requests, or two for each running task where that is more: round
    robin then shows every task. In a sample that is what all probes through one entry make together. ``deadline`` is
    seconds per request. ``any_protocol`` is for services of others, which may speak something else than HTTP.
    """
    swarm = view.swarm
    if swarm is None:
        return ProbePlan(notes=("no manager answers, so nobody knows which ports are published",))
    found = places(nodes, view)
    entries, notes = _entries(found, swarm)
    asked, untold = _ports(cluster, swarm, labs)
    if pairs is None:
        due = sum(len(entries) * max(requests, 2 * len(running(swarm, service.name))) for service, _ in asked)
        pairs = automatic(len(entries), due)
    ground = _Ground(swarm, found, tuple(entries), pairs, seed, requests, deadline)
    probes: dict[str, Probe] = {}
    thin: set[Through] = set()
    for service, port in asked:
        made = [replace(one, any_protocol=any_protocol) for one in _of_port(ground, service, port, routes)]
        probes |= {probe.id: probe for probe in made}
        thin |= _thin(ground, service, port, made)
    plan = ProbePlan(tuple(probes.values()), (*notes, *untold), frozenset(thin))
    return replace(plan, sample=_sample(ground, plan, asked))


def _ports(cluster: str, swarm: SwarmView, labs: Sequence[str] | None) -> tuple[list[tuple[Service, Port]], list[str]]:
    """The ports to ask, and why the others are not asked."""
    ports = [(service, port) for service in _services(cluster, swarm, labs) for port in sorted(service.ports)]
    return [one for one in ports if not _unasked(*one)], [why for one in ports if (why := _unasked(*one))]


def _of_port(ground: _Ground, service: Service, port: Port, routes: Mapping[tuple[str, int], Target]) -> list[Probe]:
    expected = {name: _expectation(service, port, ground.swarm, node_id) for name, node_id, _ in ground.entries}
    between = _between if ground.pairs is Pairs.ALL else _sampled
    ways = [*between(ground, port), *_from_operator(port, routes, expected)]
    counts = _counts(ground, service, port, Counter(target.entry for _, target in ways))
    return [
        _probe(service, port, vantage, target, expected[target.entry], counts[target.entry], ground.deadline)
        for vantage, target in ways
    ]


def _counts(ground: _Ground, service: Service, port: Port, ways: Mapping[str, int]) -> dict[str, int]:
    """Requests for each way through an entry, of which there are ``ways``."""
    every_task = max(ground.requests, 2 * len(running(ground.swarm, service.name)))
    if ground.pairs is Pairs.ALL:
        return dict.fromkeys(ways, every_task)
    for_tasks = _for_tasks(ground) if port.mode is PublishMode.INGRESS else set()
    due = {entry: every_task if entry in for_tasks else ground.requests for entry in ways}
    return {entry: max(FEWEST, math.ceil(due[entry] / ways[entry])) for entry in ways}


def _for_tasks(ground: _Ground) -> set[str]:
    """The entries through which all tasks are asked for; in the smallest plan some that answer, if there are any."""
    if ground.pairs is Pairs.NODES:
        up = [place.name for place in ground.found if place.address and place.view.reachable]
        return set(some_entries(up or ground.addressed, ground.seed))
    return {name for name, _, _ in ground.entries}


def _thin(ground: _Ground, service: Service, port: Port, probes: Sequence[Probe]) -> set[Through]:
    """The entries through which too few requests are made to be sure to see every task."""
    made: Counter[str] = Counter()
    for probe in probes:
        made[probe.target.entry] += probe.count
    due = 2 * len(running(ground.swarm, service.name)) if port.mode is PublishMode.INGRESS else 0
    return {(service.name, port.published, entry) for entry, _, _ in ground.entries if made[entry] < due}


def _sample(ground: _Ground, plan: ProbePlan, asked: Sequence[tuple[Service, Port]]) -> Sample:
    """What of all that could be asked the plan asks."""
    paths = all_paths = 0
    for service, port in asked:
        if port.mode is PublishMode.INGRESS:
            hosts = len({task.node_id for task in running(ground.swarm, service.name)})
            thin = sum(1 for name, number, _ in plan.thin if (name, number) == (service.name, port.published))
            paths += (len(ground.entries) - thin) * hosts
            all_paths += len(ground.entries) * hosts
    ours = sum(probe.vantage != OPERATOR for probe in plan.probes)
    return Sample(
        pairs=ground.pairs,
        promise=GUARANTEES[ground.pairs],
        seed=ground.seed,
        vantages=len(ground.found),
        entries=len(ground.entries),
        ways=ours,
        all_ways=ground.ways * len(asked),
        paths=paths,
        all_paths=all_paths,
        requests=sum(probe.count for probe in plan.probes),
    )


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


def _between(ground: _Ground, port: Port) -> Iterator[tuple[str, Target]]:
    """From every node to every entry's address, and to itself on loopback."""
    for place in ground.found:
        for name, _, address in ground.entries:
            if address:
                yield place.name, Target(name, address, port.published)
        yield place.name, Target(place.name, LOOPBACK, port.published)


def _sampled(ground: _Ground, port: Port) -> Iterator[tuple[str, Target]]:
    """From every node to itself, at its address and on loopback, and between some of the others."""
    addresses = {name: address for name, _, address in ground.entries if address}
    vantages = [place.name for place in ground.found]
    asked: dict[str, list[str]] = {name: [name] for name in vantages}
    for vantage, entry in sampled(vantages, ground.addressed, ground.seed):
        asked[vantage].append(entry)
    for vantage, entries in asked.items():
        for entry in entries:
            if entry in addresses:
                yield vantage, Target(entry, addresses[entry], port.published)
        yield vantage, Target(vantage, LOOPBACK, port.published)


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
