"""Steps that concern the swarm's objects: networks, configs and services.

Each looks again just before it changes anything: what has our name but not our label is left alone, what is
already as wanted is done. Each returns whether it changed something.
"""

# The stubs of the docker SDK leave many of its methods untyped.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from docker.errors import NotFound

from orchestrator.apply.render import config_args, network_args, service_spec
from orchestrator.apply.site import Job, Manager, Raw
from orchestrator.errors import NodeError, RefusedError
from orchestrator.model.lab import ConfigObject, Network, Service
from orchestrator.model.labels import CLUSTER
from orchestrator.model.observed import Problem
from orchestrator.model.plan import (
    CreateConfig,
    CreateNetwork,
    CreateService,
    RemoveConfig,
    RemoveNetwork,
    RemoveService,
    UpdateService,
)
from orchestrator.observe.parse import parse_config, parse_network, parse_service
from orchestrator.runtime.retry import NotYet, on_conflict, until, while_busy
from orchestrator.transport.engine_errors import engine_errors, out_of_sequence

DETACH_SECONDS = 60.0
"""How long a removed service's tasks may take to be gone, and a network to be free of them."""

STOPPED_UPDATE = ("paused", "rollback_paused")
"""``UpdateStatus.State`` of a service whose update goes on only when the service is updated again."""


def create_network(job: Job, action: CreateNetwork) -> bool:
    """Create an overlay network."""
    manager, spec = job.site.manager(), action.spec
    with engine_errors(manager.name, f"create network {spec.name}"):
        found = _named(manager.engine.networks(names=[spec.name]), spec.name)
        if found is not None:
            live = parse_network(found).spec
            return _already(manager, "network", spec, live.labels, same=_same_network(live, spec))
        manager.engine.create_network(**network_args(spec))
    return True


def _same_network(live: Network, wanted: Network) -> bool:
    """Docker fills in a subnet and a gateway where none was asked for."""
    subnet, gateway = wanted.subnet or live.subnet, wanted.gateway or live.gateway
    return live == replace(wanted, key=live.key, subnet=subnet, gateway=gateway)


def create_config(job: Job, action: CreateConfig) -> bool:
    """Create a swarm config."""
    manager, spec = job.site.manager(), action.spec
    with engine_errors(manager.name, f"create config {spec.name}"):
        found = _named(manager.engine.configs(filters={"name": spec.name}), spec.name)
        if found is not None:
            live = parse_config(found).spec
            return _already(manager, "config", spec, live.labels, same=live == replace(spec, key=live.key))
        manager.engine.create_config(**config_args(spec))
    return True


def create_service(job: Job, action: CreateService) -> bool:
    """Create a service."""
    manager, spec = job.site.manager(), action.spec
    with engine_errors(manager.name, f"create service {spec.name}"):
        found = _named(manager.engine.services(filters={"name": spec.name}), spec.name)
        if found is not None:
            same = _is_as_wanted(job, manager, found, spec)
            return _already(manager, "service", spec, found["Spec"].get("Labels") or {}, same=same)
        body = _service_body(job, manager, spec)
        manager.engine.create_service(
            body["TaskTemplate"],
            name=body["Name"],
            labels=body["Labels"],
            mode=body["Mode"],
            update_config=body["UpdateConfig"],
            endpoint_spec=body["EndpointSpec"],
        )
    return True


def update_service(job: Job, action: UpdateService) -> bool:
    """Change a service of ours; the engine replaces its tasks by its update policy.

    A service whose last update has stopped half way is sent its specification again, which makes the engine go on.
    """

    def change() -> bool:
        manager, spec = job.site.manager(), action.spec
        with engine_errors(manager.name, f"update service {spec.name}"):
            live = manager.engine.inspect_service(action.id)
            manager.require_ours("service", spec.name, live["Spec"].get("Labels"))
            if _update_state(live) not in STOPPED_UPDATE and _is_as_wanted(job, manager, live, spec):
                return False
            body = _service_body(job, manager, spec)
            forced = live["Spec"]["TaskTemplate"].get("ForceUpdate", 0)
            manager.engine.update_service(
                action.id,
                live["Version"]["Index"],
                task_template=body["TaskTemplate"] | {"ForceUpdate": forced},
                name=body["Name"],
                labels=body["Labels"],
                mode=body["Mode"],
                update_config=body["UpdateConfig"],
                endpoint_spec=body["EndpointSpec"],
            )
        return True

    return on_conflict(job.context, change, out_of_sequence)


def _update_state(raw: Raw) -> str:
    return str((raw.get("UpdateStatus") or {}).get("State") or "")


def _is_as_wanted(job: Job, manager: Manager, raw: Raw, wanted: Service) -> bool:
    names = {network["Id"]: network["Name"] for network in manager.engine.networks()}
    live = parse_service(raw, names)
    return not live.unsupported and live.spec == replace(wanted, key=live.spec.key, image=job.site.image(wanted.image))


def _service_body(job: Job, manager: Manager, spec: Service) -> Raw:
    """The service with ids in place of names, as they are now. Raises ``NodeError`` where one is missing."""
    networks = {one["Name"]: one["Id"] for one in manager.engine.networks() if one.get("Scope") == "swarm"}
    configs = {one["Spec"]["Name"]: one["ID"] for one in manager.engine.configs()} if spec.configs else {}
    try:
        return service_spec(spec, image=job.site.image(spec.image), network_ids=networks, config_ids=configs)
    except KeyError as error:
        raise NodeError(
            f"service {spec.name} needs {error.args[0]}, which is not in the swarm",
            node=manager.name,
            hint="somebody removed it meanwhile; run the command again",
        ) from error


def _named(objects: list[Raw], name: str) -> Raw | None:
    """The object of exactly that name: Docker's filter also finds names that contain it, and local networks."""
    for raw in objects:
        if raw.get("Name", (raw.get("Spec") or {}).get("Name")) == name and raw.get("Scope", "swarm") == "swarm":
            return raw
    return None


def _already(
    manager: Manager, kind: str, wanted: Network | ConfigObject | Service, labels: dict[str, str], *, same: bool
) -> bool:
    """What to do about an object that appeared since the plan was made: nothing if it is ours and as wanted."""
    if not wanted.labels.get(CLUSTER) or labels.get(CLUSTER) != wanted.labels[CLUSTER]:
        raise RefusedError(
            f"a {kind} named {wanted.name} exists that does not carry our label: it is not ours to change",
            node=manager.name,
            hint=f"if nothing needs it, remove it by hand: docker {kind} rm {wanted.name}",
        )
    if not same:
        raise NodeError(
            f"a {kind} named {wanted.name} appeared meanwhile and differs from the wanted one",
            node=manager.name,
            hint="somebody else works on the same lab; run the command again",
        )
    return False


def remove_service(job: Job, action: RemoveService) -> bool:
    """Remove a service and wait until its tasks are gone.

    Those on nodes that are down do not count, nor those on nodes to which we have no connection: the managers need some
    heartbeats before they give a node up, and a dead one ends no task.
    """
    engine_call = f"remove service {action.name}"
    removed = _remove(job, "service", action.id, action.name)
    manager = job.site.manager()

    def look() -> None:
        with engine_errors(manager.name, engine_call):
            nodes = manager.engine.nodes()
            down = {node["ID"] for node in nodes if node["Status"]["State"] != "ready" or _lost(job, node)}
            tasks = [task for task in manager.engine.tasks() if task.get("ServiceID") == action.id]
        left = [task for task in tasks if task.get("NodeID") and task["NodeID"] not in down]
        if left:
            raise NotYet(f"{len(left)} of its tasks are still there")

    try:
        until(job.context, look, deadline=DETACH_SECONDS)
    except NotYet as late:
        raise NodeError(
            f"{engine_call}: not gone within {DETACH_SECONDS:.0f} s: {late}",
            node=manager.name,
            kind="timeout",
            hint="look at the nodes' containers: docker ps, and at `journalctl -u docker`",
        ) from late
    return removed


def _lost(job: Job, node: Raw) -> bool:
    """Whether a member is a node of the inventory that cannot be reached."""
    hostname = str((node.get("Description") or {}).get("Hostname") or "")
    return isinstance(job.site.hosts.get(hostname), Problem)


def remove_network(job: Job, action: RemoveNetwork) -> bool:
    """Remove a network, trying again while tasks detach from it."""
    return while_busy(
        job.context, lambda: _remove(job, "network", action.id, action.name), in_use, deadline=DETACH_SECONDS
    )


def remove_config(job: Job, action: RemoveConfig) -> bool:
    """Remove a config, trying again while the tasks of a removed service end."""
    return while_busy(
        job.context, lambda: _remove(job, "config", action.id, action.name), in_use, deadline=DETACH_SECONDS
    )


def in_use(error: BaseException) -> bool:
    """Whether the engine refuses to remove something because it is still used."""
    return isinstance(error, NodeError) and ("in use" in error.message or "active endpoints" in error.message)


def _remove(job: Job, kind: str, identity: str, name: str) -> bool:
    manager = job.site.manager()
    inspect: Callable[[str], Any] = getattr(manager.engine, f"inspect_{kind}")
    remove: Callable[[str], Any] = getattr(manager.engine, f"remove_{kind}")
    with engine_errors(manager.name, f"remove {kind} {name}"):
        try:
            raw = inspect(identity)
            manager.require_ours(kind, name, raw.get("Labels") or (raw.get("Spec") or {}).get("Labels"))
            remove(identity)
        except NotFound:
            return False
    return True
