"""What must hold between several labs, and between labs and the cluster's own networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from orchestrator.config.inventory_checks import DEFAULT_POOL
from orchestrator.config.problems import Loc, path_of
from orchestrator.config.units import ipv4, overlap
from orchestrator.config.x_lab_checks import BRIDGES, CONTAINERS, same_socket, share_node
from orchestrator.errors import ConfigError, ConfigProblem
from orchestrator.model.inventory import Inventory, ProviderKind
from orchestrator.model.lab import Lab, Port, PublishMode


def check_labs_together(labs: Sequence[Lab], inventory: Inventory) -> None:
    """Raise ``ConfigError`` where labs cannot run beside each other in the cluster of ``inventory``."""
    problems = [problem for one, other in combinations(labs, 2) for problem in _between(one, other)]
    for lab in labs:
        problems += [*_with_cluster(lab, inventory), *_positions(lab, len(inventory.nodes))]
    if problems:
        raise ConfigError(sorted(set(problems)))


def _problem(lab: Lab, loc: Loc, message: str) -> ConfigProblem:
    line = next((lab.lines[path] for path in _outwards(loc) if path in lab.lines), 1)
    return ConfigProblem(lab.path, line, path_of(loc), message)


def _outwards(loc: Loc) -> Iterator[str]:
    return (path_of(loc[:end]) for end in range(len(loc), -1, -1))


def _between(one: Lab, other: Lab) -> Iterator[ConfigProblem]:
    """Problems of two labs, told at the second one."""
    if one.name == other.name:
        message = f"{other.name!r} is also the name of the lab {one.path}; expected different names"
        yield _problem(other, ("name",), message)
        return
    yield from _same_ports(one, other)
    yield from _same_networks(one, other)


@dataclass(frozen=True)
class _Use:
    """A published port, who publishes it, where the file says so, and on which nodes (empty: any)."""

    port: Port
    user: str
    loc: Loc
    on: tuple[int, ...] = ()


def _uses(lab: Lab) -> Iterator[_Use]:
    """The published ports of a lab; a container that ends may be there to meet a port that is taken."""
    for service in lab.services:
        yield from (_Use(port, service.key, ("services", service.key, "ports")) for port in service.ports)
    for container in (container for container in lab.containers if not container.ends):
        loc = (*CONTAINERS, container.key, "ports")
        yield from (_Use(port, container.key, loc, container.on) for port in container.ports)


def _same_ports(one: Lab, other: Lab) -> Iterator[ConfigProblem]:
    for use in _uses(other):
        user = next((used.user for used in _uses(one) if _collide(used, use)), "")
        if user:
            what = f"{use.port.published}/{use.port.protocol} is also published by {user} of the lab {one.name}"
            yield _problem(other, use.loc, f"{what}; expected another port")


def _collide(one: _Use, other: _Use) -> bool:
    """Whether both need one port of one node: surely where the routing mesh or two containers do, else perhaps."""
    ingress = PublishMode.INGRESS in (one.port.mode, other.port.mode)
    containers = CONTAINERS == one.loc[:2] == other.loc[:2]
    return same_socket(one.port, other.port) and (ingress or (containers and share_node(one.on, other.on)))


def _subnets(lab: Lab) -> Iterator[tuple[str, Loc, str]]:
    """The subnets of all networks that a lab makes, with name and where the file says so."""
    for network in lab.networks:
        if network.subnet and not network.external:
            yield network.name, ("networks", network.key, "ipam", "config", 0, "subnet"), network.subnet
    for bridge in lab.bridges:
        if bridge.subnet:
            yield bridge.name, (*BRIDGES, bridge.key, "subnet"), bridge.subnet


def _same_networks(one: Lab, other: Lab) -> Iterator[ConfigProblem]:
    names = {network.name for network in one.networks if not network.external}
    for network in other.networks:
        if network.name in names and not network.external:
            message = f"{network.name!r} is also a network of the lab {one.name}; expected different names"
            yield _problem(other, ("networks", network.key, "name"), message)
    for name, loc, subnet in _subnets(other):
        for namesake, _, used in _subnets(one):
            if name != namesake and overlap(used, subnet):
                message = f"{subnet} overlaps {used} of the lab {one.name}; expected them apart"
                yield _problem(other, loc, message)


def _positions(lab: Lab, nodes: int) -> Iterator[ConfigProblem]:
    """Choices of nodes that the inventory does not have."""
    chosen = [((*BRIDGES, bridge.key, "on"), bridge.on) for bridge in lab.bridges]
    chosen += [((*CONTAINERS, container.key, "on"), container.on) for container in lab.containers]
    for loc, positions in chosen:
        beyond = [str(number) for number in positions if number > nodes]
        if beyond:
            message = f"there is no node {', '.join(beyond)}: the inventory has {nodes}; expected 1 to {nodes}, or all"
            yield _problem(lab, loc, message)


def _with_cluster(lab: Lab, inventory: Inventory) -> Iterator[ConfigProblem]:
    for _, loc, subnet in _subnets(lab):
        lan = inventory.vm.lan
        if inventory.provider is ProviderKind.VM and overlap(subnet, lan):
            yield _problem(lab, loc, f"{subnet} overlaps the nodes' own network vm.lan {lan}")
        ingress = _ingress_subnet(inventory)
        if overlap(subnet, ingress):
            message = f"{subnet} overlaps {ingress}, which Docker gives to the ingress network"
            yield _problem(lab, loc, f"{message}; expected another subnet")
        for node in inventory.nodes:
            address = ipv4(node.advertise_addr) or ipv4(node.ssh.host if node.ssh else None)
            if inventory.provider is ProviderKind.SSH and address and overlap(subnet, f"{address}/32"):
                message = f"{subnet} holds {address}, the address of the node {node.name}"
                yield _problem(lab, loc, f"{message}; expected another subnet")


def _ingress_subnet(inventory: Inventory) -> str:
    """The first subnet of the first pool: the ingress network is made before any other."""
    pool = ipaddress.IPv4Network((*inventory.swarm.default_addr_pool, DEFAULT_POOL)[0])
    return str(next(pool.subnets(new_prefix=max(pool.prefixlen, inventory.swarm.subnet_size))))
