"""The checks of a lab whose file has none: what its ports, networks and replicas suggest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from orchestrator.checks.base import Check
from orchestrator.checks.endpoints import Endpoints
from orchestrator.checks.mesh import MeshCheck
from orchestrator.checks.names import NamesCheck
from orchestrator.checks.tasks import TasksCheck
from orchestrator.model.lab import EndpointMode, Lab, Network, Protocol, Service, ServiceMode
from orchestrator.model.labels import LAB
from orchestrator.model.observed import ClusterView
from orchestrator.planning.cluster import of_lab

RUNNING = "running"
"""Docker's word for the desired state of a task that shall run."""

_MEANT = {"vip": "the virtual address of the service", "tasks": "the addresses of its tasks"}


def derived_checks(lab: Lab) -> Iterator[Check]:
    """Published ports must answer; on every network of its own, a service's names must resolve to what they should."""
    if any(port.protocol is Protocol.TCP for service in lab.services for port in service.ports):
        yield MeshCheck.model_validate({"kind": "mesh"})
    networks = {network.name: network for network in lab.networks if not network.external}
    for service in lab.services:
        for attachment in service.networks:
            if attachment.network in networks and service.replicas:
                yield from _names(service, networks[attachment.network])


def _names(service: Service, network: Network) -> Iterator[Check]:
    asker = Endpoints("service", service.key)
    known = {"kind": "names", "from": str(asker), "network": network.key}
    vip = service.endpoint_mode is EndpointMode.VIP
    for name, resolves_to in ((service.key, "vip" if vip else "tasks"), (f"tasks.{service.key}", "tasks")):
        title = f"{name} resolves to {_MEANT[resolves_to]}"
        yield NamesCheck.model_validate({**known, "name": name, "resolves_to": resolves_to, "title": title})


def attached_labs(cluster: str, view: ClusterView) -> list[Lab]:
    """The stacks and single services of a swarm that somebody else made, each with what can be expected of it.

    ``view`` is as :func:`orchestrator.planning.attach.as_labs` gives it.
    """
    swarm = view.swarm
    names = sorted({live.spec.labels[LAB] for live in swarm.services}) if swarm else []
    return [_attached(cluster, view, name) for name in names]


def _attached(cluster: str, view: ClusterView, name: str) -> Lab:
    """One stack; its services may well be on networks that are another stack's, or nobody's."""
    swarm = view.swarm
    networks = tuple(live.spec for live in swarm.networks) if swarm else ()
    lab = replace(deployed_lab(cluster, view, name), networks=networks)
    tasks = [_tasks(service, view) for service in lab.services]
    return replace(lab, checks=(*derived_checks(lab), *tasks))


def _tasks(service: Service, view: ClusterView) -> Check:
    """As many tasks run as shall; of a global service that is what the scheduler has decided."""
    swarm = view.swarm
    due = [task for task in (swarm.tasks if swarm else ()) if task.service == service.name and task.desired == RUNNING]
    count = service.replicas if service.mode is ServiceMode.REPLICATED else len({task.node_id for task in due})
    title = f"{count} tasks of {service.name} run"
    return TasksCheck.model_validate({"kind": "tasks", "service": service.key, "count": count, "title": title})


def deployed_lab(cluster: str, view: ClusterView, name: str) -> Lab:
    """A lab as far as what is up tells of it: for a lab whose file is gone."""
    swarm = view.swarm
    services = [live.spec for live in (swarm.services if swarm else ()) if of_lab(live.spec.labels, cluster, [name])]
    networks = [live.spec for live in (swarm.networks if swarm else ()) if of_lab(live.spec.labels, cluster, [name])]
    return Lab(name, Path(), services=tuple(services), networks=tuple(networks))
