"""Questions about a cluster as it was observed: which member is which node, what runs, what is ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from orchestrator.model.inventory import Availability, NodeConfig
from orchestrator.model.lab import Service, ServiceMode
from orchestrator.model.labels import LAB, owned_by
from orchestrator.model.observed import ClusterView, LiveTask, NodeView, Problem, SwarmNode, SwarmState, SwarmView

CLUSTER_PORT = 2377
"""Where managers listen for other nodes; Docker's default, which is never changed here."""

NOT_OBSERVED = Problem("unreachable", "it was not observed")


@dataclass(frozen=True)
class Place:
    """One node of the inventory with what was seen of it.

    ``member`` is its entry in the managers' list: the one with the node's own id, or, for a node that could not be
    asked, the one that bears its name and is no other node's.
    """

    config: NodeConfig
    view: NodeView
    member: SwarmNode | None

    @property
    def name(self) -> str:
        """The node's name in the inventory."""
        return self.config.name

    @property
    def address(self) -> str:
        """Where other nodes reach this one: what the swarm uses, else what is configured, else ""."""
        member = self.member.address if self.member else ""
        candidates = (member, self.view.node_addr, advertised(self.config))
        return next((found for found in candidates if _usable(found)), "")


def advertised(config: NodeConfig) -> str:
    """What a node shall tell the others to reach it by, an address or an interface; "" where nobody has chosen.

    The SSH host serves where it is an IPv4 address that others can mean too, so not a loopback address.
    """
    if config.advertise_addr:
        return config.advertise_addr
    host = config.ssh.host if config.ssh else ""
    return host if _usable(host) and not IPv4Address(host).is_loopback else ""


def places(nodes: Sequence[NodeConfig], view: ClusterView) -> tuple[Place, ...]:
    """Every node of the inventory beside its view and its membership."""
    views = {seen.name: seen for seen in view.nodes}
    members = {member.id: member for member in view.swarm.nodes} if view.swarm else {}
    claimed = {seen.node_id for seen in view.nodes if seen.reachable}
    free = [member for member in members.values() if member.id not in claimed]

    def place(config: NodeConfig) -> Place:
        seen = views.get(config.name) or NodeView(config.name, reachable=False, problem=NOT_OBSERVED)
        if seen.reachable:
            return Place(config, seen, members.get(seen.node_id))
        namesakes = sorted((found for found in free if found.hostname == config.name), key=lambda m: m.state == "down")
        return Place(config, seen, namesakes[0] if namesakes else None)

    return tuple(place(config) for config in nodes)


def stale_members(found: Sequence[Place], swarm: SwarmView) -> Iterator[tuple[Place, SwarmNode]]:
    """Members that are a former identity of a node that answers, each beside that node.

    Such a member has the node's hostname and is down. One that still counts as ready, because the managers wait for
    some heartbeats before they give a node up, must have the node's address too.
    """
    current = {place.member.id for place in found if place.member}
    owners = {place.name: place for place in found if place.view.reachable}
    owners |= {place.member.hostname: place for place in owners.values() if place.member}
    for member in swarm.nodes:
        owner = owners.get(member.hostname)
        if owner is None or member.id in current:
            continue
        if member.state == "down" or member.address in {owner.address, advertised(owner.config)}:
            yield owner, member


def belongs(seen: NodeView, swarm: SwarmView) -> bool:
    """Whether a node that is active in some swarm is in this one.

    Only managers know the id of their swarm (``GET /info``, ``Swarm.Cluster``); a worker is known by its own id.
    """
    if seen.is_manager and seen.cluster_id:
        return seen.cluster_id == swarm.cluster_id
    return seen.node_id in {member.id for member in swarm.nodes}


def why_unreachable(seen: NodeView) -> str:
    """Why a node could not be observed, for a sentence."""
    return seen.problem.message if seen.problem else NOT_OBSERVED.message


def active(place: Place) -> bool:
    """Whether the node answers and says that it is in some swarm."""
    return place.view.reachable and place.view.swarm is SwarmState.ACTIVE


def of_lab(labels: dict[str, str], cluster: str, labs: Sequence[str]) -> bool:
    """Whether an object is ours and belongs to one of these labs."""
    return owned_by(labels, cluster) and labels.get(LAB) in labs


def all_labels(view: ClusterView) -> Iterator[dict[str, str]]:
    """The labels of every service, network, config, plain container and bridge."""
    if view.swarm:
        yield from (live.spec.labels for live in view.swarm.services)
        yield from (live.spec.labels for live in view.swarm.networks)
        yield from (live.spec.labels for live in view.swarm.configs)
    for node in view.nodes:
        yield from (live.labels for live in node.plain)
        yield from (live.spec.labels for live in node.bridges)


def running(swarm: SwarmView, service: str) -> tuple[LiveTask, ...]:
    """The tasks of a service that run and shall run; Docker keeps old ones, whose desired state is shutdown."""
    return tuple(
        task
        for task in swarm.tasks
        if task.service == service and task.state == "running" and task.desired == "running"
    )


def ending(view: ClusterView) -> dict[str, float]:
    """The tasks that are about to end, by id, each with its service's stop grace period in seconds.

    They run although they shall not, on nodes that answer the managers or us. A node that comes back after the managers
    had given it up still runs the tasks that were replaced, and these still answer; it comes back to the managers
    within 8 s (swarmkit, ``agent/session.go``: ``maxSessionFailureBackoff``).
    """
    swarm = view.swarm
    if swarm is None:
        return {}
    alive = {node.id for node in swarm.nodes if node.state == "ready"} | {seen.node_id for seen in view.nodes}
    grace = {live.spec.name: live.spec.stop_grace_period for live in swarm.services}
    return {
        task.id: grace[task.service]
        for task in swarm.tasks
        if task.service in grace
        and task.node_id in alive
        and task.state == "running"
        and task.desired not in {"running", "ready"}
    }


def shortfall(service: Service, swarm: SwarmView) -> str:
    """What a service lacks to be as wanted, "" for one that has converged.

    A global service needs a running task on every node that is ready and active. Which nodes its placement
    constraints leave is the scheduler's knowledge: with constraints, every task that it has made must run.
    """
    tasks = running(swarm, service.name)
    if service.mode is ServiceMode.REPLICATED:
        return "" if len(tasks) == service.replicas else f"{len(tasks)} of {service.replicas} tasks run"
    eligible = {node.id: node for node in swarm.nodes if _eligible(node)}
    due = {task.node_id for task in swarm.tasks if task.service == service.name and task.desired == "running"}
    if not service.constraints:
        due |= set(eligible)
    missing = sorted(eligible[node].hostname for node in due & set(eligible) - {task.node_id for task in tasks})
    return f"no running task on {', '.join(missing)}" if missing else ""


def _eligible(node: SwarmNode) -> bool:
    return node.state == "ready" and node.availability is Availability.ACTIVE


def _usable(address: str) -> bool:
    """Whether this is one IPv4 address (the leader of a swarm may show itself as 0.0.0.0)."""
    try:
        return not IPv4Address(address).is_unspecified
    except AddressValueError:
        return False
