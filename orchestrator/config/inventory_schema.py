"""The schema of inventory files. Descriptions go into the published JSON Schema."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from orchestrator.config.fields import (
    AddressOrInterface,
    GibiBytes,
    HostPath,
    JumpHosts,
    MebiBytes,
    Name,
    Network,
    Text,
)
from orchestrator.config.hints import shown
from orchestrator.config.units import host_label
from orchestrator.config.validation import StrictModel
from orchestrator.model.inventory import Availability, ProviderKind, Role
from orchestrator.model.probe import OPERATOR

Suite = Literal["bookworm", "trixie", "forky", "sid"]
_GOSSIP_PORT = 7946


def _lab_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", value):
        raise ValueError(
            f"{shown(value)} cannot be the lab's name, which becomes a folder; "
            "expected 1 to 32 lowercase letters, digits and '-', no '-' at an end"
        )
    return value


def _node_name(value: str) -> str:
    if value == OPERATOR:
        raise ValueError(f"{value!r} is what reports call this machine; choose another name")
    return host_label(value)


def _package(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]{1,127}", value):
        raise ValueError(f"{shown(value)} is no name of a Debian package; expected at most 128 of a-z, 0-9, +, . and -")
    return value


def _data_path_port(value: int) -> int:
    if value == _GOSSIP_PORT:
        raise ValueError(f"port {value}/udp is taken by the gossip between nodes; expected another port")
    return value


class Ssh(StrictModel):
    """How a host's sshd is reached; only with the provider `ssh`."""

    host: Name | None = Field(default=None, description="Address or name of the host. Required for every node.")
    port: int | None = Field(
        default=None, ge=1, le=65535, description="TCP port of sshd. Default: what ~/.ssh/config says, else 22."
    )
    user: Name | None = Field(
        default=None,
        description="Login name: root, a member of the group docker, or a user with sudo. "
        "Default: what ~/.ssh/config says, else root.",
    )
    key: Text | None = Field(
        default=None, description="Private key file, relative to this file. Default: the agent's and your usual keys."
    )
    certificate: Text | None = Field(
        default=None,
        description="OpenSSH certificate of `key`, relative to this file. Default: KEY-cert.pub beside it.",
    )
    known_hosts: Text | None = Field(
        default=None,
        description="File with the keys of the host and of jump hosts, relative to this file; `lab trust` writes it. "
        "Default: ~/.ssh/known_hosts.",
    )
    jump: JumpHosts | None = Field(
        default=None,
        description="Hosts on the way, as for ssh -J: user@host:port, several with commas, the nearest first; none for "
        "a direct way. Default: what ~/.ssh/config says.",
    )
    config: Text | None = Field(
        default=None,
        description="Configuration file of OpenSSH, relative to this file; none for none. Default: ~/.ssh/config and "
        "/etc/ssh/ssh_config.",
    )
    docker_socket: HostPath | None = Field(
        default=None, description="UNIX socket of the engine on the host. Default: /var/run/docker.sock."
    )


class Vm(StrictModel):
    """A machine that lab makes, its hardware and its system; only with the provider `vm`."""

    cpus: int | None = Field(default=None, ge=1, le=64, description="Number of virtual CPUs. Default: 1.")
    memory: MebiBytes | None = Field(
        default=None, description="Memory in MiB or as text (1GiB), at least 512. Default: 1024."
    )
    disk: GibiBytes | None = Field(default=None, description="Disk in GiB or as text (8GiB), at least 4. Default: 8.")
    suite: Suite | None = Field(
        default=None,
        description="Debian release of the node, which decides the generation of the engine. Default: trixie.",
    )
    packages: list[Annotated[str, AfterValidator(_package)]] | None = Field(
        default=None,
        description="Debian packages to install besides; such nodes have an image of their own. Default: none.",
    )


class NodeSettings(StrictModel):
    """What a node and `defaults` have in common."""

    labels: dict[str, str] = Field(
        default={}, description="Labels of the node in the swarm, for placement constraints."
    )
    availability: Annotated[Availability, Field(strict=False)] | None = Field(
        default=None, description="Whether the node takes tasks: active, pause or drain. Default: active."
    )
    advertise_addr: AddressOrInterface | None = Field(
        default=None,
        description="Address or interface that other nodes use for the control plane. Only with provider ssh.",
    )
    data_path_addr: AddressOrInterface | None = Field(
        default=None, description="Address or interface for traffic between containers. Only with provider ssh."
    )
    ssh: Ssh | None = Field(default=None, description="How the host is reached. Only with provider ssh.")
    vm: Vm | None = Field(default=None, description="Hardware and system of the machine. Only with provider vm.")


class Node(NodeSettings):
    """One machine of the swarm."""

    name: Annotated[str, AfterValidator(_node_name)] = Field(
        description="Host name of one label: 1 to 63 of a-z, 0-9 and -."
    )
    role: Annotated[Role, Field(strict=False)] = Field(description="What the node is in the swarm: manager or worker.")


class Swarm(StrictModel):
    """Options of `docker swarm init`."""

    default_addr_pool: list[Network] = Field(
        default=[], description="Networks from which Docker cuts the subnets of overlay networks. Default: 10.0.0.0/8."
    )
    subnet_size: int = Field(default=24, ge=8, le=29, description="Prefix length of those subnets. Default: 24.")
    data_path_port: Annotated[int, AfterValidator(_data_path_port)] = Field(
        default=4789,
        ge=1024,
        le=49151,
        description="UDP port of the traffic between containers (VXLAN). Default: 4789.",
    )


class VmOptions(StrictModel):
    """Options of the provider `vm` as a whole."""

    lan: Network = Field(default="192.168.90.0/24", description="Network of the cluster; nodes get .11, .12 and so on.")
    internet: bool = Field(default=False, description="Whether the nodes reach the internet through this machine.")


class InventoryFile(StrictModel):
    """An inventory of Swarm Mesh Lab: which machines form the swarm, and which labs run on it."""

    name: Annotated[str, AfterValidator(_lab_name)] = Field(
        description="Name of the cluster; becomes a folder: lowercase letters, digits and -, at most 32."
    )
    provider: Annotated[ProviderKind, Field(strict=False)] = Field(
        description="Where nodes come from: vm (machines that lab makes) or ssh (hosts that exist)."
    )
    defaults: NodeSettings = Field(
        default=NodeSettings(),
        description="Settings of every node that does not have its own; labels, ssh and vm key by key.",
    )
    nodes: list[Node] = Field(min_length=1, description="The machines. The first manager initialises the swarm.")
    swarm: Swarm = Field(default=Swarm(), description="Options of docker swarm init.")
    vm: VmOptions = Field(default=VmOptions(), description="Options of the provider vm.")
    labs: list[Text] = Field(
        default=[],
        description="Lab folders or Compose files, relative to this file, that `lab up` deploys. Default: none.",
    )
