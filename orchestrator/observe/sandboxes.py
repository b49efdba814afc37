"""The network namespaces of swarm tasks' containers, which only the engine of their own node knows."""

# The stubs of the docker SDK leave many of its methods untyped.

from __future__ import annotations

from collections.abc import Collection, Mapping

from docker.errors import NotFound

from orchestrator.errors import NodeError
from orchestrator.model.observed import ClusterView, Problem
from orchestrator.model.question import Sandbox
from orchestrator.runtime.context import Context
from orchestrator.runtime.fanout import fan_out
from orchestrator.transport.base import Host
from orchestrator.transport.engine_errors import engine_errors


def observe_sandboxes(
    context: Context, hosts: Mapping[str, Host | Problem], view: ClusterView, tasks: Collection[str]
) -> dict[str, Sandbox]:
    """The namespace of each running container of these tasks (ids), by container id.

    A node that cannot be asked leaves its containers out: whoever wants to look from there finds them missing.
    """
    wanted = {
        seen.name: [container for container, task in seen.containers.items() if task in tasks] for seen in view.nodes
    }
    found = fan_out([name for name in wanted if wanted[name]], lambda name: _on_node(hosts[name], wanted[name]))
    context.check()
    sandboxes: dict[str, Sandbox] = {}
    for result in found:
        if result.error is None:
            sandboxes |= result.get()
        elif not isinstance(result.error, NodeError):
            raise result.error
    return sandboxes


def _on_node(host: Host | Problem, containers: Collection[str]) -> dict[str, Sandbox]:
    if isinstance(host, Problem):
        return {}
    engine = host.engine()
    found = {}
    with engine_errors(host.name, "inspect the containers of tasks"):
        for container in containers:
            try:
                network = engine.inspect_container(container)["NetworkSettings"]
            except NotFound:
                continue  # it has ended meanwhile
            found[container] = Sandbox(container, network.get("SandboxKey") or "")
    return found
