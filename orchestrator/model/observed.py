"""What is really there: one observation per node and one of the swarm, taken through the engines.

An unreachable node is data (:attr:`NodeView.problem`), not an exception: planning decides what it means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.model.inventory import Availability, Role
from orchestrator.model.lab import Bridge, ConfigObject, Container, Network, Service
from orchestrator.model.lease import LiveLease


class SwarmState(StrEnum):
    """``Swarm.LocalNodeState`` of ``GET /info``."""

    INACTIVE = "inactive"
    PENDING = "pending"
    ACTIVE = "active"
    ERROR = "error"
    LOCKED = "locked"


@dataclass(frozen=True)
class Problem:
    """Why something could not be observed or done.

    ``kind`` is one of ``unreachable``, ``refused``, ``timeout``, ``host-key``, ``auth``, ``engine``;
    ``message`` is for a person and ``hint`` says what to do next.
    """

    kind: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class LiveContainer:
    """A plain container that carries our label.

    ``spec`` is what it was made from, ``None`` where its label does not say so (any more). ``image`` is the image's
    id; ``state`` is Docker's word (created, running, exited, …), ``error`` says why it could not be started.
    ``networks`` maps network names to the container's address there, without prefix length ("" where it has none);
    ``network_mode`` is as in ``HostConfig``. ``sandbox`` is the path of its network namespace on the node ("" where
    it has none), ``pid`` that of its first process (0 where none runs).
    """

    id: str
    name: str
    labels: dict[str, str]
    spec: Container | None
    image: str
    state: str
    exit_code: int = 0
    error: str = ""
    networks: dict[str, str] = field(default_factory=dict)
    network_mode: str = ""
    sandbox: str = ""
    pid: int = 0


@dataclass(frozen=True)
class TaskContainer:
    """A container that a node's engine made for a task of ours."""

    id: str
    name: str
    labels: dict[str, str]


@dataclass(frozen=True)
class LiveBridge:
    """A bridge network on one node that carries our label; ``spec`` holds the subnet that Docker really uses."""

    id: str
    spec: Bridge


@dataclass(frozen=True)
class NodeView:
    """One machine as its own engine tells it.

    ``cluster_id`` is the swarm's id as a manager knows it (workers do not know it);
    ``remote_managers`` are ``address:port`` of the managers this node talks to;
    ``images`` maps the wanted image references that exist on this node to their local ids; ``containerd_images`` tells
    whether it keeps them in containerd's store, and so by other ids than engines did before;
    ``ingress_address`` is the node's own address on the ingress network ("" where it has none yet):
    a task sees ingress traffic come from there;
    ``containers`` maps running container ids to task ids (only those of swarm tasks);
    ``task_containers`` are all containers of tasks that carry our label, running or not;
    ``plain`` and ``bridges`` are the plain containers and bridge networks that carry our label (any cluster's);
    ``other_containers`` are the names of all other containers, ``other_networks`` maps the names of all other
    networks that are the node's own to their subnets ("" where they have none); ``clock`` is the time that the node's
    engine told when it was asked.
    """

    name: str
    reachable: bool
    problem: Problem | None = None
    engine_version: str = ""
    api_version: str = ""
    swarm: SwarmState = SwarmState.INACTIVE
    node_id: str = ""
    node_addr: str = ""
    is_manager: bool = False
    cluster_id: str = ""
    remote_managers: tuple[str, ...] = ()
    images: dict[str, str] = field(default_factory=dict)
    containerd_images: bool = False
    ingress_address: str = ""
    containers: dict[str, str] = field(default_factory=dict)
    task_containers: tuple[TaskContainer, ...] = ()
    plain: tuple[LiveContainer, ...] = ()
    bridges: tuple[LiveBridge, ...] = ()
    other_containers: tuple[str, ...] = ()
    other_networks: dict[str, str] = field(default_factory=dict)
    clock: datetime | None = None


@dataclass(frozen=True)
class SwarmNode:
    """One member as the managers see it. ``state`` is Docker's word: ready, down, unknown, disconnected.

    ``reachability`` is how the other managers see a manager (reachable, unreachable, unknown; "" for workers).
    """

    id: str
    hostname: str
    role: Role
    availability: Availability
    state: str
    address: str
    labels: dict[str, str] = field(default_factory=dict)
    leader: bool = False
    version: int = 0
    reachability: str = ""


@dataclass(frozen=True)
class LiveNetwork:
    """A swarm network that exists; ``spec`` holds what Docker really uses (subnet and gateway filled in)."""

    id: str
    spec: Network


@dataclass(frozen=True)
class LiveConfig:
    """A swarm config that exists."""

    id: str
    spec: ConfigObject


@dataclass(frozen=True)
class LiveService:
    """A service that exists. ``version`` is the index that an update must name.

    ``spec.image`` is the reference or id in the service's spec; ``spec.networks`` and ``spec.configs``
    hold names, not ids. ``vips`` maps network names to the service's virtual address there.
    ``update_state`` is Docker's word ("", updating, paused, completed, rollback_…); ``unsupported`` names
    settings of the live service that a lab file cannot express (somebody set them by hand).
    """

    id: str
    version: int
    spec: Service
    vips: dict[str, str] = field(default_factory=dict)
    update_state: str = ""
    unsupported: tuple[str, ...] = ()


@dataclass(frozen=True)
class LiveTask:
    """A task as the managers see it. ``state`` and ``desired`` are Docker's words (running, shutdown, …).

    ``addresses`` maps network names to the task's address there, without prefix length.
    """

    id: str
    service: str
    slot: int
    node_id: str
    state: str
    desired: str
    error: str = ""
    container_id: str = ""
    addresses: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SwarmView:
    """The swarm as one manager (``seen_by``) tells it; the lease is not among the ``configs``."""

    seen_by: str
    cluster_id: str
    labels: dict[str, str]
    nodes: tuple[SwarmNode, ...] = ()
    networks: tuple[LiveNetwork, ...] = ()
    configs: tuple[LiveConfig, ...] = ()
    services: tuple[LiveService, ...] = ()
    tasks: tuple[LiveTask, ...] = ()
    lease: LiveLease | None = None


@dataclass(frozen=True)
class ClusterView:
    """Everything observed at once. ``swarm`` is ``None`` where no reachable node is a manager."""

    nodes: tuple[NodeView, ...]
    swarm: SwarmView | None = None

    def node(self, name: str) -> NodeView:
        """The view of that node; raises ``KeyError`` where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)
