"""What a provider of nodes must be able to do. The rest of the package knows providers only by this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from orchestrator.model.inventory import NodeConfig, SshAddress
from orchestrator.model.snapshot import SavedMachines, Surroundings
from orchestrator.runtime.context import Context
from orchestrator.transport.base import Host
from orchestrator.transport.route import Route

if TYPE_CHECKING:
    from paramiko import PKey


@dataclass(frozen=True)
class Machine:
    """State of one machine: ``running``, ``stopped``, ``absent``, or ``foreign`` (exists, not made by us)."""

    name: str
    state: str
    detail: str = ""


@dataclass(frozen=True)
class OperatorRoute:
    """Where the operator's own machine reaches a published port of a node; ``absent`` says why it cannot."""

    address: str = ""
    port: int = 0
    absent: str = ""


class Provider(Protocol):
    """A source of nodes. All methods are idempotent and may be called after any interruption."""

    def ensure(self, context: Context) -> Sequence[str]:
        """Bring every node of the inventory to where its sshd can be reached; names of nodes newly started."""

    def machines(self) -> Sequence[Machine]:
        """What exists now; changes nothing."""

    def address(self, node: NodeConfig) -> SshAddress:
        """How the node's sshd is reached. Raises ``NodeError`` where the node does not run."""

    def connect(self, context: Context, node: NodeConfig) -> Host:
        """An open connection to the node, the one already standing if there is one. Raises ``NodeError``."""

    def operator_route(self, node: NodeConfig, port: int) -> OperatorRoute:
        """The operator's way to a published TCP port of a node, made ready if it takes something."""

    def destroy(self, context: Context) -> Sequence[str]:
        """Take away everything :meth:`ensure` made (nothing, for hosts that exist); what was removed."""


@runtime_checkable
class Reaching(Protocol):
    """What a provider of hosts that exist can tell of the ways to them, so that a person can trust their keys."""

    def routes(self) -> Mapping[str, Route]:
        """The way to every node, in the inventory's order. Raises ``ConfigError``, ``NodeError``."""

    def shown_key(self, context: Context, route: Route, node: str) -> PKey:
        """The host key that the last sshd of a way shows; those before it must be known. Raises ``NodeError``."""


@runtime_checkable
class Breakable(Protocol):
    """What a provider of machines of its own can do to them besides, so that their failure can be watched.

    :meth:`Provider.ensure` takes back both.
    """

    def cut_power(self, node: NodeConfig) -> None:
        """End the machine at once, as if somebody had pulled its plug; its disk stays."""

    def set_link(self, node: NodeConfig, *, up: bool) -> None:
        """Pull the cable of the cluster's network out of a running machine, or plug it in again."""


@runtime_checkable
class Freezable(Protocol):
    """A provider of machines whose memory and disks can be saved while they run, and brought back later."""

    def freeze(self, context: Context, folder: Path) -> SavedMachines:
        """Save all machines into ``folder``, all stopped before any is saved. They run on, whatever happens."""

    def surroundings(self, context: Context, saved: SavedMachines) -> Surroundings:
        """What this machine offers to saved ones; changes nothing."""

    def thaw(self, context: Context, folder: Path, saved: SavedMachines) -> None:
        """Put the machines saved in ``folder`` in the place of those that exist, and let them run.

        To be called only where they fit: see :func:`orchestrator.planning.snapshot.misfits`.
        """

    def foundation(self, saved: SavedMachines) -> Mapping[str, Path]:
        """Files outside of the snapshot that the saved machines need on another machine, by relative name."""

    def adopt(self, folder: Path, saved: SavedMachines) -> None:
        """Take over from ``folder`` what :meth:`foundation` gave elsewhere, as far as it is missing here."""
