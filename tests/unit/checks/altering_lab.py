"""A lab on three nodes as it stands: a service behind the routing mesh, and another one that may ask for its name."""

from pathlib import Path

from orchestrator.checks.topology import Topology
from orchestrator.model.inventory import Availability, NodeConfig, Role
from orchestrator.model.lab import Attachment, Lab, Network, Port, Service, ServiceMode
from orchestrator.model.observed import ClusterView, LiveService, LiveTask, NodeView, SwarmNode, SwarmView
from orchestrator.model.question import Sandbox
from orchestrator.planning.cluster import places

NODES = ("n1", "n2", "n3")


def task(number: int, service: str, node: str, **changes) -> LiveTask:
    """A running task; its addresses end in its number."""
    facts = {
        "id": f"{service}-{number}",
        "service": f"lab_{service}",
        "slot": number,
        "node_id": f"id-{node}",
        "state": "running",
        "desired": "running",
        "container_id": f"c-{service}-{number}",
        "addresses": {"ingress": f"10.0.0.{number + 4}", "lab_net": f"10.0.20.{number + 2}"},
    }
    return LiveTask(**(facts | changes))


TASKS = (task(1, "web", "n1"), task(2, "web", "n2"), task(1, "client", "n3"))


def topology(tasks=TASKS, *, managers=("n1",), leader="n1", unreachable=(), mode=ServiceMode.REPLICATED) -> Topology:
    """The lab with these tasks; nodes of ``managers`` manage."""
    net = Network("net", "lab_net", subnet="10.0.20.0/24")
    web = Service(
        "web", "lab_web", "i", mode=mode, replicas=2, ports=(Port(8090, 80),), networks=(Attachment("lab_net"),)
    )
    client = Service("client", "lab_client", "i", networks=(Attachment("lab_net"),))
    lab = Lab("lab", Path("/x"), services=(web, client), networks=(net,))
    roles = {name: Role.MANAGER if name in managers else Role.WORKER for name in NODES}
    members = tuple(
        SwarmNode(f"id-{name}", name, roles[name], Availability.ACTIVE, "ready", f"192.168.90.1{n}", {}, name == leader)
        for n, name in enumerate(NODES, 1)
    )
    live = tuple(LiveService(one.name, 1, one, {"lab_net": "10.0.20.2"}) for one in lab.services)
    view = ClusterView(
        tuple(NodeView(name, reachable=name not in unreachable, node_id=f"id-{name}") for name in NODES),
        SwarmView("n1", "c", {}, nodes=members, services=live, tasks=tuple(tasks)),
    )
    sandboxes = {one.container_id: Sandbox(one.container_id, f"/netns/{one.id}") for one in tasks}
    return Topology(lab, places([NodeConfig(name, roles[name]) for name in NODES], view), view, sandboxes)
