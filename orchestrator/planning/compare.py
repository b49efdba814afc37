"""What differs between an object that exists and the wanted one, each difference as words for a person.

An object is flattened into lines of text, field by field, and the texts are compared: what a person reads as equal
is equal. ``key`` is the lab file's own word and is never compared.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields

from orchestrator.model.lab import (
    Attachment,
    Bridge,
    ConfigMount,
    ConfigObject,
    Container,
    Healthcheck,
    Network,
    Port,
    PublishMode,
    RestartPolicy,
    Service,
    ServiceMode,
    UpdatePolicy,
)

NONE = "–"
SECRET = ("environment ",)
"""Prefixes of fields whose values are never shown: people keep passwords there."""


def service_changes(live: Service, wanted: Service, names: Mapping[str, str]) -> tuple[str, ...]:
    """What an update would change; ``names`` maps image ids to the references that people know."""
    before = dict(_service_lines(live, names))
    after = dict(_service_lines(wanted, names))
    if _chosen_ports(live.ports, wanted.ports):
        after["ports"] = before["ports"]
    return _changes(before, after)


def network_changes(live: Network, wanted: Network) -> tuple[str, ...]:
    """What differs in an existing network; an empty wanted subnet or gateway means any."""
    before, after = dict(_network_lines(live)), dict(_network_lines(wanted))
    for free in ("subnet", "gateway"):
        if not after[free]:
            after[free] = before[free]
    return _changes(before, after)


def config_changes(live: ConfigObject, wanted: ConfigObject) -> tuple[str, ...]:
    """What differs in an existing config; its content is told by digest only."""
    return _changes(dict(_config_lines(live)), dict(_config_lines(wanted)))


def bridge_changes(live: Bridge, wanted: Bridge) -> tuple[str, ...]:
    """What differs in an existing bridge; an empty wanted subnet means any."""
    before, after = dict(_bridge_lines(live)), dict(_bridge_lines(wanted))
    if not after["subnet"]:
        after["subnet"] = before["subnet"]
    return _changes(before, after)


def container_changes(made_from: Container, wanted: Container, names: Mapping[str, str]) -> tuple[str, ...]:
    """What differs between what a container was made from and what is wanted; ``names`` as for services."""
    return _changes(dict(_container_lines(made_from, names)), dict(_container_lines(wanted, names)))


def port_text(port: Port) -> str:
    """A published port as ``docker service ls`` writes it: ``8080:80/tcp``, with the mode where it is not ingress."""
    mode = "" if port.mode is PublishMode.INGRESS else f" ({port.mode})"
    return f"{port.published}:{port.target}/{port.protocol}{mode}"


def image_text(image: str, names: Mapping[str, str]) -> str:
    """An image for a person: the known reference with the beginning of the id, as ``docker images`` shows it."""
    short = image.removeprefix("sha256:")[:12] if image.startswith("sha256:") else image
    return f"{names[image]} ({short})" if image in names else short


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    keys = [*after, *(key for key in before if key not in after)]
    return tuple(_change(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key))


def _change(key: str, before: str | None, after: str | None) -> str:
    if not key.startswith(SECRET):
        return f"{key}: {before or NONE} → {after or NONE}"
    if before is None:
        return f"{key}: added"
    return f"{key}: removed" if after is None else f"{key}: changed"


def _service_lines(service: Service, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "image", image_text(service.image, names)
    yield "mode", service.mode
    if service.mode is ServiceMode.REPLICATED:
        yield "replicas", str(service.replicas)
    yield "ports", ", ".join(port_text(port) for port in sorted(service.ports))
    yield "networks", ", ".join(sorted(map(_attachment, service.networks)))
    yield "configs", ", ".join(sorted(map(_mount, service.configs)))
    yield "entrypoint", shlex.join(service.entrypoint)
    yield "command", shlex.join(service.command)
    yield from (("environment " + key, value) for key, value in sorted(service.environment.items()))
    yield "hostname", service.hostname
    yield "user", service.user
    yield "working_dir", service.working_dir
    yield "stop_grace_period", _seconds(service.stop_grace_period)
    yield "cap_add", ", ".join(sorted(service.cap_add))
    yield "endpoint_mode", service.endpoint_mode
    yield "constraints", ", ".join(sorted(service.constraints))
    yield "max_replicas_per_node", str(service.max_replicas_per_node)
    yield from _label_lines("label", service.labels)
    yield from _label_lines("container label", service.container_labels)
    yield from _policy_lines("healthcheck", service.healthcheck)
    yield from _policy_lines("update", service.update)
    yield from _policy_lines("restart", service.restart)


def _network_lines(network: Network) -> Iterator[tuple[str, str]]:
    yield "subnet", network.subnet
    yield "gateway", network.gateway
    yield "attachable", _flag(network.attachable)
    yield "internal", _flag(network.internal)
    yield "encrypted", _flag(network.encrypted)
    yield "mtu", str(network.mtu or "default")
    yield from _label_lines("label", network.labels)


def _config_lines(config: ConfigObject) -> Iterator[tuple[str, str]]:
    yield "content", f"sha256 {hashlib.sha256(config.data).hexdigest()[:12]}"
    yield "template_driver", config.template_driver
    yield from _label_lines("label", config.labels)


def _bridge_lines(bridge: Bridge) -> Iterator[tuple[str, str]]:
    yield "subnet", bridge.subnet
    yield from _label_lines("label", bridge.labels)


def _container_lines(container: Container, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "image", image_text(container.image, names)
    yield "network", container.network
    yield "aliases", ", ".join(sorted(container.aliases))
    yield "ports", ", ".join(port_text(port) for port in sorted(container.ports))
    yield from (("environment " + key, value) for key, value in sorted(container.environment.items()))
    yield "hostname", container.hostname
    yield "command", shlex.join(container.command)
    yield "cap_add", ", ".join(sorted(container.cap_add))
    yield "ends", _flag(container.ends)


def _policy_lines(name: str, policy: Healthcheck | UpdatePolicy | RestartPolicy | None) -> Iterator[tuple[str, str]]:
    for part in fields(policy) if policy else ():
        value = getattr(policy, part.name)
        if part.type == "float":
            text = _decimal(value) if part.name.endswith("ratio") else _seconds(value)
        else:
            text = shlex.join(value) if isinstance(value, tuple) else str(value)
        yield f"{name} {part.name}", text


def _label_lines(name: str, labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((f"{name} {key}", value) for key, value in sorted(labels.items()))


def _attachment(attachment: Attachment) -> str:
    aliases = f" (alias {', '.join(sorted(attachment.aliases))})" if attachment.aliases else ""
    return attachment.network + aliases


def _mount(mount: ConfigMount) -> str:
    return f"{mount.config} at {mount.target} ({mount.uid}:{mount.gid} {mount.mode:o})"


def _flag(value: bool) -> str:
    return "yes" if value else "no"


def _seconds(value: float) -> str:
    return f"{_decimal(value)} s"


def _decimal(value: float) -> str:
    """A number to six decimals: an engine keeps whole nanoseconds, and a round trip may lose the last of them."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _chosen_ports(live: tuple[Port, ...], wanted: tuple[Port, ...]) -> bool:
    """Whether the ports are the wanted ones but for those whose published number was left to Docker."""
    left = list(live)
    for port in sorted(wanted, reverse=True):
        same = [found for found in left if _answers(found, port)]
        if not same:
            return False
        left.remove(same[0])
    return not left


def _answers(live: Port, wanted: Port) -> bool:
    same = (live.target, live.protocol, live.mode) == (wanted.target, wanted.protocol, wanted.mode)
    return same and wanted.published in {0, live.published}
