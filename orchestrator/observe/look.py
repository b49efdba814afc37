"""Ask the engines what is there. Reads only; few calls, all nodes at once."""

# The stubs of the docker SDK leave many of its methods untyped.

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from docker import APIClient
from docker.errors import NotFound

from orchestrator.errors import NodeError
from orchestrator.model.observed import ClusterView, LiveContainer, NodeView, Problem, SwarmState, SwarmView
from orchestrator.observe.containers import (
    is_bridge,
    is_ours,
    other_containers,
    other_networks,
    parse_bridge,
    parse_container,
    task_containers,
)
from orchestrator.observe.lease import find_lease, is_lease, moment
from orchestrator.observe.parse import (
    TASK_LABEL,
    Raw,
    is_overlay,
    parse_config,
    parse_network,
    parse_node,
    parse_service,
    parse_swarm_node,
    parse_task,
)
from orchestrator.runtime.bounded import fan_out_within
from orchestrator.runtime.context import Context
from orchestrator.runtime.fanout import Result, fan_out
from orchestrator.transport.base import Host, problem_of
from orchestrator.transport.engine_errors import engine_errors

UP = ("running", "paused", "restarting")
"""States of the containers that ``docker ps`` lists."""


def observe(
    context: Context, hosts: Mapping[str, Host | Problem], images: Collection[str], *, patience: float | None = None
) -> ClusterView:
    """Look at all nodes at once, and at the swarm through the first manager that answers.

    ``images`` are the references that labs use. A node that cannot be asked is in the view with its problem.
    ``patience`` is how many seconds the nodes have together (or twice as long as those took that answered), and then
    the managers; without it each call has its own time-out (an engine may stay silent for a minute).
    """

    def look(name: str) -> NodeView:
        return _observe_host(name, hosts[name], images)

    if patience is None:
        results = fan_out(list(hosts), look)
        context.check()
        views = tuple(result.get() for result in results)
        return ClusterView(views, _through_a_manager(context, views, hosts))
    bounded = fan_out_within(context, list(hosts), look, patience, pace=True)
    views = tuple(_view_of(result, patience) for result in bounded)
    (told,) = fan_out_within(context, ["managers"], lambda _: _through_a_manager(context, views, hosts), patience)
    if isinstance(told.error, TimeoutError):
        context.notice(f"no manager has told the swarm within {patience:.0f} s", level="warning")
        return ClusterView(views)
    return ClusterView(views, told.get())


def _view_of(result: Result[str, NodeView], patience: float) -> NodeView:
    """What came of looking at a node; an engine that keeps silent is a problem of that node."""
    if not isinstance(result.error, TimeoutError):
        return result.get()
    hint = "`systemctl status docker` and `journalctl -u docker` on the node"
    problem = Problem("timeout", f"the engine does not answer within {patience:.0f} s", hint)
    return NodeView(result.item, reachable=False, problem=problem)


def _observe_host(name: str, host: Host | Problem, images: Collection[str]) -> NodeView:
    if isinstance(host, Problem):
        return NodeView(name, reachable=False, problem=host)
    try:
        return observe_node(host, images)
    except NodeError as error:
        return NodeView(name, reachable=False, problem=problem_of(error))


def _through_a_manager(
    context: Context, views: Collection[NodeView], hosts: Mapping[str, Host | Problem]
) -> SwarmView | None:
    for view in views:
        host = hosts[view.name]
        if not view.is_manager or isinstance(host, Problem):
            continue
        try:
            return observe_swarm(host, view.name, view.clock)
        except NodeError as error:
            context.check()
            context.notice(
                f"manager {view.name} cannot tell the swarm: {error.message}", level="warning", node=view.name
            )
    return None


def observe_node(host: Host, images: Collection[str]) -> NodeView:
    """One node as its own engine tells it. Raises ``NodeError``."""
    engine = host.engine()
    with engine_errors(host.name, "GET /info"):
        info = engine.info()
    active = (info.get("Swarm") or {}).get("LocalNodeState") == SwarmState.ACTIVE
    with engine_errors(host.name, "list images, containers and networks"):
        containers = engine.containers(all=True)
        networks = engine.networks(filters={"scope": "local"})
        seen = parse_node(
            host.name,
            info,
            api_version=engine.api_version,
            images={name: identity for name in images if (identity := image_id(engine, name))},
            ingress=_ingress(engine) if active else None,
            containers=[raw for raw in containers if active and raw.get("State") in UP],
        )
        return replace(
            seen,
            task_containers=task_containers(containers),
            plain=tuple(_plain(engine, containers)),
            bridges=tuple(parse_bridge(raw) for raw in networks if is_bridge(raw)),
            other_containers=other_containers(containers),
            other_networks=other_networks(networks),
            clock=moment(info.get("SystemTime")),
        )


def _plain(engine: APIClient, containers: Collection[Raw]) -> Iterator[LiveContainer]:
    """Our plain containers in detail; one that is gone by now is left out."""
    for raw in containers:
        if is_ours(raw) and TASK_LABEL not in raw["Labels"]:
            with suppress(NotFound):
                yield parse_container(engine.inspect_container(raw["Id"]))


def image_id(engine: APIClient, reference: str) -> str:
    """The local id of an image, "" where the engine does not have it. Raises what the docker SDK raises."""
    try:
        return str(engine.inspect_image(reference)["Id"])
    except NotFound:
        return ""


def _ingress(engine: APIClient) -> Raw:
    try:
        network: Raw = engine.inspect_network("ingress")
    except NotFound:
        return {}
    return network


def observe_swarm(host: Host, name: str, clock: datetime | None = None) -> SwarmView:
    """The swarm as the manager ``name`` tells it, whose clock has just shown ``clock``.

    Raises ``NodeError``, also where the node is no manager.
    """
    engine = host.engine()
    with engine_errors(name, "GET /swarm"):
        swarm = engine.inspect_swarm()
    with engine_errors(name, "list the swarm's objects"):
        nodes, networks, configs = engine.nodes(), engine.networks(), engine.configs()
        services, tasks = engine.services(), engine.tasks()
    network_names = {raw["Id"]: raw["Name"] for raw in networks}
    service_names = {raw["ID"]: raw["Spec"]["Name"] for raw in services}
    return SwarmView(
        seen_by=name,
        cluster_id=swarm["ID"],
        labels=dict(swarm["Spec"].get("Labels") or {}),
        nodes=tuple(parse_swarm_node(raw) for raw in nodes),
        networks=tuple(parse_network(raw) for raw in networks if is_overlay(raw)),
        configs=tuple(parse_config(raw) for raw in configs if not is_lease(raw)),
        services=tuple(parse_service(raw, network_names) for raw in services),
        tasks=tuple(parse_task(raw, service_names) for raw in tasks),
        lease=find_lease(configs, clock),
    )
