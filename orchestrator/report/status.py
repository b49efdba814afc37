"""The reports of commands that only look: status, doctor, image."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from orchestrator.model.doctor import Finding
from orchestrator.model.image import ImageInfo
from orchestrator.model.outcome import BridgeStatus, ContainerStatus, NodeStatus, ServiceStatus, StatusOutcome
from orchestrator.report.plan import render_routes
from orchestrator.report.tables import simple_table
from orchestrator.report.words import count


def render_status(outcome: StatusOutcome) -> list[RenderableType]:
    """Machines, nodes, services and plain containers as tables, then what is wrong with which node."""
    title = Text(f"cluster {outcome.cluster} ({outcome.provider}): {outcome.swarm}", style="bold")
    parts: list[RenderableType] = [title, _nodes(outcome.nodes)]
    if outcome.services:
        parts += [Text(), _services(outcome.services)]
    if outcome.containers:
        parts += [Text(), _containers(outcome.containers)]
    if outcome.bridges:
        parts += [Text(), _bridges(outcome.bridges)]
    routes = [route for service in outcome.services for route in service.routes]
    if routes:
        parts += [Text(), *render_routes(routes)]
    for node in outcome.nodes:
        if node.problem:
            parts.append(Text.assemble(("! ", "yellow"), f"{node.name}: {node.problem}"))
            if node.hint:
                parts.append(Text(f"    {node.hint}", style="dim"))
    return parts


def render_findings(findings: Sequence[Finding]) -> list[RenderableType]:
    """What ``lab doctor`` found, each with its remedy, and a summary line."""
    marks = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("!", "yellow")}
    parts: list[RenderableType] = []
    for finding in findings:
        mark, style = marks[finding.ok]
        parts.append(Text.assemble((f"{mark} ", style), (finding.name, "bold"), f"  {finding.detail}"))
        if finding.fix:
            parts.append(Text(f"    {finding.fix}", style="cyan"))
    wrong = sum(finding.ok is False for finding in findings)
    if wrong:
        parts.append(Text(f"{count(wrong, 'thing')} to put right", style="bold red"))
    else:
        parts.append(Text("this machine can run a lab", style="bold green"))
    return parts


def render_images(images: Sequence[ImageInfo]) -> list[RenderableType]:
    """The node images in the cache."""
    if not images:
        return [Text("no node image is built; `lab image build` makes one, and `lab up` does where it needs one")]
    table = simple_table("SUITE", "SIZE", "CREATED", "DETAIL")
    for image in images:
        table.add_row(image.suite, f"{image.size_bytes / 2**20:.0f} MiB", image.created, image.detail)
    return [table, *(Text(f"{image.suite}: {image.path}", style="dim") for image in images)]


def _nodes(nodes: Sequence[NodeStatus]) -> RenderableType:
    table = simple_table("NODE", "MACHINE", "ROLE", "AVAILABILITY", "STATE", "ENGINE", "ADDRESS")
    for node in nodes:
        role = "leader" if node.leader else node.role
        words = (node.machine, role, node.availability, node.state, node.engine, node.address)
        table.add_row(node.name, *(word or "–" for word in words), style="yellow" if node.problem else "")
    return table


def _services(services: Sequence[ServiceStatus]) -> RenderableType:
    table = simple_table("LAB", "SERVICE", "TASKS", "PORTS")
    for service in services:
        whole = service.running == service.wanted
        tasks = Text(f"{service.running}/{service.wanted}", style="green" if whole else "bold red")
        table.add_row(service.lab, service.name, tasks, ", ".join(service.ports) or "–")
    return table


def _containers(containers: Sequence[ContainerStatus]) -> RenderableType:
    table = simple_table("LAB", "CONTAINER", "NODE", "NETWORK", "ADDRESS", "STATE")
    for one in containers:
        state = Text(one.state, style="green" if one.state == "running" else "yellow")
        table.add_row(one.lab, one.name, one.node, one.network, one.address or "–", state)
    return table


def _bridges(bridges: Sequence[BridgeStatus]) -> RenderableType:
    table = simple_table("LAB", "BRIDGE", "NODE", "SUBNET")
    for one in bridges:
        table.add_row(one.lab, one.name, one.node, one.subnet)
    return table
