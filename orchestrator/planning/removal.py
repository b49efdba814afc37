"""Steps that take objects away: services and containers first, then what nobody uses any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from orchestrator.model.observed import ClusterView, LiveContainer, NodeView, SwarmState, SwarmView, TaskContainer
from orchestrator.model.plan import RemoveBridge, RemoveConfig, RemoveContainer, RemoveNetwork, RemoveService, Step
from orchestrator.planning.container_steps import removal_id
from orchestrator.planning.survey import uses

Chosen = Callable[[dict[str, str]], bool]
"""Tells by its labels whether an object shall go."""

REASON = "it carries our label"


def removal_steps(cluster: str, view: ClusterView, chosen: Chosen) -> tuple[Step, ...]:
    """Remove the chosen containers and bridges of every node that answers, and the swarm's chosen objects."""
    local = [step for node in view.nodes for step in _of_node(cluster, node, chosen)]
    return (*local, *_of_swarm(view, view.swarm, chosen)) if view.swarm else tuple(local)


def _of_node(cluster: str, node: NodeView, chosen: Chosen) -> Iterator[Step]:
    """What is the node's own. Containers of tasks are the swarm's, unless the node has left it without them."""
    left = node.task_containers if node.swarm is SwarmState.INACTIVE else ()
    there: tuple[LiveContainer | TaskContainer, ...] = (*node.plain, *left)
    containers = [live for live in there if chosen(live.labels)]
    for live in containers:
        action = RemoveContainer(node.name, live.id, live.name, cluster)
        yield Step(removal_id(node.name, live.name), action, f"remove container {live.name} on {node.name}", REASON)
    after = tuple(removal_id(node.name, live.name) for live in containers)
    for bridge in (bridge for bridge in node.bridges if chosen(bridge.spec.labels)):
        name = bridge.spec.name
        removal = RemoveBridge(node.name, bridge.id, name, cluster)
        yield Step(f"remove bridge {node.name} {name}", removal, f"remove bridge {name} on {node.name}", REASON, after)


def _of_swarm(view: ClusterView, swarm: SwarmView, chosen: Chosen) -> tuple[Step, ...]:
    """Remove the chosen services side by side, then the chosen networks and configs that nobody else uses."""
    services = {live.spec.name: live for live in swarm.services if chosen(live.spec.labels)}
    removals = [
        Step(f"remove service {name}", RemoveService(live.id, name), f"remove service {name}", REASON)
        for name, live in services.items()
    ]
    kept = {(kind, name) for kind, name, _ in still_used(swarm, chosen)}

    def step(kind: str, name: str, action: RemoveNetwork | RemoveConfig) -> Step:
        users = [user for user, live in services.items() if uses(live.spec, **{kind: name})]
        after = [f"remove service {user}" for user in users]
        after += _attached(view, chosen, name) if kind == "network" else []
        return Step(f"remove {kind} {name}", action, f"remove {kind} {name}", REASON, tuple(after))

    for network in swarm.networks:
        name = network.spec.name
        if chosen(network.spec.labels) and ("network", name) not in kept:
            removals.append(step("network", name, RemoveNetwork(network.id, name)))
    for config in swarm.configs:
        name = config.spec.name
        if chosen(config.spec.labels) and ("config", name) not in kept:
            removals.append(step("config", name, RemoveConfig(config.id, name)))
    return tuple(removals)


def _attached(view: ClusterView, chosen: Chosen, network: str) -> list[str]:
    """The steps that remove the chosen containers on a network."""
    return [
        removal_id(node.name, live.name)
        for node in view.nodes
        for live in node.plain
        if network in live.networks and chosen(live.labels)
    ]


def still_used(swarm: SwarmView, chosen: Chosen) -> Iterator[tuple[str, str, list[str]]]:
    """Chosen networks and configs that services use which stay: Docker would refuse to remove them."""
    staying = [live.spec for live in swarm.services if not chosen(live.spec.labels)]
    for network in swarm.networks:
        users = [service.name for service in staying if uses(service, network=network.spec.name)]
        if users and chosen(network.spec.labels):
            yield "network", network.spec.name, users
    for config in swarm.configs:
        users = [service.name for service in staying if uses(service, config=config.spec.name)]
        if users and chosen(config.spec.labels):
            yield "config", config.spec.name, users
