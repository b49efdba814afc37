"""What must hold for the bridges and plain containers of a lab file, and between them and the rest of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from orchestrator.checks.base import Names
from orchestrator.config.compose_build import DEFAULT_NETWORK, ports_of
from orchestrator.config.compose_checks import check_dns_name, check_environment, declared, known
from orchestrator.config.compose_schema import LabFile
from orchestrator.config.problems import Loc
from orchestrator.config.units import overlap
from orchestrator.config.validation import Checked
from orchestrator.config.x_lab_build import container_ports
from orchestrator.config.x_lab_schema import LabBridge, LabContainer
from orchestrator.model.lab import PREDEFINED_NETWORKS, Port

Lab = Checked[LabFile]

BRIDGES: Loc = ("x-lab", "bridges")
CONTAINERS: Loc = ("x-lab", "containers")

_SMALLEST = 29


def check_x_lab(checked: Lab, name: str, env: Mapping[str, str]) -> None:
    """Report everything that does not fit together in the bridges and containers of the lab ``name``."""
    for key in checked.value.x_lab.bridges:
        _check_bridge_key(checked, name, key)
    _check_subnets(checked)
    for key, container in checked.value.x_lab.containers.items():
        loc = (*CONTAINERS, key)
        check_dns_name(checked, loc, f"{name}_{key}")
        if key in checked.value.services:
            checked.error(loc, f"{key!r} is also a service, and both would be called {name}_{key}; expected another")
        _check_network(checked, loc, container)
        check_environment(checked, (*loc, "environment"), container.environment, env)
    _check_ports(checked)
    _check_checks(checked)


def _check_checks(checked: Lab) -> None:
    """What a check refers to must be in the file."""
    names = Names(
        services=frozenset(declared(checked, "services")),
        containers=frozenset(declared(checked, *CONTAINERS)),
        bridges=frozenset(declared(checked, *BRIDGES)),
        networks=frozenset(declared(checked, "networks")) | {DEFAULT_NETWORK},
    )
    for index, check in enumerate(checked.value.x_lab.checks):
        for problem in check.problems(names):
            checked.error(("x-lab", "checks", index), problem)


def _check_bridge_key(checked: Lab, name: str, key: str) -> None:
    loc = (*BRIDGES, key)
    check_dns_name(checked, loc, f"{name}_{key}")
    if key in PREDEFINED_NETWORKS:
        checked.error(loc, f"{key!r} is a network that every engine has; expected another key")
    if key in checked.value.networks:
        line = checked.line(("networks", key))
        checked.error(loc, f"{key!r} is also the key of the overlay network in line {line}; expected another key")


def _check_subnets(checked: Lab) -> None:
    subnets = [
        (f"the network {key!r}", network.ipam.config[0].subnet)
        for key, network in checked.value.networks.items()
        if network and network.ipam.config and network.ipam.config[0].subnet
    ]
    for key, bridge in checked.value.x_lab.bridges.items():
        if bridge is None or bridge.subnet is None:
            continue
        loc = (*BRIDGES, key, "subnet")
        if ipaddress.IPv4Network(bridge.subnet).prefixlen > _SMALLEST:
            message = f"{bridge.subnet} is too small: the gateway and each container need an address"
            checked.error(loc, f"{message}; expected /{_SMALLEST} or larger")
        for other, subnet in subnets:
            if overlap(subnet, bridge.subnet):
                checked.error(loc, f"{bridge.subnet} overlaps {subnet} of {other}; expected them apart")
        subnets.append((f"the bridge {key!r}", bridge.subnet))


def _check_network(checked: Lab, loc: Loc, container: LabContainer) -> None:
    key, bridges, overlays = container.network, declared(checked, *BRIDGES), declared(checked, "networks")
    place = (*loc, "network")
    if key in ("host", "none"):
        _check_without_ports(checked, loc, container)
    elif key in overlays - bridges:
        _check_attachable(checked, place, key)
    elif key in bridges:
        _check_everywhere(checked, place, container)
    elif key != "bridge":
        choices = {*PREDEFINED_NETWORKS, *bridges, *overlays}
        checked.error(place, f"there is no bridge or network {key!r} in this file{known(key, choices)}")


def _check_without_ports(checked: Lab, loc: Loc, container: LabContainer) -> None:
    why = "the node's own ports" if container.network == "host" else "no network at all"
    if container.ports:
        message = f"a container on the network {container.network} has {why}, so nothing can be published; leave it out"
        checked.error((*loc, "ports"), message)
    if container.network == "host" and container.hostname:
        message = "a container on the network host bears the node's host name; leave it out"
        checked.error((*loc, "hostname"), message)


def _check_everywhere(checked: Lab, place: Loc, container: LabContainer) -> None:
    """A bridge must be wherever a container wants it."""
    loc = (*BRIDGES, container.network)
    bridge = checked.value.x_lab.bridges.get(container.network) or LabBridge()
    if checked.incomplete(*loc) or not bridge.on or (container.on and set(container.on) <= set(bridge.on)):
        return
    lacking = ", ".join(str(node) for node in container.on if node not in bridge.on)
    where = f"node {lacking}" if lacking else "all nodes"
    message = f"the bridge {container.network!r} in line {checked.line(loc)} is not on {where}, as this container is"
    checked.error(place, f"{message}; expected it there")


def _check_attachable(checked: Lab, place: Loc, key: str) -> None:
    network = checked.value.networks.get(key)
    if checked.incomplete("networks", key) or (network and network.attachable and not network.external):
        return
    line = checked.line(("networks", key))
    what = "external" if network and network.external else "not attachable"
    message = f"the network {key!r} in line {line} is {what}; plain containers need one with attachable: true"
    checked.error(place, message)


def _check_ports(checked: Lab) -> None:
    """One port of a node has one user. A container that ends may be there to show just that, so it is left out."""
    seen = list(_service_ports(checked))
    for key, container in checked.value.x_lab.containers.items():
        own: list[Port] = []
        for index, port in container_ports(container) if not container.ends else ():
            loc = (*CONTAINERS, key, "ports", index)
            for other, kind, user, on in seen:
                if same_socket(port, other) and share_node(container.on, on):
                    what = f"{port.published}/{port.protocol} is also published by the {kind} {user}"
                    checked.error(loc, f"{what}; expected another port")
            if any(same_socket(port, other) for other in own):
                checked.error(loc, f"{port.published}/{port.protocol} is published twice; expected once")
            own.append(port)
        seen += [(port, "container", key, container.on) for port in own]


def _service_ports(checked: Lab) -> Iterator[tuple[Port, str, str, tuple[int, ...]]]:
    """Every service's ports: one in host mode may be needed on any node."""
    for key, service in checked.value.services.items():
        yield from ((port, "service", key, ()) for _, port in ports_of(service))


def same_socket(one: Port, other: Port) -> bool:
    """Whether two published ports are the same number of the same protocol."""
    return bool(one.published) and (one.published, one.protocol) == (other.published, other.protocol)


def share_node(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two choices of nodes have one in common; an empty one means all nodes."""
    return not one or not other or bool(set(one) & set(other))
