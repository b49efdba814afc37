"""Waiting until published ports answer, and the operator's ways to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from orchestrator.errors import NodeError
from orchestrator.model.inventory import NodeConfig
from orchestrator.model.lab import Port, Protocol, PublishMode, Service
from orchestrator.model.labels import owned_by
from orchestrator.model.observed import ClusterView
from orchestrator.model.outcome import Route
from orchestrator.model.probe import OPERATOR, Expectation, Observation, Outcome, Probe, Target
from orchestrator.planning.probes import plan_probes
from orchestrator.providers.base import Provider
from orchestrator.runtime.context import Context
from orchestrator.transport.probing import run_probes
from orchestrator.usecases.connect import Hosts, unreachable

DEADLINE = 60.0
"""Seconds that published ports have to answer after their services have converged."""

REQUEST_DEADLINE = 5.0
"""Seconds for one request while waiting."""

PAUSE = 0.2
"""Seconds between two rounds of asking what has not answered."""

ANSWERS = (Outcome.ANSWERED, Outcome.NOT_HTTP)
"""What shows that the port leads to a task; not every service speaks HTTP."""


def operator_routes(provider: Provider, nodes: Sequence[NodeConfig], view: ClusterView, cluster: str) -> list[Route]:
    """The operator's way to every published port of our services on every reachable node."""
    ours = [live.spec for live in (view.swarm.services if view.swarm else ()) if owned_by(live.spec.labels, cluster)]
    reachable = [node for node in nodes if view.node(node.name).reachable]
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
) -> list[Probe]:
    """One request for each way to a published port, between the nodes to which a connection stands."""
    plan = plan_probes(cluster, nodes, view, targets(routes), requests=1, deadline=REQUEST_DEADLINE)
    lost = unreachable(hosts)
    return [
        replace(probe, count=1)
        for probe in plan.probes
        if probe.expect is Expectation.ANSWER and probe.target.entry not in lost and probe.vantage not in lost
    ]


def wait_until_answering(
    context: Context,
    hosts: Hosts,
    probes: Sequence[Probe],
    *,
    deadline: float = DEADLINE,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Ask until each probe was answered once; only what has not answered yet is asked again.

    Raises :class:`NodeError` naming what still does not answer after ``deadline`` seconds.
    """
    waiting = {probe.id: probe for probe in probes}
    end = clock() + deadline
    while waiting:
        seen = {observation.probe: observation for observation in run_probes(context, list(waiting.values()), hosts)}
        waiting = {key: probe for key, probe in waiting.items() if not _answered(seen.get(key))}
        if waiting and clock() >= end:
            raise _silent(waiting.values(), seen, deadline)
        if waiting:
            context.wait(PAUSE)


def _published(service: Service) -> Iterable[Port]:
    """The TCP ports that a service publishes through the routing mesh."""
    return (port for port in service.ports if port.protocol is Protocol.TCP and port.mode is PublishMode.INGRESS)


def _answered(observation: Observation | None) -> bool:
    return observation is not None and observation.outcome in ANSWERS


def _silent(probes: Iterable[Probe], seen: Mapping[str, Observation], deadline: float) -> NodeError:
    details = []
    for probe in probes:
        last = seen.get(probe.id)
        why = f"{last.outcome.value} {last.error}".strip() if last else "not asked"
        vantage = "this machine" if probe.vantage == OPERATOR else probe.vantage
        target = f"{probe.target.entry} {probe.target.address}:{probe.target.port}"
        details.append(f"{vantage} → {target} ({probe.service}): {why}")
    return NodeError(
        f"{len(details)} ways to published ports did not answer within {deadline:.0f} s",
        details=details,
        hint="`lab verify` asks again and says where to look; `lab status` shows the tasks",
    )
