"""What must hold for the networks of a lab file."""

from __future__ import annotations

import ipaddress

from orchestrator.config.compose_schema import LabFile, LabNetwork
from orchestrator.config.problems import Loc
from orchestrator.config.units import overlap
from orchestrator.config.validation import Checked

_SMALLEST = 29


def check_networks(checked: Checked[LabFile]) -> None:
    """Report subnets, gateways and names that cannot be."""
    subnets: list[tuple[str, str]] = []
    for key, network in checked.value.networks.items():
        loc: Loc = ("networks", key)
        if network is None:
            continue
        _check_external(checked, loc, network)
        if not network.ipam.config:
            continue
        place = (*loc, "ipam", "config", 0)
        addresses = network.ipam.config[0]
        if addresses.subnet is None:
            if addresses.gateway and not checked.incomplete(*checked.in_file(place)):
                checked.error((*place, "gateway"), "a gateway needs a subnet; expected the key subnet beside it")
            continue
        for other, subnet in subnets:
            if overlap(subnet, addresses.subnet):
                message = f"{addresses.subnet} overlaps {subnet} of the network {other!r}; expected them apart"
                checked.error((*place, "subnet"), message)
        subnets.append((key, addresses.subnet))
        _check_subnet(checked, place, addresses.subnet, addresses.gateway)


def _check_subnet(checked: Checked[LabFile], loc: Loc, subnet: str, gateway: str | None) -> None:
    net = ipaddress.IPv4Network(subnet)
    if net.prefixlen > _SMALLEST:
        checked.error(
            (*loc, "subnet"),
            f"{subnet} is too small: the gateway, each node's load balancer and each task need an address; "
            f"expected /{_SMALLEST} or larger",
        )
    elif gateway:
        address = ipaddress.IPv4Address(gateway)
        if address not in net or address in (net.network_address, net.broadcast_address):
            checked.error((*loc, "gateway"), f"{gateway} is no host address of {subnet}; expected one like {net[1]}")


def _check_external(checked: Checked[LabFile], loc: Loc, network: LabNetwork) -> None:
    if not network.external:
        return
    for key in sorted(network.model_fields_set - {"external", "name"}):
        checked.error((*loc, key), "an external network is used as it is; expected nothing but external and name")
