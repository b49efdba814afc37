"""What becomes of each service, network and config: the decisions from which the steps follow.

Networks and configs cannot be changed in Docker. One that differs is removed and created anew, and since neither can
be removed while a service uses it, the services that use it are removed before and created again after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from graphlib import CycleError, TopologicalSorter
from ipaddress import ip_network

from orchestrator.model.lab import ConfigObject, Network, Port, PublishMode, Service
from orchestrator.model.observed import LiveConfig, LiveNetwork, LiveService, SwarmView
from orchestrator.planning.cluster import of_lab, shortfall
from orchestrator.planning.compare import config_changes, network_changes, port_text, service_changes
from orchestrator.planning.resolve import Wanted

NO_SWARM = SwarmView(seen_by="", cluster_id="", labels={})

UNDER_WAY = {"updating", "rollback_started"}
STOPPED = {"paused", "rollback_paused"}
"""States of a service's last update (``UpdateStatus.State`` of ``GET /services``)."""


class Fate(Enum):
    """What a plan does with a service."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    REMOVE = "remove"
    AWAIT = "await"


@dataclass(frozen=True)
class Decision:
    """What becomes of one service, and why."""

    fate: Fate
    reason: str


@dataclass(frozen=True)
class Survey:
    """Everything decided about the objects of the wanted labs. All mappings go by name.

    ``stale`` objects are ours and of a wanted lab, but no longer in its file. ``changed`` networks and configs have to
    be made anew; ``vacated`` are all networks that must go before another can be created, with the reason.
    """

    cluster: str
    wanted: Wanted
    services: Mapping[str, LiveService]
    networks: Mapping[str, LiveNetwork]
    configs: Mapping[str, LiveConfig]
    stale_networks: tuple[str, ...]
    stale_configs: tuple[str, ...]
    vacated: Mapping[str, str]
    changed_configs: Mapping[str, str]
    decisions: Mapping[str, Decision]

    def owned(self, labels: dict[str, str]) -> bool:
        """Whether an object that exists is ours and of a wanted lab."""
        return of_lab(labels, self.cluster, self.wanted.labs)

    def users_of(self, network: str = "", config: str = "") -> tuple[LiveService, ...]:
        """The services that exist and use that network or config."""
        return tuple(live for live in self.services.values() if uses(live.spec, network, config))

    def holder(self, service: str, port: Port) -> LiveService | None:
        """Another service that exists and publishes the same port through the mesh."""
        return next(
            (
                live
                for name, live in self.services.items()
                if name != service and _socket(port) in map(_socket, meshed(live.spec))
            ),
            None,
        )


def survey(cluster: str, wanted: Wanted, swarm: SwarmView | None) -> Survey:
    """Compare what is wanted with what is there."""
    there = swarm or NO_SWARM
    services = {live.spec.name: live for live in there.services}
    networks = {live.spec.name: live for live in there.networks}
    configs = {live.spec.name: live for live in there.configs}
    own_networks = {name: live for name, live in networks.items() if of_lab(live.spec.labels, cluster, wanted.labs)}
    own_configs = {name: live for name, live in configs.items() if of_lab(live.spec.labels, cluster, wanted.labs)}
    needed = {network.name: network for network in wanted.networks if not network.external}
    mounted = {config.name: config for config in wanted.configs}
    stale = tuple(name for name in own_networks if name not in needed)
    vacated = dict(_changed_networks(needed, own_networks))
    vacated |= dict(_stale_in_the_way(needed, own_networks, stale, vacated))
    changed = dict(_changed_configs(mounted, own_configs))
    found = Survey(
        cluster=cluster,
        wanted=wanted,
        services=services,
        networks=networks,
        configs=configs,
        stale_networks=stale,
        stale_configs=tuple(name for name in own_configs if name not in mounted),
        vacated=vacated,
        changed_configs=changed,
        decisions={},
    )
    return _with_decisions(found, there)


def uses(service: Service, network: str = "", config: str = "") -> bool:
    """Whether a service is attached to that network or mounts that config."""
    attached = network and network in {attachment.network for attachment in service.networks}
    mounts = config and config in {mount.config for mount in service.configs}
    return bool(attached or mounts)


def meshed(service: Service) -> tuple[Port, ...]:
    """The ports of a service that occupy a number in the routing mesh."""
    return tuple(port for port in service.ports if port.mode is PublishMode.INGRESS and port.published)


def overlap(one: str, other: str) -> bool:
    """Whether two subnets share addresses; False where one is not known."""
    if not one or not other:
        return False
    first, second = ip_network(one, strict=False), ip_network(other, strict=False)
    return first.version == second.version and first.overlaps(second)


def _changed_networks(needed: Mapping[str, Network], own: Mapping[str, LiveNetwork]) -> Iterator[tuple[str, str]]:
    for name, live in own.items():
        if name in needed and (changes := network_changes(live.spec, needed[name])):
            yield name, "; ".join(changes)


def _stale_in_the_way(
    needed: Mapping[str, Network],
    own: Mapping[str, LiveNetwork],
    stale: tuple[str, ...],
    changed: Mapping[str, str],
) -> Iterator[tuple[str, str]]:
    """Stale networks whose addresses a new one takes: they must go first, not last."""
    new = [network for network in needed.values() if network.name not in own or network.name in changed]
    for name in stale:
        takers = [network.name for network in new if overlap(network.subnet, own[name].spec.subnet)]
        if takers:
            yield name, f"it is no longer in the lab file, and network {takers[0]} takes its addresses"


def _changed_configs(mounted: Mapping[str, ConfigObject], own: Mapping[str, LiveConfig]) -> Iterator[tuple[str, str]]:
    for name, live in own.items():
        if name in mounted and (changes := config_changes(live.spec, mounted[name])):
            yield name, "; ".join(changes)


def _with_decisions(found: Survey, swarm: SwarmView) -> Survey:
    names = {image.id: reference for reference, image in found.wanted.images.items()}
    decisions: dict[str, Decision] = {}
    for service in found.wanted.services:
        live = found.services.get(service.name)
        decision = _decide(found, service, live, swarm, names) if live else Decision(Fate.CREATE, "it does not exist")
        if decision:
            decisions[service.name] = decision
    kept = {service.name for service in found.wanted.services}
    for name, live in found.services.items():
        if name not in kept and found.owned(live.spec.labels):
            decisions[name] = Decision(Fate.REMOVE, "it is no longer in the lab file")
    return _without_port_cycles(replace(found, decisions=decisions))


def _decide(
    found: Survey, service: Service, live: LiveService, swarm: SwarmView, names: Mapping[str, str]
) -> Decision | None:
    """What becomes of a service that exists and is wanted; ``None`` where it is as wanted."""
    for network, reason in found.vacated.items():
        if uses(live.spec, network=network):
            return Decision(Fate.REPLACE, f"its network {network} has to be made anew ({reason})")
    for config, reason in found.changed_configs.items():
        if uses(live.spec, config=config):
            return Decision(Fate.REPLACE, f"its config {config} has to be made anew ({reason})")
    changes = [*service_changes(live.spec, service, names), *(f"set by hand: {name}" for name in live.unsupported)]
    if live.spec.mode is not service.mode:
        return Decision(Fate.REPLACE, "; ".join(changes))
    if changes:
        return Decision(Fate.UPDATE, "; ".join(changes))
    lacking = shortfall(service, swarm)
    if live.update_state in UNDER_WAY:
        return Decision(Fate.AWAIT, lacking or "its last update is still under way")
    if lacking and live.update_state in STOPPED:
        return Decision(Fate.UPDATE, f"{lacking}, and its last update has stopped half way")
    return Decision(Fate.AWAIT, lacking) if lacking else None


def _without_port_cycles(found: Survey) -> Survey:
    """Services that hand their ports round in a circle cannot wait for each other: they are made anew."""
    waits = {name: set(port_waits(found, name)) for name in found.decisions}
    while True:
        try:
            TopologicalSorter(waits).prepare()
        except CycleError as cycle:
            circle = set(cycle.args[1])
            reason = f"it exchanges published ports with {', '.join(sorted(circle))}"
            fresh = {name: Decision(Fate.REPLACE, _swap_reason(found, name, reason)) for name in circle}
            found = replace(found, decisions={**found.decisions, **fresh})
            waits = {name: set(port_waits(found, name)) for name in found.decisions}
        else:
            return found


def _swap_reason(found: Survey, name: str, reason: str) -> str:
    return f"{found.decisions[name].reason}; {reason}"


def port_waits(found: Survey, name: str) -> Iterator[str]:
    """The services whose update must be over before ``name`` can have its ports."""
    if found.decisions[name].fate not in {Fate.CREATE, Fate.UPDATE, Fate.REPLACE}:
        return
    service = next(service for service in found.wanted.services if service.name == name)
    for port in meshed(service):
        holder = found.holder(name, port)
        decision = found.decisions.get(holder.spec.name) if holder else None
        if holder and decision and decision.fate is Fate.UPDATE:
            yield holder.spec.name


def blocked_ports(found: Survey) -> Iterator[tuple[str, str, LiveService]]:
    """Ports (as text) that a service needs and that a service keeps which this plan does not move."""
    kept = {service.name: {_socket(port) for port in meshed(service)} for service in found.wanted.services}
    for service in found.wanted.services:
        for port in meshed(service):
            holder = found.holder(service.name, port)
            if holder is None:
                continue
            name = holder.spec.name
            moving = name in found.decisions and found.decisions[name].fate is not Fate.AWAIT
            if not moving or _socket(port) in kept.get(name, set()):
                yield service.name, port_text(port), holder


def _socket(port: Port) -> tuple[int, str]:
    return port.published, port.protocol
