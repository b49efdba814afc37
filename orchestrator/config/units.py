"""Texts with a meaning: sizes, durations, networks, addresses and names. All functions raise ``ValueError``."""

from __future__ import annotations

import ipaddress
import re

from orchestrator.config.hints import shown

_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([A-Za-z]+)")
_MEBIBYTES = {"mib": 1, "gib": 1024, "tib": 1024 * 1024}
_DURATION = re.compile(r"(?:[0-9]{1,12}(?:\.[0-9]{1,9})?(?:ns|us|µs|ms|s|m|h))+")
_DURATION_PART = re.compile(r"([0-9.]+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}")
_HOST_PATH = re.compile(r"/[A-Za-z0-9_.@:+/-]+")
_DOTTED_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)*\.?")


JUMP_HOST = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_.+$][A-Za-z0-9_.+$-]*)@)?"
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?)\]|(?P<host>[A-Za-z0-9_.][A-Za-z0-9_.-]*))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
"""One host of ``ssh -J``. Nothing that a shell would take for anything but a word."""

_LONGEST_HOP = 300
"""Characters of user, name (RFC 1035: at most 253) and port."""


def size(value: object, *, unit: str, least: int, most: int) -> int:
    """A size in ``unit`` (``MiB`` or ``GiB``): a whole number of them, or a text such as ``1.5GiB``."""
    per_unit = _MEBIBYTES[unit.lower()]
    expected = f"expected a whole number of {unit} or a text such as '{'1024MiB' if unit == 'MiB' else '8GiB'}'"
    if isinstance(value, int) and not isinstance(value, bool):
        amount = float(value) if abs(value) < 10**15 else 1e15
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value)) and match[2].lower() in _MEBIBYTES:
        amount = float(match[1]) * _MEBIBYTES[match[2].lower()] / per_unit
    else:
        raise ValueError(f"{expected}, got {shown(value)}")
    if not amount.is_integer():
        raise ValueError(f"{expected}; {shown(value)} is {amount:g} {unit}")
    if not least <= amount <= most:
        raise ValueError(f"expected {least} to {most} {unit}, got {shown(value)}")
    return int(amount)


def duration(value: object) -> float:
    """Seconds of a duration as Compose writes it: numbers with units, ``1m30s``, ``500ms``, ``1.5h``."""
    if value == "0":
        return 0.0
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError(f"expected a duration such as '10s' or '1m30s', got {shown(value)}")
    # Whole nanoseconds, as the engine keeps them, so that sums of parts compare equal to what it reports.
    return round(sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(value)), 9)


def positive_duration(value: object) -> float:
    """As :func:`duration`, but not 0, which engines take for "not given" and replace by their default."""
    seconds = duration(value)
    if not seconds:
        raise ValueError(f"expected more than 0, got {shown(value)}; engines take 0 for their default: leave it out")
    return seconds


def network(value: object) -> str:
    """An IPv4 network in CIDR notation, without host bits."""
    if not isinstance(value, str) or "/" not in value:
        raise ValueError(f"expected an IPv4 network such as '10.0.9.0/24', got {shown(value)}")
    try:
        found = ipaddress.IPv4Network(value, strict=False)
    except ValueError as error:
        kind = "is an IPv6 network; Docker's routing mesh is IPv4 only" if ":" in value else f"is not one: {error}"
        raise ValueError(f"expected an IPv4 network such as '10.0.9.0/24'; {shown(value)} {kind}") from None
    if str(found.network_address) != value.split("/")[0]:
        raise ValueError(f"{shown(value)} has bits set behind the prefix; the network is '{found}'")
    if found.is_loopback or found.is_multicast or found.is_link_local or found.prefixlen == 0:
        raise ValueError(f"{shown(value)} cannot be used for nodes or containers; expected a private network")
    return str(found)


def address(value: object) -> str:
    """An IPv4 address."""
    try:
        return str(ipaddress.IPv4Address(value if isinstance(value, str) else ""))
    except ValueError:
        raise ValueError(f"expected an IPv4 address such as '10.0.9.1', got {shown(value)}") from None


def interface(value: object) -> str:
    """The name of a network interface (Linux takes up to 15 bytes)."""
    if not isinstance(value, str) or not _INTERFACE.fullmatch(value):
        raise ValueError(f"expected the name of an interface such as 'eth1', got {shown(value)}")
    return value


def address_or_interface(value: object) -> str:
    """An IPv4 address of a node or the name of one of its interfaces, as ``--advertise-addr`` takes it."""
    expected = "expected an IPv4 address of the node or the name of an interface such as 'eth1'"
    if isinstance(value, str) and _DOTTED_NUMBERS.fullmatch(value):
        found = ipaddress.IPv4Address(address(value))
        if found.is_loopback or found.is_unspecified or found.is_multicast:
            raise ValueError(f"{expected}; other nodes cannot reach {shown(value)}")
        return str(found)
    if not isinstance(value, str) or not _INTERFACE.fullmatch(value):
        raise ValueError(f"{expected}, got {shown(value)}")
    return value


def jump_hosts(value: object) -> str:
    """Hosts on the way to another one, as ``ssh -J`` takes them, or ``none``."""
    expected = "expected hosts as for ssh -J ('bastion.example', 'me@first:2222,second', IPv6 as '[2001:db8::1]:22')"
    for hop in value.split(",") if isinstance(value, str) else [value]:
        match = JUMP_HOST.fullmatch(hop.strip()) if isinstance(hop, str) and len(hop) <= _LONGEST_HOP else None
        if match is None or int(match["port"] or 22) not in range(1, 65536):
            raise ValueError(f"{expected}, or 'none'; {shown(hop)} is no such host")
    text = str(value)
    if "none" in text.split(",") and text != "none":
        raise ValueError(f"{expected}, or 'none' alone, got {shown(value)}")
    return text


def host_path(value: object) -> str:
    """An absolute path of a UNIX socket on a host (unix(7): at most 107 bytes)."""
    if not isinstance(value, str) or not _HOST_PATH.fullmatch(value) or ".." in value.split("/"):
        raise ValueError(f"expected an absolute path such as '/run/docker.sock', got {shown(value)}")
    if len(value.encode()) > 107:
        raise ValueError(f"expected at most 107 bytes, which is what the name of a socket may have, got {shown(value)}")
    return value


def host_label(value: str) -> str:
    """A host name of one label (RFC 1123, lower case, at most 63 characters)."""
    if not _LABEL.fullmatch(value):
        raise ValueError(f"{shown(value)} is not a host name; expected 1 to 63 of a-z, 0-9 and '-', no '-' at an end")
    return value


def overlap(one: str, other: str) -> bool:
    """Whether two networks share an address."""
    return ipaddress.IPv4Network(one).overlaps(ipaddress.IPv4Network(other))


def ipv4(text: str | None) -> str:
    """The text if it is an IPv4 address, else "" (a name, or nothing)."""
    try:
        return str(ipaddress.IPv4Address(text or ""))
    except ValueError:
        return ""
