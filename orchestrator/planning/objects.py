"""The services' part of a plan: the steps for networks, configs, images and services, and what each waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from orchestrator.model.lab import Service
from orchestrator.model.labels import LAB, owned_by
from orchestrator.model.observed import ClusterView, LiveService
from orchestrator.model.plan import (
    AwaitService,
    CreateConfig,
    CreateNetwork,
    CreateService,
    LoadImage,
    RemoveConfig,
    RemoveNetwork,
    RemoveService,
    Step,
    UpdateService,
)
from orchestrator.planning.cluster import Place, all_labels
from orchestrator.planning.compare import image_text
from orchestrator.planning.resolve import Wanted
from orchestrator.planning.survey import Decision, Fate, Survey, meshed, port_waits, uses

GOING = {Fate.REMOVE, Fate.REPLACE}
COMING = {Fate.CREATE, Fate.REPLACE}


def image_steps(wanted: Wanted, found: Sequence[Place]) -> Iterator[Step]:
    """Send each lab image to every node that answers and lacks it: any node may get a task."""
    for reference, image in wanted.images.items():
        for place in found:
            there = place.view.images.get(reference)
            if not place.view.reachable or there == image.id:
                continue
            reason = f"{place.name} has {image_text(there, {})} under that name" if there else "it is not there"
            yield Step(
                f"image {place.name} {reference}",
                LoadImage(place.name, reference),
                f"send image {reference} to {place.name}",
                reason,
            )


def object_steps(found: Survey, swarm: tuple[str, ...], ready: tuple[str, ...], images: Sequence[Step]) -> list[Step]:
    """All steps for objects, in an order in which they may be carried out one by one.

    ``swarm`` are the ids of the steps that make the swarm, ``ready`` those after which every node is the member that
    it shall be: services wait for these, so that their tasks spread over all nodes and labels count.
    """
    first = [*_service_removals(found), *_early_removals(found)]
    fresh = [*_network_creations(found, swarm), *_config_creations(found, swarm)]
    services = [step for name in found.decisions for step in _service_steps(found, name, ready, fresh, images)]
    return _in_order([*first, *fresh, *services, *_moved(found, ready), *_late_removals(found)])


def object_notes(found: Survey, view: ClusterView) -> Iterator[str]:
    """What is ours but stays as it is, and why."""
    for kind, name, users in _kept(found):
        yield f"{kind} {name} is no longer in the lab file, but stays, in use by {', '.join(users)}"
    others = Counter(
        labels.get(LAB, "")
        for labels in all_labels(view)
        if owned_by(labels, found.cluster) and not found.owned(labels)
    )
    for lab, number in sorted(others.items()):
        yield f"lab {lab or '(without a name)'} is up too ({number} objects) and left alone"


def _moved(found: Survey, ready: tuple[str, ...]) -> Iterator[Step]:
    """Services that stay as they are, where nodes change: tasks leave a drained node, a new node gets global ones."""
    for service in found.wanted.services if ready else ():
        if service.name not in found.decisions:
            summary = f"wait until the tasks of {service.name} run"
            reason = "its tasks may move when nodes change"
            yield Step(f"await {service.name}", AwaitService(service.name), summary, reason, ready)


def _service_removals(found: Survey) -> Iterator[Step]:
    for name, decision in found.decisions.items():
        if decision.fate in GOING:
            action = RemoveService(found.services[name].id, name)
            yield Step(f"remove service {name}", action, f"remove service {name}", decision.reason)


def _early_removals(found: Survey) -> Iterator[Step]:
    """Networks and configs that must go before others can be created."""
    for name, reason in found.vacated.items():
        yield _remove_network(found, name, reason)
    for name, reason in found.changed_configs.items():
        yield _remove_config(found, name, reason)


def _late_removals(found: Survey) -> Iterator[Step]:
    """Networks and configs that nobody wants any more, once their last user has let go."""
    kept = {(kind, name) for kind, name, _ in _kept(found)}
    for name in found.stale_networks:
        if name not in found.vacated and ("network", name) not in kept:
            yield _remove_network(found, name, "it is no longer in the lab file")
    for name in found.stale_configs:
        if ("config", name) not in kept:
            yield _remove_config(found, name, "it is no longer in the lab file")


def _kept(found: Survey) -> Iterator[tuple[str, str, list[str]]]:
    """Stale networks and configs that somebody goes on using, each with these services."""
    for name in found.stale_networks:
        users = _staying(found, network=name)
        if users and name not in found.vacated:
            yield "network", name, users
    for name in found.stale_configs:
        if users := _staying(found, config=name):
            yield "config", name, users


def _staying(found: Survey, network: str = "", config: str = "") -> list[str]:
    """The services that will use this network or config after the plan as well."""
    wanted = {service.name: service for service in found.wanted.services}
    moving = {name for name, decision in found.decisions.items() if decision.fate is not Fate.AWAIT}
    users = {live.spec.name for live in found.users_of(network, config)} - moving
    return sorted(users | {name for name in wanted if uses(wanted[name], network, config)})


def _remove_network(found: Survey, name: str, reason: str) -> Step:
    action = RemoveNetwork(found.networks[name].id, name)
    after = _released(found, found.users_of(network=name))
    return Step(f"remove network {name}", action, f"remove network {name}", reason, after)


def _remove_config(found: Survey, name: str, reason: str) -> Step:
    action = RemoveConfig(found.configs[name].id, name)
    after = _released(found, found.users_of(config=name))
    return Step(f"remove config {name}", action, f"remove config {name}", reason, after)


def _released(found: Survey, users: Sequence[LiveService]) -> tuple[str, ...]:
    """The steps after which these services no longer use what they use now."""
    names = [live.spec.name for live in users]
    return tuple(f"remove service {name}" if found.decisions[name].fate in GOING else f"await {name}" for name in names)


def _network_creations(found: Survey, swarm: tuple[str, ...]) -> Iterator[Step]:
    """New networks wait for all that must go: their addresses may be among those set free."""
    after = (*swarm, *(f"remove network {name}" for name in found.vacated))
    for network in found.wanted.networks:
        if network.external or (network.name in found.networks and network.name not in found.vacated):
            continue
        subnet = f" ({network.subnet})" if network.subnet else ""
        reason = found.vacated.get(network.name, "it does not exist")
        summary = f"create network {network.name}{subnet}"
        yield Step(f"network {network.name}", CreateNetwork(network), summary, reason, after)


def _config_creations(found: Survey, swarm: tuple[str, ...]) -> Iterator[Step]:
    for config in found.wanted.configs:
        changed = config.name in found.changed_configs
        if config.name in found.configs and not changed:
            continue
        after = (*swarm, f"remove config {config.name}") if changed else swarm
        reason = found.changed_configs.get(config.name, "it does not exist")
        yield Step(f"config {config.name}", CreateConfig(config), f"create config {config.name}", reason, after)


def _service_steps(
    found: Survey, name: str, ready: tuple[str, ...], fresh: Sequence[Step], images: Sequence[Step]
) -> Iterator[Step]:
    """Create or update one service and wait for it; or only wait for it."""
    decision = found.decisions[name]
    if decision.fate is Fate.REMOVE:
        return
    spec = next(service for service in found.wanted.services if service.name == name)
    after = (*ready, *_image_ids(found, spec, images))
    reason = decision.reason
    if decision.fate is not Fate.AWAIT:
        change = _change(found, spec, decision, (*after, *_needs(found, spec, fresh)))
        yield change
        after, reason = (change.id,), "a service is there when all its tasks run"
    yield Step(f"await {name}", AwaitService(name), f"wait until the tasks of {name} run", reason, after)


def _change(found: Survey, spec: Service, decision: Decision, after: tuple[str, ...]) -> Step:
    name = spec.name
    if decision.fate in COMING:
        return Step(f"service {name}", CreateService(spec), f"create service {name}", decision.reason, after)
    action = UpdateService(found.services[name].id, spec)
    return Step(f"service {name}", action, f"update service {name}", decision.reason, after)


def _image_ids(found: Survey, spec: Service, images: Sequence[Step]) -> Iterator[str]:
    references = {reference for reference, image in found.wanted.images.items() if image.id == spec.image}
    for step in images:
        if isinstance(step.action, LoadImage) and step.action.reference in references:
            yield step.id


def _needs(found: Survey, spec: Service, fresh: Sequence[Step]) -> Iterator[str]:
    """What a service waits for: its networks and configs, the ports it takes over, its own removal."""
    parts = {f"network {attachment.network}" for attachment in spec.networks}
    parts |= {f"config {mount.config}" for mount in spec.configs}
    yield from (step.id for step in fresh if step.id in parts)
    if found.decisions[spec.name].fate is Fate.REPLACE:
        yield f"remove service {spec.name}"
    holders = {holder.spec.name for port in meshed(spec) if (holder := found.holder(spec.name, port))}
    yield from (f"remove service {name}" for name in sorted(holders) if found.decisions[name].fate in GOING)
    yield from (f"await {name}" for name in sorted(set(port_waits(found, spec.name))))


def _in_order(steps: Sequence[Step]) -> list[Step]:
    """The steps with every one behind those that it waits for, otherwise as given."""
    own = {step.id for step in steps}
    waiting, done, ordered = list(steps), set[str](), list[Step]()
    while waiting:
        step = next(step for step in waiting if not (set(step.after) & own) - done)
        waiting.remove(step)
        done.add(step.id)
        ordered.append(step)
    return ordered
