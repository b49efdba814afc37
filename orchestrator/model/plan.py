"""A plan: typed steps, each with the reason why it is needed, ordered by what each one waits for."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.model.inventory import Availability, Role, SwarmOptions
from orchestrator.model.lab import Bridge, ConfigObject, Container, Network, Service


@dataclass(frozen=True)
class InitSwarm:
    """``docker swarm init`` on the first manager; puts our label on the swarm."""

    node: str
    advertise_addr: str
    data_path_addr: str
    options: SwarmOptions
    labels: dict[str, str]


@dataclass(frozen=True)
class JoinSwarm:
    """Join ``node`` to the swarm of ``via``. The token is fetched from ``via`` when the step runs, never stored.

    ``remote_addr`` is "" where only the engine of ``via`` can tell its address.
    """

    node: str
    role: Role
    via: str
    remote_addr: str
    advertise_addr: str
    data_path_addr: str


@dataclass(frozen=True)
class UpdateNode:
    """Give a member the wanted role, availability and labels (labels of others are kept)."""

    node: str
    role: Role
    availability: Availability
    labels: dict[str, str]
    remove_labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadImage:
    """Send the lab image ``reference`` to a node whose engine does not have it."""

    node: str
    reference: str


@dataclass(frozen=True)
class CreateNetwork:
    """Create an overlay network."""

    spec: Network


@dataclass(frozen=True)
class CreateConfig:
    """Create a swarm config."""

    spec: ConfigObject


@dataclass(frozen=True)
class CreateService:
    """Create a service."""

    spec: Service


@dataclass(frozen=True)
class UpdateService:
    """Change a service of ours to ``spec``; ``id`` is the live service's."""

    id: str
    spec: Service


@dataclass(frozen=True)
class AwaitService:
    """Wait until a service has converged: every wanted task runs and none other does."""

    service: str


@dataclass(frozen=True)
class RemoveService:
    """Remove a service of ours and wait until its tasks are gone."""

    id: str
    name: str


@dataclass(frozen=True)
class RemoveNetwork:
    """Remove a network of ours."""

    id: str
    name: str


@dataclass(frozen=True)
class RemoveConfig:
    """Remove a config of ours."""

    id: str
    name: str


@dataclass(frozen=True)
class CreateBridge:
    """Create a bridge network on a node."""

    node: str
    spec: Bridge


@dataclass(frozen=True)
class RemoveBridge:
    """Remove a bridge network of ours from a node; ``cluster`` is what its label must say."""

    node: str
    id: str
    name: str
    cluster: str


@dataclass(frozen=True)
class RunContainer:
    """Run a plain container on a node; one that ends is waited for."""

    node: str
    spec: Container


@dataclass(frozen=True)
class RemoveContainer:
    """Remove a container of ours from a node, running or not; ``cluster`` is what its label must say."""

    node: str
    id: str
    name: str
    cluster: str


@dataclass(frozen=True)
class LeaveSwarm:
    """Make a node leave the swarm that we made; ``force`` for managers, or where nobody else answers.

    What the engine keeps of ``cluster``'s tasks goes, too. ``former`` is the node's id in a swarm of ours that has
    ended without it, "" where the swarm is there yet.
    """

    node: str
    force: bool
    cluster: str
    former: str = ""


@dataclass(frozen=True)
class RemoveMember:
    """Remove a member that is down, as ``docker node rm --force`` does, told to the manager ``via``."""

    node_id: str
    hostname: str
    via: str


Action = (
    InitSwarm
    | JoinSwarm
    | UpdateNode
    | LoadImage
    | CreateNetwork
    | CreateConfig
    | CreateService
    | UpdateService
    | AwaitService
    | RemoveService
    | RemoveNetwork
    | RemoveConfig
    | CreateBridge
    | RemoveBridge
    | RunContainer
    | RemoveContainer
    | LeaveSwarm
    | RemoveMember
)


@dataclass(frozen=True)
class Step:
    """One step of a plan.

    ``id`` is stable and readable (``network ingress-mesh_mesh``); ``summary`` says what happens, ``reason``
    why; ``after`` are ids of steps that must have succeeded before.
    """

    id: str
    action: Action
    summary: str
    reason: str
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """Why the plan must not be carried out: something stands in the way that is not ours to change."""

    subject: str
    reason: str
    hint: str


@dataclass(frozen=True)
class Deferral:
    """What a plan leaves for a later run, because a node is out of reach or too few managers would be left."""

    subject: str
    reason: str
    hint: str = ""


@dataclass(frozen=True)
class Plan:
    """An ordered list of steps. A plan with refusals must not be applied; ``left`` is what a later one has to do."""

    steps: tuple[Step, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = field(default=())
    left: tuple[Deferral, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do and nothing in the way."""
        return not self.steps and not self.refusals
