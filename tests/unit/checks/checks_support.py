"""A lab on three nodes as data, and a short way from replies to verdicts."""

from dataclasses import replace
from pathlib import Path

from orchestrator.checks.base import verdict_of
from orchestrator.checks.kinds import KINDS
from orchestrator.checks.topology import Topology
from orchestrator.model.inventory import NodeConfig, Role
from orchestrator.model.lab import Attachment, Bridge, Container, Lab, Network, Port, Protocol, Service
from orchestrator.model.observed import (
    Availability,
    ClusterView,
    LiveContainer,
    LiveNetwork,
    LiveService,
    LiveTask,
    NodeView,
    SwarmNode,
    SwarmState,
    SwarmView,
)
from orchestrator.model.question import Sandbox
from orchestrator.planning.cluster import places

NODES = ("n1", "n2", "n3")
MESH, SEALED = Network("mesh", "lab_mesh", subnet="10.0.9.0/24"), Network("sealed", "lab_sealed", encrypted=True)
IDS = {"lab_mesh": "meshnetworkid0000", "lab_sealed": "sealnetworkid0000"}
PORTS = (Port(8080, 80), Port(5454, 5353, Protocol.UDP))


def service(key, network, ports=()):
    return Service(key, f"lab_{key}", "swarm-mesh-lab/nginx:1", ports=ports, networks=(Attachment(network.name),))


LAB = Lab(
    "lab",
    Path("/x/lab"),
    services=(service("web", MESH, PORTS), service("safe", SEALED), service("none", MESH)),
    networks=(MESH, SEALED),
    bridges=(Bridge("lan", "lab_lan"),),
    containers=(Container("box", "lab_box", "swarm-mesh-lab/nginx:1", network="lab_lan"),),
)


def task(name, slot, node, **addresses):
    """Task ``slot`` of a service: its id is ``web1`` for the first of ``web``, its container ``c-web1``."""
    identity = f"{name}{slot}"
    named = {key if key == "ingress" else f"lab_{key}": address for key, address in addresses.items()}
    return LiveTask(
        identity, f"lab_{name}", slot, f"id-{node}", "running", "running", "", f"c-{identity}", addresses=named
    )


TASKS = (
    task("web", 1, "n1", mesh="10.0.9.3", ingress="10.0.0.6"),
    task("web", 2, "n2", mesh="10.0.9.4", ingress="10.0.0.7"),
    task("safe", 1, "n1", sealed="10.0.8.3"),
    task("safe", 2, "n2", sealed="10.0.8.4"),
)
VIPS = {"web": {"lab_mesh": "10.0.9.2", "ingress": "10.0.0.5"}, "safe": {"lab_sealed": "10.0.8.2"}, "none": {}}


def topology(tasks=TASKS, unseen=(), boxes=("running", "exited"), lost=()):
    """The lab as it stands: ``unseen`` tasks have no namespace to enter, ``lost`` nodes cannot be reached."""
    nodes = tuple(NodeConfig(name, Role.MANAGER if name == "n1" else Role.WORKER) for name in NODES)
    members = tuple(
        SwarmNode(f"id-{name}", name, Role.WORKER, Availability.ACTIVE, "ready", f"192.168.90.1{number}")
        for number, name in enumerate(NODES, 1)
    )
    views = tuple(
        NodeView(name, name not in lost, swarm=SwarmState.ACTIVE, node_id=f"id-{name}", plain=_boxes(name, boxes))
        for name in NODES
    )
    live = tuple(LiveService(f"sv-{one.key}", 1, one, VIPS[one.key]) for one in LAB.services)
    networks = tuple(LiveNetwork(IDS[network.name], network) for network in LAB.networks)
    swarm = SwarmView("n1", "cluster", {}, members, networks, (), live, tuple(tasks))
    view = ClusterView(views, swarm)
    seen = {one.container_id: Sandbox(one.container_id, f"/ns/{one.id}") for one in tasks if one.id not in unseen}
    return Topology(LAB, places(nodes, view), view, seen)


def _boxes(node, states):
    if node not in ("n1", "n2"):
        return ()
    number = int(node[1:])
    state = states[number - 1]
    sandbox = f"/ns/box{number}" if state == "running" else ""
    box = LiveContainer(
        f"c-box{number}", "lab_box", {}, LAB.containers[0], "sha256:x", state, networks={}, sandbox=sandbox
    )
    return (replace(box, networks={"lab_lan": f"172.30.{number}.2"} if state == "running" else {}),)


def check(kind, **keys):
    """A check as a lab file gives it; ``from_`` stands for ``from``, which is a word of Python's."""
    return KINDS[kind].model_validate({"kind": kind} | {key.rstrip("_"): value for key, value in keys.items()})


def judged(made, item, *replies):
    """The verdict on an item whose questions have these replies, in their order."""
    return verdict_of(made, item, dict(zip(item.questions, replies, strict=True)))
