"""Waiting until published ports answer, and the operator's ways to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.errors import NodeError
from orchestrator.model.inventory import NodeConfig
from orchestrator.model.lab import Port, Protocol, PublishMode, Service
from orchestrator.model.labels import owned_by
from orchestrator.model.observed import ClusterView
from orchestrator.model.outcome import Route
from orchestrator.model.probe import OPERATOR, Expectation, Observation, Outcome, Pairs, Probe, Target
from orchestrator.planning.cluster import running
from orchestrator.planning.probes import ProbePlan, plan_probes
from orchestrator.providers.base import Provider
from orchestrator.runtime.context import Context
from orchestrator.transport.probing import run_probes
from orchestrator.usecases.connect import Hosts, unreachable

DEADLINE = 60.0
"""Seconds that published ports have to answer, for every task, after their services have converged."""

REQUEST_DEADLINE = 5.0
"""Seconds for one request while waiting."""

PAUSE = 0.2
"""Seconds between two rounds of asking what has not answered."""

ANSWERS = (Outcome.ANSWERED, Outcome.NOT_HTTP)
"""What shows that the port leads to a task; not every service speaks HTTP."""

Due = Mapping[tuple[str, int], Mapping[str, int]]
"""Tasks that have to answer, by service and published port: the slot (0 for a global service) by task id."""


def operator_routes(provider: Provider, nodes: Sequence[NodeConfig], view: ClusterView, cluster: str) -> list[Route]:
    """The operator's way to every published port of our services on every reachable node."""
    ours = [live.spec for live in (view.swarm.services if view.swarm else ()) if owned_by(live.spec.labels, cluster)]
    up = {seen.name for seen in view.nodes if seen.reachable}
    reachable = [node for node in nodes if node.name in up]
    routes = []
    for service in ours:
        for port in _published(service):
            for node in reachable:
                way = provider.operator_route(node, port.published)
                routes.append(Route(service.name, port.published, node.name, way.address, way.port, way.absent))
    return routes


def targets(routes: Iterable[Route]) -> dict[tuple[str, int], Target]:
    """The routes that exist, as probe planning takes them: by node and published port."""
    return {
        (route.node, route.published): Target(route.node, route.address, route.port)
        for route in routes
        if not route.absent
    }


def mesh_probes(
    cluster: str, nodes: Sequence[NodeConfig], view: ClusterView, routes: Iterable[Route], hosts: Hosts
) -> ProbePlan:
    """Requests on the ways to published ports, between the nodes to which a connection stands.

    In a cluster of many nodes these are a sample of the ways, with as many requests as show every task where the sample
    promises that; else one request for each way, to be repeated.
    """
    plan = plan_probes(cluster, nodes, view, targets(routes), requests=1, deadline=REQUEST_DEADLINE)
    once = plan.sample is None or plan.sample.pairs is Pairs.ALL
    lost = unreachable(hosts)
    probes = tuple(
        replace(probe, count=1) if once else probe
        for probe in plan.probes
        if probe.expect is Expectation.ANSWER and probe.target.entry not in lost and probe.vantage not in lost
    )
    return replace(plan, probes=probes)


def tasks_due(view: ClusterView) -> Due:
    """The tasks that have to answer through every entry: those running of each port of the routing mesh."""
    if view.swarm is None:
        return {}
    return {
        (live.spec.name, port.published): {task.id: task.slot for task in running(view.swarm, live.spec.name)}
        for live in view.swarm.services
        for port in _published(live.spec)
    }


def wait_until_answering(
    context: Context,
    hosts: Hosts,
    plan: ProbePlan,
    due: Due,
    *,
    deadline: float = DEADLINE,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Ask until each probe of ``plan`` was answered, and each entry has led to every task that is ``due``.

    Only what is still missing is asked again. An answer is enough where a sample asks thinly, and where no answer names
    its task (an image that is not ours). After a node was cut off, an entry can lack a task for half a minute: the
    nodes exchange all they know of each other only every 30 s (libnetwork, ``networkdb``: ``pushPullInterval``).

    Raises :class:`NodeError` naming what is still missing after ``deadline`` seconds.
    """
    asked = _Asked(plan, due)
    end = clock() + deadline
    while waiting := asked.waiting():
        asked.take(run_probes(context, waiting, hosts))
        if asked.waiting() and clock() >= end:
            raise _incomplete(asked, deadline)
        if asked.waiting():
            context.wait(PAUSE)


@dataclass
class _Asked:
    """What was asked and what has come back so far; ``told`` has the tasks that answered through an entry."""

    plan: ProbePlan
    due: Due
    last: dict[str, Observation] = field(default_factory=dict)
    told: dict[tuple[str, int, str], set[str]] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)

    def take(self, observations: Iterable[Observation]) -> None:
        """Add what came back."""
        entries = {probe.id: (probe.service, probe.published, probe.target.entry) for probe in self.plan.probes}
        for seen in observations:
            self.last[seen.probe] = seen
            if seen.outcome in ANSWERS:
                self.answered.add(seen.probe)
            if seen.answer.task:
                self.told.setdefault(entries[seen.probe], set()).add(seen.answer.task)

    def waiting(self) -> list[Probe]:
        """What has to be asked (again)."""
        return [probe for probe in self.plan.probes if probe.id not in self.answered or self.missing(probe)]

    def missing(self, probe: Probe) -> list[str]:
        """The tasks, by id, that have not answered through the entry of a probe, if answers name tasks at all."""
        through = (probe.service, probe.published, probe.target.entry)
        told = set() if through in self.plan.thin else self.told.get(through, set())
        return [task for task in self.due.get((probe.service, probe.published), {}) if task not in told] if told else []


def _published(service: Service) -> Iterable[Port]:
    """The TCP ports that a service publishes through the routing mesh."""
    return (port for port in service.ports if port.protocol is Protocol.TCP and port.mode is PublishMode.INGRESS)


def _incomplete(asked: _Asked, deadline: float) -> NodeError:
    waiting = asked.waiting()
    silent = [_silence(probe, asked.last.get(probe.id)) for probe in waiting if probe.id not in asked.answered]
    lost = {
        f"{probe.target.entry} → task {asked.due[probe.service, probe.published][task] or task} of {probe.service}: "
        "never answered through this node, though the node itself answers"
        for probe in waiting
        for task in asked.missing(probe)
    }
    what = (
        f"{len(silent)} ways to published ports did not answer" if silent else "some tasks are not reached everywhere"
    )
    return NodeError(
        f"{what} within {deadline:.0f} s",
        details=[*silent, *sorted(lost)],
        hint="`lab verify` asks again and says where to look; `lab status` shows the tasks",
    )


def _silence(probe: Probe, last: Observation | None) -> str:
    why = f"{last.outcome.value} {last.error}".strip() if last else "not asked"
    vantage = "this machine" if probe.vantage == OPERATOR else probe.vantage
    target = f"{probe.target.entry} {probe.target.address}:{probe.target.port}"
    return f"{vantage} → {target} ({probe.service}): {why}"
