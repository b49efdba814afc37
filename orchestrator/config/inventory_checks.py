"""What must hold between the values of an inventory. Pure: looks at nothing but the file's content."""

from __future__ import annotations

import ipaddress
from itertools import combinations

from orchestrator.config.fields import label_problem
from orchestrator.config.inventory_schema import InventoryFile, Node, NodeSettings
from orchestrator.config.inventory_settings import FIRST_HOST, effective
from orchestrator.config.problems import Loc
from orchestrator.config.units import ipv4, overlap
from orchestrator.config.validation import Checked
from orchestrator.model.inventory import ProviderKind, Role

DEFAULT_POOL = "10.0.0.0/8"
"""From which Docker cuts overlay subnets where nothing else is said (``docker swarm init --help``)."""

Inv = Checked[InventoryFile]


def check_inventory(checked: Inv) -> None:
    """Report everything that does not fit together."""
    _check_names(checked)
    _check_labels(checked)
    _check_managers(checked)
    _check_pools(checked)
    if checked.incomplete("provider"):
        return
    if checked.value.provider is ProviderKind.VM:
        _check_no_host_settings(checked)
        _check_lan(checked)
    else:
        _check_no_machine_settings(checked)
        _check_hosts(checked)
        _check_addresses(checked)


def _check_names(checked: Inv) -> None:
    seen: dict[str, int] = {}
    for index, node in enumerate(checked.value.nodes):
        if node.name in seen:
            line = checked.line(("nodes", seen[node.name], "name"))
            checked.error(
                ("nodes", index, "name"),
                f"{node.name!r} is also the name of the node in line {line}; expected different names",
            )
        seen.setdefault(node.name, index)


def _check_labels(checked: Inv) -> None:
    for loc, settings in _settings(checked):
        for key in settings.labels:
            if problem := label_problem(key):
                checked.error((*loc, "labels", key), problem)


def _check_managers(checked: Inv) -> None:
    if checked.incomplete("nodes"):
        return  # the manager may be the node that could not be read
    managers = [node for node in checked.value.nodes if node.role is Role.MANAGER]
    if not managers:
        checked.error(("nodes",), "no node has the role manager; expected at least one")
    elif len(managers) % 2 == 0:
        count = len(managers)
        checked.warn(
            ("nodes",),
            f"{count} managers survive the loss of {count // 2 - 1}, no more than {count - 1} would; "
            "an odd number is usual",
        )


def _check_pools(checked: Inv) -> None:
    swarm = checked.value.swarm
    pools = list(enumerate(swarm.default_addr_pool))
    loc: Loc = ("swarm", "default_addr_pool")
    for (first, one), (second, other) in combinations(pools, 2):
        if overlap(one, other):
            checked.error((*loc, second), f"{other} overlaps {one} (the pool at position {first}); expected them apart")
    for index, pool in pools:
        length = ipaddress.IPv4Network(pool).prefixlen
        if length > swarm.subnet_size and not checked.incomplete("swarm", "subnet_size"):
            checked.error(
                (*loc, index),
                f"{pool} is smaller than one subnet of /{swarm.subnet_size}; expected a prefix of at most "
                f"{swarm.subnet_size}, or a larger swarm.subnet_size",
            )


def _check_no_host_settings(checked: Inv) -> None:
    for loc, settings in _settings(checked):
        for key in ("ssh", "advertise_addr", "data_path_addr"):
            if getattr(settings, key) is not None:
                reason = "lab reaches its machines itself" if key == "ssh" else "addresses come from vm.lan"
                checked.error((*loc, key), f"only for provider ssh, but the provider is vm: {reason}; leave it out")


def _check_no_machine_settings(checked: Inv) -> None:
    message = "only for provider vm, but the provider is ssh: the hosts are as they are; leave it out"
    for loc, settings in _settings(checked):
        if settings.vm is not None:
            checked.error((*loc, "vm"), message)
    if "vm" in checked.value.model_fields_set:
        checked.error(("vm",), message)


def _check_lan(checked: Inv) -> None:
    file = checked.value
    if checked.incomplete("vm", "lan"):
        return
    lan = ipaddress.IPv4Network(file.vm.lan)
    room = max(0, lan.num_addresses - 1 - FIRST_HOST)
    if room < len(file.nodes):
        checked.error(
            ("vm", "lan"),
            f"{lan} has room for {room} nodes (host numbers from {FIRST_HOST} on), but there are {len(file.nodes)}; "
            "expected a larger network",
        )
    for index, pool in enumerate(file.swarm.default_addr_pool):
        if overlap(file.vm.lan, pool):
            checked.error(
                ("swarm", "default_addr_pool", index),
                f"{pool} overlaps the nodes' own network vm.lan {lan}; expected them apart",
            )
    if not _has_pools(checked) and overlap(file.vm.lan, DEFAULT_POOL):
        checked.error(
            ("vm", "lan"),
            f"{lan} overlaps {DEFAULT_POOL}, from which Docker cuts subnets by default; expected another network, "
            "or swarm.default_addr_pool set",
        )


def _check_hosts(checked: Inv) -> None:
    file = checked.value
    seen: dict[tuple[str, int, str | None], str] = {}
    for index, node in enumerate(_nodes(checked)):
        host = node.ssh.host if node.ssh else None
        if node.ssh is None or host is None:
            if not _ssh_incomplete(checked, index):
                checked.error(("nodes", index), "ssh.host is missing; expected the address of the host")
            continue
        place = (host, node.ssh.port or 22, node.ssh.jump)  # networks behind two jump hosts may use equal addresses
        if place in seen:
            own = file.nodes[index].ssh
            loc: Loc = ("nodes", index, "ssh", "host") if own and own.host else ("nodes", index)
            checked.error(loc, f"{host} port {place[1]} is also the node {seen[place]}; expected another host")
        seen.setdefault(place, node.name)


def _ssh_incomplete(checked: Inv, index: int) -> bool:
    """Whether some SSH setting that holds for a node could not be read."""
    return checked.incomplete("defaults", "ssh") or checked.incomplete(*checked.in_file(("nodes", index, "ssh")))


def _check_addresses(checked: Inv) -> None:
    seen: dict[str, str] = {}
    for index, node in enumerate(_nodes(checked)):
        own = ipv4(node.advertise_addr)
        if own and own in seen:
            loc: Loc = ("nodes", index)
            given = checked.value.nodes[index].advertise_addr
            loc = (*loc, "advertise_addr") if given else loc
            checked.error(loc, f"{own} is also the address of the node {seen[own]}; expected different addresses")
        if own:
            seen.setdefault(own, node.name)
        _check_pool_contains(checked, index, own or ipv4(node.ssh.host if node.ssh else None))


def _check_pool_contains(checked: Inv, index: int, address: str) -> None:
    """Traffic to a node whose address lies in an overlay's subnet ends up in the overlay."""
    if not address:
        return
    for position, pool in enumerate(checked.value.swarm.default_addr_pool):
        if overlap(pool, f"{address}/32"):
            node = checked.value.nodes[index].name
            checked.error(
                ("swarm", "default_addr_pool", position),
                f"{pool} holds {address}, the address of the node {node}; expected a pool apart from the hosts",
            )
    if not _has_pools(checked) and overlap(DEFAULT_POOL, f"{address}/32"):
        checked.warn(
            ("nodes", index),
            f"{address} lies in {DEFAULT_POOL}, from which Docker cuts subnets by default; "
            "swarm.default_addr_pool can keep them apart",
        )


def _settings(checked: Inv) -> list[tuple[Loc, NodeSettings]]:
    """All settings as they stand in the file, with their places."""
    nodes: list[tuple[Loc, NodeSettings]] = [(("nodes", i), node) for i, node in enumerate(checked.value.nodes)]
    return [(("defaults",), checked.value.defaults), *nodes]


def _has_pools(checked: Inv) -> bool:
    return bool(checked.value.swarm.default_addr_pool) or checked.incomplete("swarm", "default_addr_pool")


def _nodes(checked: Inv) -> list[Node]:
    return [effective(checked.value.defaults, node) for node in checked.value.nodes]
