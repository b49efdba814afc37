"""Steps that take objects away: services first, then what no service uses any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from orchestrator.model.observed import SwarmView
from orchestrator.model.plan import RemoveConfig, RemoveNetwork, RemoveService, Step
from orchestrator.planning.survey import uses

Chosen = Callable[[dict[str, str]], bool]
"""Tells by its labels whether an object shall go."""

REASON = "it carries our label"


def removal_steps(swarm: SwarmView, chosen: Chosen) -> tuple[Step, ...]:
    """Remove the chosen services side by side, then the chosen networks and configs that nobody else uses."""
    services = {live.spec.name: live for live in swarm.services if chosen(live.spec.labels)}
    removals = [
        Step(f"remove service {name}", RemoveService(live.id, name), f"remove service {name}", REASON)
        for name, live in services.items()
    ]
    kept = {(kind, name) for kind, name, _ in still_used(swarm, chosen)}

    def step(kind: str, name: str, action: RemoveNetwork | RemoveConfig) -> Step:
        users = [user for user, live in services.items() if uses(live.spec, **{kind: name})]
        after = tuple(f"remove service {user}" for user in users)
        return Step(f"remove {kind} {name}", action, f"remove {kind} {name}", REASON, after)

    for network in swarm.networks:
        name = network.spec.name
        if chosen(network.spec.labels) and ("network", name) not in kept:
            removals.append(step("network", name, RemoveNetwork(network.id, name)))
    for config in swarm.configs:
        name = config.spec.name
        if chosen(config.spec.labels) and ("config", name) not in kept:
            removals.append(step("config", name, RemoveConfig(config.id, name)))
    return tuple(removals)


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
