"""Single values of Compose files. All functions take what YAML gave and raise ``ValueError``."""

# ruff: noqa: TRY004 (pydantic turns a ValueError into a problem of the file; a TypeError would be a bug of ours)

from __future__ import annotations

import re
import shlex

from orchestrator.config.compose_keys import keys
from orchestrator.config.hints import did_you_mean, one_of, shown
from orchestrator.model.lab import Port, Protocol

_REFERENCE = re.compile(
    r"(?:(?:[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?/)?"  # registry
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"  # repository
    r"(?::[\w][\w.-]{0,127})?(?:@[a-zA-Z0-9+._-]+:[0-9a-fA-F]{32,})?"  # tag, digest
)
"""The grammar of image references (github.com/distribution/reference)."""

_MOST_REFERENCE = 255 + 128 + 160  # a name, a tag and a digest at their longest

_IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_CONSTRAINT = re.compile(r"\s*(?P<key>[A-Za-z_][\w.-]*)\s*(?P<operator>==|!=|=)\s*(?P<value>\S.*)")
_CONSTRAINT_KEYS = ("node.id", "node.hostname", "node.ip", "node.role", "node.platform.os", "node.platform.arch")
_CONSTRAINT_PREFIXES = ("node.labels.", "engine.labels.")
_CAPABILITIES = keys("""
    ALL AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH
    FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN
    NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT
    SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM
""")
"""``man 7 capabilities``, and ``ALL``."""


def image(value: object) -> str:
    """An image reference, or the id of an image (``sha256:…``)."""
    fits = isinstance(value, str) and len(value) <= _MOST_REFERENCE
    if isinstance(value, str) and fits and (_REFERENCE.fullmatch(value) or _IMAGE_ID.fullmatch(value)):
        return value
    lower = isinstance(value, str) and _REFERENCE.fullmatch(value.lower())
    advice = "; a repository is written in lowercase" if lower else ""
    raise ValueError(f"expected an image such as 'nginx:1.27', got {shown(value)}{advice}")


def command_line(value: object) -> tuple[str, ...]:
    """The words of a command; a text is split as a shell would split it (as Compose does)."""
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise ValueError(f"{shown(value)} cannot be split into words: {str(error).lower()}") from None
    elif isinstance(value, list):
        words = _texts(value)
    else:
        raise ValueError(f"expected a text or a list of texts, got {shown(value)}")
    if not words:
        raise ValueError("expected at least one word; leave the key out to use what the image has")
    return tuple(words)


def _texts(value: list[object]) -> list[str]:
    for index, word in enumerate(value):
        if not isinstance(word, str):
            advice = "; put it in quotes" if isinstance(word, int | float) else ""
            raise ValueError(f"expected texts, got {shown(word)} at position {index}{advice}")
    return [str(word) for word in value]


def health_test(value: object) -> tuple[str, ...]:
    """The test of a health check as the engine takes it: first NONE, CMD or CMD-SHELL."""
    if isinstance(value, str) and value.strip():
        return ("CMD-SHELL", value)
    kinds = ("NONE", "CMD", "CMD-SHELL")
    if not isinstance(value, list) or not value or value[0] not in kinds:
        found = shown(value[0]) if isinstance(value, list) and value else shown(value)
        raise ValueError(f"expected a text, or a list that begins with {one_of(kinds)}; got {found}")
    if len(value) == 1 and value[0] != "NONE":
        raise ValueError(f"expected a command after {value[0]}")
    return tuple(_texts(value))


def scalar_text(value: object) -> str | None:
    """The text of a variable's or label's value; ``None`` where it has none. Numbers as Docker writes them."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        advice = "; put it in quotes" if isinstance(value, bool) else ""
        raise ValueError(f"expected a text or a number, got {shown(value)}{advice}")
    return str(int(value)) if isinstance(value, int) or value.is_integer() else repr(value)


def capability(value: object) -> str:
    """A Linux capability in the form that the engine keeps: ``CAP_NET_ADMIN`` (``ALL`` stays)."""
    name = value.upper().removeprefix("CAP_") if isinstance(value, str) else ""
    if name not in _CAPABILITIES:
        near = did_you_mean(name, sorted(_CAPABILITIES))
        raise ValueError(f"expected a Linux capability such as 'NET_ADMIN', got {shown(value)}{near}")
    return name if name == "ALL" else f"CAP_{name}"


def constraint(value: object) -> str:
    """A placement constraint such as ``node.role == worker`` (swarmkit, package ``constraint``)."""
    match = _CONSTRAINT.fullmatch(value) if isinstance(value, str) else None
    if not match or match["operator"] == "=":
        advice = "; write '=='" if match else ""
        raise ValueError(f"expected a constraint such as 'node.role == worker', got {shown(value)}{advice}")
    key = match["key"]
    if key.lower() not in _CONSTRAINT_KEYS and not key.startswith(_CONSTRAINT_PREFIXES):
        known = [*_CONSTRAINT_KEYS, *(prefix + "NAME" for prefix in _CONSTRAINT_PREFIXES)]
        near = did_you_mean(key, known) or f"; expected {one_of(known)}"
        raise ValueError(f"no node can satisfy a constraint on {key!r}{near}")
    return f"{key}{match['operator']}{match['value'].strip()}"


def short_ports(value: object) -> tuple[Port, ...]:
    """Ports in Compose's short form: ``80``, ``8080:80``, ``8080:80/udp``, ``8000-8002:80-82``."""
    expected = "expected a port such as '8080:80', '8080:80/udp' or '8000-8002:80-82'"
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        raise ValueError(f"{expected}, got {shown(value)}")
    numbers, _, protocol = text.partition("/")
    parts = numbers.split(":")
    if len(parts) > 2:
        raise ValueError(f"{shown(text)}: swarm publishes on every address of a node; leave the host address out")
    if "/" in text and protocol not in list(Protocol):
        raise ValueError(f"{shown(text)}: expected the protocol {one_of(Protocol)}{did_you_mean(protocol, Protocol)}")
    targets = _port_range(parts[-1], text, expected)
    published = _port_range(parts[0], text, expected) if len(parts) == 2 else [0] * len(targets)
    if len(targets) != len(published):
        raise ValueError(
            f"{shown(text)}: {len(published)} published ports for {len(targets)} targets; expected as many"
        )
    kind = Protocol(protocol or "tcp")
    return tuple(Port(one, other, kind) for one, other in zip(published, targets, strict=True))


def _port_range(text: str, whole: str, expected: str) -> list[int]:
    match = _PORTS.fullmatch(text)
    if not match:
        raise ValueError(f"{expected}, got {shown(whole)}")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"{shown(whole)}: expected ports from 1 to 65535, the smaller one first")
    return list(range(first, last + 1))
