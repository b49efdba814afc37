"""The kernel's load balancer of a network namespace, read from what Linux itself prints of it. Pure.

Docker marks packets for a virtual address or a published port (iptables, table mangle) and lets IPVS spread each mark
over backends. Formats: iptables-save(8), and ``/proc/net/ip_vs`` (net/netfilter/ipvs/ip_vs_ctl.c), whose numbers are
hexadecimal save for the weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address

_ADDRESS = re.compile(r"(?:^|\s)-d (?P<address>[0-9.]+)(?:/32)?\s")
_PORT = re.compile(r"-p (?P<protocol>\w+) .*--dport (?P<port>\d+)\s")
_MARK = re.compile(r"-j MARK --set-(?:x?mark) (?P<mark>0x[0-9a-f]+|\d+)")
_BALANCED = re.compile(r"FWM +(?P<mark>[0-9A-F]{8}) ")
_BACKEND = re.compile(r" +-> +(?P<address>[0-9A-F]{8}):[0-9A-F]{4} +\w+ +(?P<weight>\d+) ")


def marks(rules: str) -> dict[str, int]:
    """The mark of each virtual address (``10.0.9.2``) and each published port (``8080/tcp``)."""
    return dict(_marks(rules))


def _marks(rules: str) -> Iterator[tuple[str, int]]:
    for line in rules.splitlines():
        mark = _MARK.search(line)
        if mark and (address := _ADDRESS.search(line)):
            yield address["address"], int(mark["mark"], 0)
        elif mark and (port := _PORT.search(line)):
            yield f"{port['port']}/{port['protocol']}", int(mark["mark"], 0)


def backends(table: str) -> dict[int, frozenset[str]]:
    """The addresses to which each mark leads; those of weight 0 are being drained and get nothing new."""
    found: dict[int, set[str]] = {}
    current: set[str] = set()
    for line in table.splitlines():
        if balanced := _BALANCED.match(line):
            current = found.setdefault(int(balanced["mark"], 16), set())
        elif (backend := _BACKEND.match(line)) and int(backend["weight"]):
            current.add(str(IPv4Address(int(backend["address"], 16))))
        elif not line.startswith("  "):
            current = set()
    return {mark: frozenset(addresses) for mark, addresses in found.items()}
