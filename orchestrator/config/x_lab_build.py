"""The bridges and plain containers of a validated lab file → the model. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.config.compose_build import network_name, pairs
from orchestrator.config.compose_schema import LabFile, LabNetwork
from orchestrator.config.x_lab_schema import ContainerPort, LabBridge, LabContainer
from orchestrator.model.lab import PREDEFINED_NETWORKS, Bridge, Container, Port, PublishMode


def build_bridges(lab: str, file: LabFile) -> tuple[Bridge, ...]:
    """The bridge networks of the lab."""
    given = {key: bridge or LabBridge() for key, bridge in file.x_lab.bridges.items()}
    return tuple(Bridge(key, f"{lab}_{key}", bridge.on, bridge.subnet or "") for key, bridge in given.items())


def build_containers(lab: str, file: LabFile, env: Mapping[str, str]) -> tuple[Container, ...]:
    """The plain containers of the lab."""
    networks = {key: network_name(lab, key, network or LabNetwork()) for key, network in file.networks.items()}
    networks |= {key: f"{lab}_{key}" for key in file.x_lab.bridges} | {name: name for name in PREDEFINED_NETWORKS}
    return tuple(
        _container(lab, key, container, networks[container.network], env)
        for key, container in file.x_lab.containers.items()
    )


def _container(lab: str, key: str, container: LabContainer, network: str, env: Mapping[str, str]) -> Container:
    """On a network that people made, the container resolves under its key too, as services do."""
    given = pairs(container.environment)
    return Container(
        key=key,
        name=f"{lab}_{key}",
        image=container.image,
        on=container.on,
        network=network,
        aliases=() if container.network in PREDEFINED_NETWORKS else (key,),
        ports=tuple(port for _, port in container_ports(container)),
        environment={name: env[name] if value is None else value for _, name, value in given},
        hostname=container.hostname or "",
        command=container.command or (),
        cap_add=tuple(sorted(set(container.cap_add))),
        ends=container.ends,
    )


def container_ports(container: LabContainer) -> list[tuple[int, Port]]:
    """The container's ports, each with its position in the list of the file (a range gives several)."""
    ports: list[tuple[int, Port]] = []
    for index, entry in enumerate(container.ports):
        if isinstance(entry, ContainerPort):
            ports.append((index, Port(entry.published, entry.target, entry.protocol, PublishMode.HOST)))
        else:
            ports += [(index, replace(port, mode=PublishMode.HOST)) for port in entry]
    return ports
