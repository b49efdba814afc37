"""The checks of a lab whose file has none: what its ports, networks and replicas suggest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.checks.base import Check
from orchestrator.checks.endpoints import Endpoints
from orchestrator.checks.mesh import MeshCheck
from orchestrator.checks.names import NamesCheck
from orchestrator.model.lab import EndpointMode, Lab, Network, Protocol, Service
from orchestrator.model.observed import ClusterView
from orchestrator.planning.cluster import of_lab

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


def deployed_lab(cluster: str, view: ClusterView, name: str) -> Lab:
    """A lab as far as what is up tells of it: for a lab whose file is gone."""
    swarm = view.swarm
    services = [live.spec for live in (swarm.services if swarm else ()) if of_lab(live.spec.labels, cluster, [name])]
    networks = [live.spec for live in (swarm.networks if swarm else ()) if of_lab(live.spec.labels, cluster, [name])]
    return Lab(name, Path(), services=tuple(services), networks=tuple(networks))
