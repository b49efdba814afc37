"""A lab: what shall exist in the swarm (networks, configs, services) and on single nodes (bridges, containers).

A lab is read from a Compose file. Field names follow Compose where Compose has a word and the Engine
API otherwise. Names are final: the object of the Compose key ``web`` of the lab ``ingress-mesh`` is
called ``ingress-mesh_web``, as ``docker stack deploy`` would call it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Protocol(StrEnum):
    """Transport protocol of a published port."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


class PublishMode(StrEnum):
    """``ingress`` publishes on every node through the routing mesh, ``host`` only where a task runs."""

    INGRESS = "ingress"
    HOST = "host"


class EndpointMode(StrEnum):
    """How a service name resolves inside an overlay: to one virtual IP or to every task's address."""

    VIP = "vip"
    DNSRR = "dnsrr"


class ServiceMode(StrEnum):
    """A fixed number of tasks, or one task on every eligible node."""

    REPLICATED = "replicated"
    GLOBAL = "global"


@dataclass(frozen=True, order=True)
class Port:
    """One published port. ``published`` 0 lets Docker choose."""

    published: int
    target: int
    protocol: Protocol = Protocol.TCP
    mode: PublishMode = PublishMode.INGRESS

    def __str__(self) -> str:
        """For a person, much as ``docker service ls`` shows it: ``8080→80/tcp``."""
        return f"{self.published}→{self.target}/{self.protocol.value}{' host' * (self.mode is PublishMode.HOST)}"


@dataclass(frozen=True, order=True)
class Attachment:
    """A service's place on a network, with further names under which it resolves there."""

    network: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class ConfigMount:
    """A config as a file in the container. ``mode`` is an octal permission as an integer (0o444)."""

    config: str
    target: str
    uid: str = "0"
    gid: str = "0"
    mode: int = 0o444


@dataclass(frozen=True)
class UpdatePolicy:
    """How a rolling update goes. Durations are seconds."""

    parallelism: int = 1
    delay: float = 0.0
    order: str = "stop-first"
    failure_action: str = "pause"
    monitor: float = 5.0
    max_failure_ratio: float = 0.0


@dataclass(frozen=True)
class RestartPolicy:
    """When a task is replaced. Durations are seconds; ``max_attempts`` 0 means without end."""

    condition: str = "any"
    delay: float = 5.0
    max_attempts: int = 0
    window: float = 0.0


@dataclass(frozen=True)
class Healthcheck:
    """A health check as the Engine API takes it: ``test`` begins with NONE, CMD or CMD-SHELL. Seconds."""

    test: tuple[str, ...]
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0


@dataclass(frozen=True)
class Service:
    """One wanted service. ``image`` is the reference as the Compose file names it."""

    key: str
    name: str
    image: str
    mode: ServiceMode = ServiceMode.REPLICATED
    replicas: int = 1
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    hostname: str = ""
    user: str = ""
    working_dir: str = ""
    stop_grace_period: float = 10.0
    cap_add: tuple[str, ...] = ()
    healthcheck: Healthcheck | None = None
    labels: dict[str, str] = field(default_factory=dict)
    container_labels: dict[str, str] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    max_replicas_per_node: int = 0
    endpoint_mode: EndpointMode = EndpointMode.VIP
    ports: tuple[Port, ...] = ()
    networks: tuple[Attachment, ...] = ()
    configs: tuple[ConfigMount, ...] = ()
    update: UpdatePolicy = UpdatePolicy()
    restart: RestartPolicy = RestartPolicy()


@dataclass(frozen=True)
class Network:
    """One wanted overlay network. ``subnet`` empty lets Docker cut one from the pool; ``mtu`` 0 is the default.

    ``external`` networks are used but never created, changed or removed.
    """

    key: str
    name: str
    subnet: str = ""
    gateway: str = ""
    attachable: bool = False
    internal: bool = False
    encrypted: bool = False
    mtu: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    external: bool = False


@dataclass(frozen=True)
class ConfigObject:
    """One wanted swarm config. Configs are immutable in Docker, so ``name`` ends in a hash of the content."""

    key: str
    name: str
    data: bytes = field(repr=False)
    template_driver: str = ""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bridge:
    """One wanted user-defined bridge network, made on each chosen node for itself.

    ``on`` are positions in the inventory's list of nodes (1 is the first), empty for all nodes. ``subnet`` empty lets
    Docker choose.
    """

    key: str
    name: str
    on: tuple[int, ...] = ()
    subnet: str = ""
    gateway: str = ""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Container:
    """One wanted plain container (``docker run``), started on each chosen node; ``on`` is as in :class:`Bridge`.

    ``network`` is ``bridge``, ``host``, ``none`` or the name of a bridge or attachable overlay of the lab, on which
    ``aliases`` are further names of the container. All ports are published by the node alone. A container that
    ``ends`` is expected to exit by itself.
    """

    key: str
    name: str
    image: str
    on: tuple[int, ...] = ()
    network: str = "bridge"
    aliases: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    hostname: str = ""
    command: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    ends: bool = False
    labels: dict[str, str] = field(default_factory=dict)


PREDEFINED_NETWORKS = ("bridge", "host", "none")
"""Networks that every engine has."""


@dataclass(frozen=True)
class Lab:
    """A whole lab file.

    ``checks`` are what `lab verify` checks (:class:`orchestrator.checks.base.Check`), empty where the file leaves it to
    us. ``lines`` has the line of each key path (``services.web.ports``) in ``path``, for messages only.
    """

    name: str
    path: Path
    title: str = ""
    services: tuple[Service, ...] = ()
    networks: tuple[Network, ...] = ()
    configs: tuple[ConfigObject, ...] = ()
    bridges: tuple[Bridge, ...] = ()
    containers: tuple[Container, ...] = ()
    checks: tuple[Any, ...] = ()
    lines: dict[str, int] = field(default_factory=dict, compare=False, repr=False)
