"""The wanted machines and the wanted swarm, as read from an inventory file.

Every value is final here: defaults are filled in, environment variables are substituted, paths are
absolute. :mod:`orchestrator.config.inventory` makes these objects and knows where each value stood.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Role(StrEnum):
    """What a node does in the swarm; the words are Docker's own."""

    MANAGER = "manager"
    WORKER = "worker"


class Availability(StrEnum):
    """Whether the scheduler may place tasks on a node; the words are Docker's own."""

    ACTIVE = "active"
    PAUSE = "pause"
    DRAIN = "drain"


class ProviderKind(StrEnum):
    """Where nodes come from: machines we make (``vm``) or hosts that exist (``ssh``)."""

    VM = "vm"
    SSH = "ssh"


NO_CONFIG = "none"
"""The word for "no configuration file of OpenSSH", as its own ``-F`` has it."""

DOCKER_SOCKET = "/var/run/docker.sock"
"""Where an engine listens unless its configuration says something else."""


@dataclass(frozen=True)
class SshAddress:
    """How a node's sshd is reached, as far as it is said; the rest is for OpenSSH's configuration to say.

    ``port`` and ``user`` are ``None`` where they are left to ``config``: "" for the files that ``ssh`` itself reads,
    ``none`` for none, else the path of a file. ``jump`` are the hosts on the way, the first one first
    (``user@host:port``); ``()`` for none, ``None`` for what ``config`` says. ``host_key_alias`` is the name under which
    the host key stands in ``known_hosts``; ``None`` means the host itself (``[host]:port`` unless the port is 22).
    """

    host: str
    port: int | None = None
    user: str | None = None
    key: Path | None = None
    known_hosts: Path | None = None
    host_key_alias: str | None = None
    certificate: Path | None = None
    jump: tuple[str, ...] | None = None
    config: str = NO_CONFIG
    docker_socket: str = DOCKER_SOCKET


@dataclass(frozen=True)
class VmShape:
    """An embedded node: its hardware, and the system on its disk. Memory is in MiB, disk in GiB.

    ``packages`` are Debian packages besides those that every node has, in a fixed order.
    """

    cpus: int = 1
    memory: int = 1024
    disk: int = 8
    suite: str = "trixie"
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeConfig:
    """One wanted node.

    ``advertise_addr`` and ``data_path_addr`` are addresses or interface names on the node; for
    ``vm`` nodes the address on the cluster LAN is filled in. ``ssh`` is ``None`` for ``vm`` nodes:
    their provider chooses a port on loopback.
    """

    name: str
    role: Role
    labels: dict[str, str] = field(default_factory=dict)
    availability: Availability = Availability.ACTIVE
    advertise_addr: str | None = None
    data_path_addr: str | None = None
    ssh: SshAddress | None = None
    vm: VmShape | None = None


@dataclass(frozen=True)
class SwarmOptions:
    """Options of ``docker swarm init``.

    ``default_addr_pool`` are CIDR blocks from which Docker cuts overlay subnets of length
    ``subnet_size``; empty means the engine's own default (10.0.0.0/8 cut into /24).
    """

    default_addr_pool: tuple[str, ...] = ()
    subnet_size: int = 24
    data_path_port: int = 4789


@dataclass(frozen=True)
class VmOptions:
    """Options of the ``vm`` provider as a whole: the cluster LAN and whether nodes reach the internet."""

    lan: str = "192.168.90.0/24"
    internet: bool = False


@dataclass(frozen=True)
class Inventory:
    """A whole inventory file. ``labs`` are the folders or Compose files that ``lab up`` deploys."""

    name: str
    path: Path
    provider: ProviderKind
    nodes: tuple[NodeConfig, ...]
    swarm: SwarmOptions = SwarmOptions()
    vm: VmOptions = VmOptions()
    labs: tuple[Path, ...] = ()

    @property
    def managers(self) -> tuple[NodeConfig, ...]:
        """The nodes that shall be managers, in the file's order; the first one initialises the swarm."""
        return tuple(node for node in self.nodes if node.role is Role.MANAGER)

    def node(self, name: str) -> NodeConfig:
        """The node of that name; raises ``KeyError`` where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)
