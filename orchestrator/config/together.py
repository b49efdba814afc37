"""What must hold between several labs, and between labs and the cluster's own networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from itertools import combinations

from orchestrator.config.inventory_checks import DEFAULT_POOL
from orchestrator.config.problems import Loc, path_of
from orchestrator.config.units import ipv4, overlap
from orchestrator.errors import ConfigError, ConfigProblem
from orchestrator.model.inventory import Inventory, ProviderKind
from orchestrator.model.lab import Lab, Network, Port, PublishMode, Service


def check_labs_together(labs: Sequence[Lab], inventory: Inventory) -> None:
    """Raise ``ConfigError`` where labs cannot run beside each other in the cluster of ``inventory``."""
    problems = [problem for one, other in combinations(labs, 2) for problem in _between(one, other)]
    for lab in labs:
        problems += _with_cluster(lab, inventory)
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


def _same_ports(one: Lab, other: Lab) -> Iterator[ConfigProblem]:
    for service in other.services:
        for port in service.ports:
            user = _user_of(port, one.services)
            if user:
                what = f"{port.published}/{port.protocol} is also published by {user.key} of the lab {one.name}"
                yield _problem(other, ("services", service.key, "ports"), f"{what}; expected another port")


def _user_of(port: Port, services: Sequence[Service]) -> Service | None:
    """The service that publishes the same port, where one of the two does it through the routing mesh."""
    for service in services:
        for used in service.ports:
            same = (used.published, used.protocol) == (port.published, port.protocol)
            if port.published and same and PublishMode.INGRESS in (used.mode, port.mode):
                return service
    return None


def _same_networks(one: Lab, other: Lab) -> Iterator[ConfigProblem]:
    for network in (network for network in other.networks if not network.external):
        for used in (used for used in one.networks if not used.external):
            if used.name == network.name:
                message = f"{network.name!r} is also a network of the lab {one.name}; expected different names"
                yield _problem(other, ("networks", network.key, "name"), message)
            elif used.subnet and network.subnet and overlap(used.subnet, network.subnet):
                message = f"{network.subnet} overlaps {used.subnet} of the lab {one.name}; expected them apart"
                yield _problem(other, _subnet(network), message)


def _with_cluster(lab: Lab, inventory: Inventory) -> Iterator[ConfigProblem]:
    for network in (network for network in lab.networks if network.subnet and not network.external):
        lan = inventory.vm.lan
        if inventory.provider is ProviderKind.VM and overlap(network.subnet, lan):
            yield _problem(lab, _subnet(network), f"{network.subnet} overlaps the nodes' own network vm.lan {lan}")
        ingress = _ingress_subnet(inventory)
        if overlap(network.subnet, ingress):
            message = f"{network.subnet} overlaps {ingress}, which Docker gives to the ingress network"
            yield _problem(lab, _subnet(network), f"{message}; expected another subnet")
        for node in inventory.nodes:
            address = ipv4(node.advertise_addr) or ipv4(node.ssh.host if node.ssh else None)
            if inventory.provider is ProviderKind.SSH and address and overlap(network.subnet, f"{address}/32"):
                message = f"{network.subnet} holds {address}, the address of the node {node.name}"
                yield _problem(lab, _subnet(network), f"{message}; expected another subnet")


def _subnet(network: Network) -> Loc:
    return ("networks", network.key, "ipam", "config", 0, "subnet")


def _ingress_subnet(inventory: Inventory) -> str:
    """The first subnet of the first pool: the ingress network is made before any other."""
    pool = ipaddress.IPv4Network((*inventory.swarm.default_addr_pool, DEFAULT_POOL)[0])
    return str(next(pool.subnets(new_prefix=max(pool.prefixlen, inventory.swarm.subnet_size))))
