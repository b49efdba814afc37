"""How many tasks of a service run, on how many nodes, and with which addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from pydantic import Field

from orchestrator.checks.base import Check, Item, Names, Replies
from orchestrator.checks.endpoints import Endpoints, unknown_endpoints
from orchestrator.checks.topology import Member, Topology
from orchestrator.config.fields import Network, Text
from orchestrator.model.verdict import CheckResult
from orchestrator.planning.tally import enumerate_names


@dataclass(frozen=True)
class _Seen:
    """The running tasks of the service, and the network by its name in Docker ("" where none is asked for)."""

    tasks: tuple[Member, ...]
    network: str


class TasksCheck(Check):
    """So many tasks of a service run, on so many different nodes, each with an address of its own on the network.

    The managers are believed: this is what `docker service ps` shows. Whether the tasks answer is for other checks.
    """

    kind: Literal["tasks"]
    service: Text = Field(description="Key of the service.")
    count: int = Field(ge=0, description="How many tasks run.")
    nodes: int | None = Field(default=None, ge=0, description="On how many different nodes they run. Default: on any.")
    network: Text | None = Field(
        default=None, description="Key of a network on which each must have an address of its own."
    )
    subnet: Network | None = Field(default=None, description="IPv4 network in which these addresses must be.")

    def plan(self, topology: Topology) -> Sequence[Item]:
        """One item for the service; nothing has to be asked that was not seen already."""
        if topology.view.swarm is None:
            return [Item(self.service, unasked="no manager of a swarm answers")]
        live = topology.live_service(self.service)
        if live is None:
            return [Item(self.service, problem=f"there is no service {self.service} in the swarm")]
        network = topology.network_name(self.network) if self.network else ""
        return [Item(f"tasks of {live.spec.name}", (), _Seen(topology.tasks(self.service), network))]

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """Number, spread and addresses."""
        del replies
        seen: _Seen = item.about
        there = Counter(task.node for task in seen.tasks)
        placed = enumerate_names(f"{times} on {node}" for node, times in sorted(there.items())) or "no task"
        faults = []
        if len(seen.tasks) != self.count:
            faults.append(f"expected {self.count} running, got {len(seen.tasks)}")
        if self.nodes is not None and len(there) != self.nodes:
            faults.append(f"expected them on {self.nodes} different nodes, got {len(there)}")
        faults += self._misplaced(seen)
        if faults:
            return self.failed(item, f"{'; '.join(faults)} ({placed})", _HINT, sorted(there))
        return self.passed(item, placed)

    def _misplaced(self, seen: _Seen) -> Iterator[str]:
        if not seen.network:
            return
        addresses = {task.label: task.addresses.get(seen.network, "") for task in seen.tasks}
        for label, address in addresses.items():
            if not address:
                yield f"{label} has no address on {seen.network}"
            elif self.subnet and IPv4Address(address) not in IPv4Network(self.subnet):
                yield f"{label} has {address}, which is not in {self.subnet}"
        for address, times in Counter(filter(None, addresses.values())).items():
            if times > 1:
                both = enumerate_names(label for label, has in addresses.items() if has == address)
                yield f"{both} have the same address {address}"

    def problems(self, names: Names) -> Iterable[str]:
        """Service and network must exist; a subnet is one of a network."""
        if unknown := unknown_endpoints(Endpoints("service", self.service), names):
            yield unknown
        if self.network is not None and self.network not in names.networks:
            yield f"there is no network {self.network!r} in this lab"
        if self.subnet is not None and self.network is None:
            yield "network is missing: expected the key of the network whose subnet that is"


_HINT = "`docker service ps --no-trunc SERVICE` on a manager says why a task does not run, or not there"
