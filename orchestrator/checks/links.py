"""Network interfaces as ``ip -json`` tells them (ip-address(8), ip-link(8))."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network

from orchestrator.model.question import Told

ADDRESSES = ("ip", "-json", "address", "show")
"""All interfaces of a network namespace with their addresses."""


def enslaved(bridge: str) -> tuple[str, ...]:
    """The command that shows the interfaces of a bridge, with what they are."""
    return ("ip", "-json", "-details", "link", "show", "master", bridge)


@dataclass(frozen=True)
class Interface:
    """One interface: its IPv4 addresses with prefix length, and its kind (``veth``, ``bridge``, …; "" if not told)."""

    name: str
    addresses: tuple[IPv4Interface, ...] = ()
    kind: str = ""

    def __str__(self) -> str:
        return " ".join((self.name, *map(str, self.addresses)))

    def is_in(self, network: str) -> bool:
        """Whether one of its addresses is in that network."""
        return any(address.ip in IPv4Network(network) for address in self.addresses)


def interfaces(told: Told) -> tuple[Interface, ...]:
    """What ``ip`` has told; it prints nothing at all, or an empty list, where nothing is to be shown."""
    found = json.loads(told.stdout or "[]")
    return tuple(
        Interface(
            link["ifname"],
            tuple(
                IPv4Interface(f"{info['local']}/{info['prefixlen']}")
                for info in link.get("addr_info", ())
                if info.get("family") == "inet"
            ),
            link.get("linkinfo", {}).get("info_kind", ""),
        )
        for link in found
        if link
    )
