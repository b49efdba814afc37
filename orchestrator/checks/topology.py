"""A lab as it really stands: its tasks and containers, where they are, and the namespaces from which to look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from orchestrator.model.lab import Lab, Service
from orchestrator.model.observed import ClusterView, LiveContainer, LiveNetwork, LiveService, LiveTask
from orchestrator.model.question import Sandbox, Vantage
from orchestrator.planning.cluster import Place, running

NETNS = "/var/run/docker/netns"
"""Where dockerd keeps the files of its network namespaces (``ingress_sbox``, ``lb_…``, containers')."""

INGRESS_SANDBOX = f"{NETNS}/ingress_sbox"


@dataclass(frozen=True)
class Member:
    """One container of a lab, a task's or a plain one, and where it is.

    ``addresses`` are by network name. ``vantage`` is its network namespace; ``None`` where it has none to enter
    (its node cannot be reached, or the container does not run). ``task`` is the task's id, "" for a plain container.
    """

    label: str
    node: str
    container: str
    addresses: Mapping[str, str]
    vantage: Vantage | None
    task: str = ""
    slot: int = 0


@dataclass(frozen=True)
class Topology:
    """A lab on a cluster. ``nodes`` are in the order of the inventory, which lab files count from 1.

    ``sandboxes`` are the containers' network namespaces, by container id.
    """

    lab: Lab
    nodes: tuple[Place, ...]
    view: ClusterView
    sandboxes: Mapping[str, Sandbox] = field(default_factory=dict)

    @cached_property
    def node_names(self) -> dict[str, str]:
        """Names of the nodes, by node id in the swarm."""
        names = {member.id: member.hostname for member in self.view.swarm.nodes} if self.view.swarm else {}
        return names | {place.view.node_id: place.name for place in self.nodes if place.view.node_id}

    def vantage(self, node: str) -> Vantage:
        """The node's own network."""
        return Vantage(node)

    def placed(self, positions: Sequence[int]) -> tuple[Place, ...]:
        """The nodes at these positions (from 1; none given: all)."""
        return tuple(place for number, place in enumerate(self.nodes, 1) if not positions or number in positions)

    def service(self, key: str) -> Service | None:
        """The service of that key as the lab file has it."""
        return next((service for service in self.lab.services if service.key == key), None)

    def live_service(self, key: str) -> LiveService | None:
        """The service of that key as it exists in the swarm."""
        wanted = self.service(key)
        services = self.view.swarm.services if self.view.swarm else ()
        return next((live for live in services if wanted and live.spec.name == wanted.name), None)

    def live_network(self, key: str) -> LiveNetwork | None:
        """The overlay network of that key as it exists in the swarm."""
        name = self.network_name(key)
        networks = self.view.swarm.networks if self.view.swarm else ()
        return next((live for live in networks if live.spec.name == name), None)

    def network_name(self, key: str) -> str:
        """The name of a network or bridge in Docker; the engine's own networks (bridge, host, ingress) keep theirs."""
        known = {network.key: network.name for network in self.lab.networks}
        known |= {bridge.key: bridge.name for bridge in self.lab.bridges}
        return known.get(key, key)

    def vip(self, key: str, network: str) -> str:
        """The service's virtual address on a network (key), without prefix length; "" where it has none."""
        live = self.live_service(key)
        return live.vips.get(self.network_name(network), "").partition("/")[0] if live else ""

    def tasks(self, key: str) -> tuple[Member, ...]:
        """The running tasks of a service."""
        service, swarm = self.service(key), self.view.swarm
        return tuple(self._task(task) for task in running(swarm, service.name)) if service and swarm else ()

    def containers(self, key: str) -> tuple[Member, ...]:
        """The plain containers of that key, running or not, one for each of its nodes."""
        wanted = next((one for one in self.lab.containers if one.key == key), None)
        return tuple(
            _plain(place.name, live)
            for place in self.nodes
            for live in place.view.plain
            if wanted and live.name == wanted.name
        )

    def _task(self, task: LiveTask) -> Member:
        node = self.node_names.get(task.node_id, task.node_id)
        number = f"task {task.slot}" if task.slot else "the task"
        label = f"{number} of {task.service} on {node}"
        sandbox = self.sandboxes.get(task.container_id)
        vantage = Vantage(node, sandbox.path, label) if sandbox and sandbox.path else None
        return Member(label, node, task.container_id, task.addresses, vantage, task.id, task.slot)


def _plain(node: str, live: LiveContainer) -> Member:
    label = f"container {live.name} on {node}"
    vantage = Vantage(node, live.sandbox, label) if live.state == "running" and live.sandbox else None
    return Member(label, node, live.id, live.networks, vantage)
