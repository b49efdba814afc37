"""A lab as it stands on three nodes, in memory: what checks plan their questions from."""

import json
from pathlib import Path

from orchestrator.checks.base import verdict_of
from orchestrator.checks.kinds import KINDS
from orchestrator.checks.topology import Topology
from orchestrator.model.inventory import Availability, NodeConfig, Role
from orchestrator.model.lab import Attachment, Bridge, Container, Lab, Network, Service
from orchestrator.model.labels import CLUSTER
from orchestrator.model.observed import (
    ClusterView,
    LiveBridge,
    LiveContainer,
    LiveNetwork,
    LiveService,
    LiveTask,
    NodeView,
    SwarmNode,
    SwarmView,
)
from orchestrator.model.question import Sandbox, Told
from orchestrator.planning.cluster import places

NODES = tuple(NodeConfig(f"n{number}", Role.MANAGER if number == 1 else Role.WORKER) for number in (1, 2, 3))
OVERLAY = Network("mesh", "demo_mesh", subnet="10.0.9.0/24")
BLUE = Bridge("blue", "demo_blue", on=(1,), subnet="172.28.1.0/24")
WEB = Service("web", "demo_web", "nginx", replicas=2, networks=(Attachment("demo_mesh"),))
CONTAINERS = (
    Container("a1", "demo_a1", "nginx", on=(1,), network="demo_blue"),
    Container("both", "demo_both", "nginx", on=(1, 2)),
    Container("ended", "demo_ended", "nginx", on=(2,)),
)
LAB = Lab("demo", Path("/nowhere"), services=(WEB,), networks=(OVERLAY,), bridges=(BLUE,), containers=CONTAINERS)
BLUE_ID = "b1b2b3b4b5b6" + "0" * 52


def live(name, state="running", **networks):
    """A plain container of the lab as a node's engine shows it."""
    sandbox = f"/var/run/docker/netns/{name}" if state == "running" else ""
    return LiveContainer(f"id-{name}", name, {}, None, "sha256:0", state, networks=networks, sandbox=sandbox)


def task(number, node, address, state="running"):
    desired = "running" if state == "running" else "shutdown"
    at = {"demo_mesh": address} if address else {}
    return LiveTask(f"t{number}", "demo_web", number, f"id-{node}", state, desired, "", f"c{number}", at)


TASKS = (task(1, "n1", "10.0.9.3"), task(2, "n2", "10.0.9.4"))
PLAIN = {
    "n1": (live("demo_a1", demo_blue="172.28.1.2"), live("demo_both", bridge="172.17.0.2")),
    "n2": (live("demo_both", bridge="172.17.0.2"), live("demo_ended", "exited")),
}


def topology(tasks=TASKS, plain=None, bridges=None, unreachable=(), swarm=True):
    """The lab as it stands; keyword arguments change what was observed."""
    plain = PLAIN if plain is None else plain
    bridges = {"n1": (LiveBridge(BLUE_ID, BLUE),)} if bridges is None else bridges
    views = tuple(
        NodeView(
            node.name,
            reachable=node.name not in unreachable,
            node_id=f"id-{node.name}",
            is_manager=node.role is Role.MANAGER,
            plain=plain.get(node.name, ()),
            bridges=bridges.get(node.name, ()),
        )
        for node in NODES
    )
    view = ClusterView(views, _swarm(tasks) if swarm else None)
    sandboxes = {one.container_id: Sandbox(one.container_id, f"/netns/{one.container_id}") for one in tasks}
    return Topology(LAB, places(NODES, view), view, sandboxes)


def _swarm(tasks):
    members = tuple(
        SwarmNode(f"id-{node.name}", node.name, node.role, Availability.ACTIVE, "ready", f"192.168.90.1{number}")
        for number, node in enumerate(NODES, 1)
    )
    service = LiveService("s1", 1, WEB, {"demo_mesh": "10.0.9.2/24"})
    network = LiveNetwork("o1o2o3", OVERLAY)
    return SwarmView("n1", "swarm", {CLUSTER: "lab"}, members, (network,), (), (service,), tuple(tasks))


def check(kind, **keys):
    """A check as a lab file writes it."""
    return KINDS[kind].model_validate({"kind": kind, **{key.rstrip("_"): value for key, value in keys.items()}})


def judged(found, topology, reply_to):
    """The result of each item, by subject, where ``reply_to`` answers every question."""
    items = found.plan(topology)
    return {item.subject: verdict_of(found, item, {q: reply_to(q) for q in item.questions}) for item in items}


def judged_one(found, topology, reply_to=None):
    """The result of the only item."""
    (result,) = judged(found, topology, reply_to).values()
    return result


def links(*names, kind="veth", **addresses):
    """What ``ip -json`` prints of these interfaces; addresses by interface name."""
    return Told(
        0,
        json.dumps(
            [
                {
                    "ifname": name,
                    "linkinfo": {"info_kind": kind},
                    "addr_info": [
                        {"family": "inet", "local": address.split("/")[0], "prefixlen": int(address.split("/")[1])}
                        for address in [addresses.get(name)]
                        if address
                    ]
                    + [{"family": "inet6", "local": "fe80::1", "prefixlen": 64}],
                }
                for name in names
            ]
        ),
    )
