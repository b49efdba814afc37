"""What each use case hands back: what a person or a program is told at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.model.observed import Problem
from orchestrator.model.plan import Deferral, Plan
from orchestrator.model.probe import Observation
from orchestrator.model.snapshot import Health
from orchestrator.model.verdict import VerifyReport


@dataclass(frozen=True)
class Route:
    """Where the operator's own machine reaches a published port of a node, or why it cannot (``absent``)."""

    service: str
    published: int
    node: str
    address: str = ""
    port: int = 0
    absent: str = ""


@dataclass(frozen=True)
class MachineChange:
    """A machine that the provider would bring up; ``change`` is ``create`` or ``start``."""

    node: str
    change: str


@dataclass(frozen=True)
class PlanOutcome:
    """What ``lab up --plan`` tells: what ``lab up`` would do."""

    cluster: str
    machines: tuple[MachineChange, ...]
    plan: Plan

    @property
    def changes(self) -> bool:
        """Whether ``lab up`` would change anything."""
        return bool(self.machines or self.plan.steps)


@dataclass(frozen=True)
class UpOutcome:
    """What ``lab up`` did: machines started, the plan that was carried out, and where to look now.

    ``left`` is what a later run has to do, because a node was out of reach.
    """

    cluster: str
    machines: tuple[str, ...]
    plan: Plan
    routes: tuple[Route, ...] = ()
    left: tuple[Deferral, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything was changed at all."""
        return bool(self.machines or self.plan.steps)


@dataclass(frozen=True)
class RestoreOutcome:
    """What ``lab restore`` brought back. ``current`` says whether the nodes have today's time, or that of the saving.

    ``health`` is how the cluster was when it was saved, and is again.
    """

    cluster: str
    snapshot: str
    created: datetime
    current: bool
    routes: tuple[Route, ...]
    health: Health


@dataclass(frozen=True)
class VerifyOutcome:
    """What ``lab verify`` found, with every observation behind it."""

    report: VerifyReport
    observations: tuple[Observation, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftBehind:
    """A node on which something of ours may still be, because it could not be reached."""

    node: str
    reason: str
    hint: str = ""


@dataclass(frozen=True)
class DownOutcome:
    """What ``lab down`` took away; ``cluster`` is "" where none is known.

    With something left behind the state is kept, so that it can be repeated.
    """

    cluster: str
    labs: tuple[str, ...]
    plan: Plan
    removed: tuple[str, ...] = ()
    left: tuple[LeftBehind, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything was taken away."""
        return bool(self.removed or self.plan.steps)


@dataclass(frozen=True)
class NodeStatus:
    """One node of the inventory: its machine, its engine, and its place in the swarm ("" where unknown).

    ``machine`` is the provider's word (running, stopped, absent, foreign); ``state`` is Docker's (ready, down, …)
    or, where no manager can be asked, what the node's own engine says of itself.
    """

    name: str
    machine: str
    engine: str = ""
    role: str = ""
    leader: bool = False
    availability: str = ""
    state: str = ""
    address: str = ""
    problem: str = ""
    hint: str = ""


@dataclass(frozen=True)
class ServiceStatus:
    """One service of a lab. ``wanted`` counts the tasks that shall run; ``ports`` as ``docker service ls`` has them."""

    lab: str
    name: str
    running: int
    wanted: int
    ports: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True)
class ContainerStatus:
    """One plain container of a lab on one node; ``state`` is for people (running, exited (1), created: why not)."""

    lab: str
    name: str
    node: str
    network: str
    state: str
    address: str = ""


@dataclass(frozen=True)
class BridgeStatus:
    """One bridge network of a lab on one node."""

    lab: str
    name: str
    node: str
    subnet: str


@dataclass(frozen=True)
class LogsOutcome:
    """What ``lab logs`` has told: how many entries, from which nodes; and which nodes could not be read, and why."""

    entries: int
    read: tuple[str, ...] = ()
    problems: dict[str, Problem] = field(default_factory=dict)


@dataclass(frozen=True)
class Missing:
    """What is not in an archive for a bug report, and why; ``node`` is "" for what is not about one node."""

    what: str
    why: str
    node: str = ""


@dataclass(frozen=True)
class SupportOutcome:
    """The archive that ``lab support`` has written: its place, the names of what is in it, and what is not."""

    file: str
    size: int
    parts: tuple[str, ...]
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True)
class StatusOutcome:
    """What ``lab status`` sees. ``swarm`` is a sentence about the swarm as a whole."""

    cluster: str
    provider: str
    swarm: str
    nodes: tuple[NodeStatus, ...]
    services: tuple[ServiceStatus, ...] = ()
    containers: tuple[ContainerStatus, ...] = ()
    bridges: tuple[BridgeStatus, ...] = ()
