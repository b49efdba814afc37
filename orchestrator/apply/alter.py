"""Changes that a check makes for a while: replicas of a service, a forced update, a node's availability.

Each reads what is there, changes one thing in it and sends it back whole, so that whatever it does not know stays.
"""

# The stubs of the docker SDK leave many of its methods untyped.

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from orchestrator.apply.site import Raw, Site
from orchestrator.errors import RefusedError
from orchestrator.model.inventory import Availability
from orchestrator.model.labels import CLUSTER
from orchestrator.runtime.retry import on_conflict
from orchestrator.transport.engine_errors import engine_errors, out_of_sequence


def set_replicas(site: Site, service: str, replicas: int) -> None:
    """Scale a replicated service of ours. Raises ``RefusedError`` where it is not ours."""

    def change(spec: Raw) -> None:
        if "Replicated" not in spec["Mode"]:
            raise RefusedError(
                f"service {service} is global: it has a task on every node and cannot be scaled",
                hint="leave the check out, or give the service a number of replicas",
            )
        spec["Mode"]["Replicated"]["Replicas"] = replicas

    _change_service(site, service, f"scale service {service} to {replicas}", change)


def force_update(site: Site, service: str) -> None:
    """Replace every task of a service of ours by its own update policy. Raises ``RefusedError`` where it is not ours.

    The engine keeps a number for this in a task's specification; a greater one makes all tasks outdated.
    """

    def change(spec: Raw) -> None:
        spec["TaskTemplate"]["ForceUpdate"] = int(spec["TaskTemplate"].get("ForceUpdate") or 0) + 1

    _change_service(site, service, f"update service {service}", change)


def _change_service(site: Site, service: str, call: str, change: Callable[[Raw], None]) -> None:
    def attempt() -> None:
        manager = site.manager()
        with engine_errors(manager.name, call):
            live = manager.engine.inspect_service(service)
            manager.require_ours("service", service, live["Spec"].get("Labels"))
            spec = copy.deepcopy(live["Spec"])
            change(spec)
            if spec != live["Spec"]:
                manager.engine.update_service(
                    live["ID"],
                    live["Version"]["Index"],
                    task_template=spec["TaskTemplate"],
                    name=spec["Name"],
                    labels=spec["Labels"],
                    mode=spec["Mode"],
                    update_config=spec.get("UpdateConfig"),
                    rollback_config=spec.get("RollbackConfig"),
                    endpoint_spec=spec.get("EndpointSpec"),
                )

    on_conflict(site.context, attempt, out_of_sequence)


def set_availability(site: Site, node_id: str, availability: Availability) -> None:
    """Change a member's availability. Raises ``RefusedError`` where the swarm is not ours."""

    def attempt() -> None:
        manager = site.manager()
        if not manager.cluster:
            raise RefusedError(f"the swarm does not carry our label {CLUSTER}: it is not ours to change")
        with engine_errors(manager.name, f"set node {node_id} to {availability.value}"):
            live = manager.engine.inspect_node(node_id)
            spec: Any = live["Spec"] | {"Availability": availability.value}
            if spec != live["Spec"]:
                manager.engine.update_node(live["ID"], live["Version"]["Index"], spec)

    on_conflict(site.context, attempt, out_of_sequence)
