"""``lab status``: what is there, as far as it can be seen. Changes nothing and fails for no dead node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.model.inventory import Inventory, NodeConfig
from orchestrator.model.lab import ServiceMode
from orchestrator.model.labels import LAB, owned_by
from orchestrator.model.observed import ClusterView, LiveContainer, LiveService, NodeView, SwarmNode, SwarmView
from orchestrator.model.outcome import (
    BridgeStatus,
    ContainerStatus,
    NodeStatus,
    Route,
    ServiceStatus,
    StatusOutcome,
)
from orchestrator.observe import observe
from orchestrator.planning.cluster import places
from orchestrator.planning.lease import expired
from orchestrator.providers.base import Machine, Provider
from orchestrator.runtime.context import Context
from orchestrator.usecases.answering import operator_routes
from orchestrator.usecases.attach import attach
from orchestrator.usecases.connect import ENGINE_PATIENCE, PATIENCE, connected


def status(context: Context, inventory: Inventory, provider: Provider, *, attached: bool = False) -> StatusOutcome:
    """Look at machines, nodes and labs; what cannot be reached is shown with the reason.

    A node that keeps silent does not keep the person waiting for longer than :data:`PATIENCE` or
    :data:`ENGINE_PATIENCE`. With ``attached`` the swarm is somebody else's: all its services and members are shown.
    Raises :class:`RefusedError` then where the hosts are not in one swarm.
    """
    machines = {machine.name: machine for machine in provider.machines()}
    with connected(context, provider, inventory.nodes, patience=PATIENCE) as hosts:
        with context.phase("observe", "Look at the swarm"):
            view = observe(context, hosts, (), patience=ENGINE_PATIENCE)
        view = attach(view, inventory.name) if attached else view
        return describe(inventory, provider, machines, view, attached=attached)


def describe(
    inventory: Inventory,
    provider: Provider,
    machines: Mapping[str, Machine],
    view: ClusterView,
    *,
    attached: bool = False,
) -> StatusOutcome:
    """What was seen, put together for a person."""
    routes = operator_routes(provider, inventory.nodes, view, inventory.name)
    return StatusOutcome(
        cluster=inventory.name,
        provider=inventory.provider.value,
        swarm=describe_swarm(view, inventory.name),
        nodes=(
            *(node_status(node, view, machines) for node in inventory.nodes),
            *(other_members(inventory.nodes, view) if attached else ()),
        ),
        services=service_statuses(view, inventory.name, routes),
        containers=container_statuses(view, inventory.name),
        bridges=bridge_statuses(view, inventory.name),
    )


def describe_swarm(view: ClusterView, cluster: str) -> str:
    """One sentence about the swarm as a whole."""
    if view.swarm is None:
        return "no manager of a swarm answers" if any(node.reachable for node in view.nodes) else "no node answers"
    ready = sum(node.state == "ready" for node in view.swarm.nodes)
    owner = "" if owned_by(view.swarm.labels, cluster) else ", not made by this cluster"
    lease = view.swarm.lease
    busy = f"; {lease.holder} works on it" if lease and lease.holder and not expired(lease) else ""
    return f"swarm {view.swarm.cluster_id[:12]}, {ready} of {len(view.swarm.nodes)} nodes ready{owner}{busy}"


def node_status(node: NodeConfig, view: ClusterView, machines: Mapping[str, Machine]) -> NodeStatus:
    """One node: the managers' word where there is one, else its own engine's."""
    seen = view.node(node.name)
    member = _member(node, seen, view.swarm)
    return NodeStatus(
        name=node.name,
        machine=machines[node.name].state if node.name in machines else "",
        engine=seen.engine_version,
        role=member.role.value if member else "",
        leader=member is not None and member.leader,
        availability=member.availability.value if member else "",
        state=member.state if member else _own_word(seen),
        address=member.address if member else seen.node_addr or node.advertise_addr or "",
        problem=seen.problem.message if seen.problem else "",
        hint=seen.problem.hint if seen.problem else "",
    )


def other_members(nodes: Sequence[NodeConfig], view: ClusterView) -> Iterator[NodeStatus]:
    """Members of the swarm that the inventory does not name, as the managers see them."""
    named = {place.member.id for place in places(nodes, view) if place.member}
    for member in view.swarm.nodes if view.swarm else ():
        if member.id not in named:
            yield NodeStatus(
                name=member.hostname,
                machine="",
                role=member.role.value,
                leader=member.leader,
                availability=member.availability.value,
                state=member.state,
                address=member.address,
            )


def service_statuses(view: ClusterView, cluster: str, routes: Sequence[Route]) -> tuple[ServiceStatus, ...]:
    """Every service of ours with how many of its tasks run."""
    if view.swarm is None:
        return ()
    ours = [live for live in view.swarm.services if owned_by(live.spec.labels, cluster)]
    return tuple(_service(live, view.swarm, routes) for live in sorted(ours, key=lambda live: live.spec.name))


def _service(live: LiveService, swarm: SwarmView, routes: Sequence[Route]) -> ServiceStatus:
    tasks = [task for task in swarm.tasks if task.service == live.spec.name and task.desired == "running"]
    replicated = live.spec.mode is ServiceMode.REPLICATED
    return ServiceStatus(
        lab=live.spec.labels.get(LAB, ""),
        name=live.spec.name,
        running=sum(task.state == "running" for task in tasks),
        wanted=live.spec.replicas if replicated else len(tasks),
        ports=tuple(map(str, live.spec.ports)),
        routes=tuple(route for route in routes if route.service == live.spec.name),
    )


def container_statuses(view: ClusterView, cluster: str) -> tuple[ContainerStatus, ...]:
    """Every plain container of ours on the nodes that answer."""
    ours = [(node.name, live) for node in view.nodes for live in node.plain if owned_by(live.labels, cluster)]
    return tuple(
        ContainerStatus(
            lab=live.labels.get(LAB, ""),
            name=live.name,
            node=node,
            network=live.network_mode,
            state=_state(live),
            address=next((address for address in live.networks.values() if address), ""),
        )
        for node, live in ours
    )


def _state(live: LiveContainer) -> str:
    code = f" ({live.exit_code})" if live.state == "exited" else ""
    return f"{live.state}{code}" + (f": {live.error}" if live.error else "")


def bridge_statuses(view: ClusterView, cluster: str) -> tuple[BridgeStatus, ...]:
    """Every bridge network of ours on the nodes that answer."""
    ours = [(node.name, live.spec) for node in view.nodes for live in node.bridges]
    return tuple(
        BridgeStatus(spec.labels.get(LAB, ""), spec.name, node, spec.subnet)
        for node, spec in ours
        if owned_by(spec.labels, cluster)
    )


def _own_word(seen: NodeView) -> str:
    """What a node's engine says of its place in a swarm, where no manager knows the node."""
    return f"swarm {seen.swarm.value}" if seen.reachable else ""


def _member(node: NodeConfig, seen: NodeView, swarm: SwarmView | None) -> SwarmNode | None:
    """The member that this node is: by its id, or by its host name where the node itself cannot be asked."""
    for member in swarm.nodes if swarm else ():
        if (seen.reachable and member.id == seen.node_id) or (not seen.reachable and member.hostname == node.name):
            return member
    return None
