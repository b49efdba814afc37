"""Inventories, labs and views for the tests of planning."""

from dataclasses import replace
from pathlib import Path

from orchestrator.model.image import LabImage
from orchestrator.model.inventory import Availability, Inventory, NodeConfig, ProviderKind, Role
from orchestrator.model.lab import (
    Attachment,
    Bridge,
    ConfigMount,
    ConfigObject,
    Container,
    Lab,
    Network,
    Port,
    PublishMode,
    Service,
)
from orchestrator.model.labels import CLUSTER, LAB
from orchestrator.model.observed import (
    ClusterView,
    LiveBridge,
    LiveConfig,
    LiveContainer,
    LiveNetwork,
    LiveService,
    NodeView,
    Problem,
    SwarmNode,
    SwarmState,
    SwarmView,
)
from orchestrator.planning.resolve import wanted

NGINX = LabImage("swarm-mesh-lab/nginx:1", "sha256:" + "ab" * 32, Path("/nowhere/nginx.tar"), "sha256:" + "cd" * 32)
IMAGES = {NGINX.reference: NGINX}
SILENT = Problem("timeout", "no answer within 10 s", "is it switched on?")


def inventory(managers=1, workers=2, name="demo", **changes):
    nodes = tuple(
        NodeConfig(
            f"n{number}",
            Role.MANAGER if number <= managers else Role.WORKER,
            advertise_addr=f"192.168.90.{10 + number}",
        )
        for number in range(1, managers + workers + 1)
    )
    return replace(Inventory(name, Path("/nowhere/inventory.yaml"), ProviderKind.VM, nodes), **changes)


def with_node(inventory, name, **changes):
    """The inventory with one node changed."""
    nodes = tuple(replace(node, **changes) if node.name == name else node for node in inventory.nodes)
    return replace(inventory, nodes=nodes)


def mesh_lab(name="ingress-mesh", published=8080, replicas=2, subnet="10.0.9.0/24", content=b"one", **changes):
    """The lab of the routing mesh; keyword arguments change its service."""
    network = Network("mesh", f"{name}_mesh", subnet=subnet)
    config = ConfigObject("conf", f"{name}_conf-{content.hex()}", content, template_driver="golang")
    service = Service(
        key="web",
        name=f"{name}_web",
        image=NGINX.reference,
        replicas=replicas,
        ports=(Port(published, 80),),
        networks=(Attachment(network.name),),
        configs=(ConfigMount(config.name, "/etc/nginx/nginx.conf"),),
    )
    return Lab(
        name,
        Path(f"/nowhere/{name}"),
        services=(replace(service, **changes),),
        networks=(network,),
        configs=(config,),
    )


def host_port(published, target=80):
    return Port(published, target, mode=PublishMode.HOST)


BLUE = Bridge("blue", "plain_blue", (), "172.28.1.0/24")


def plain_lab(name="plain", *containers, bridges=(BLUE,), networks=()):
    """A lab of a bridge on every node and of containers on single nodes; without any given, some of each kind."""
    over = Network("over", f"{name}_over", subnet="10.0.40.0/24", attachable=True)
    some = (
        Container("a1", f"{name}_a1", NGINX.reference, (1,), "plain_blue", ("a1",), (host_port(8081),)),
        Container("late", f"{name}_late", NGINX.reference, (1,), ports=(host_port(8081),), ends=True),
        Container("h1", f"{name}_h1", NGINX.reference, (), "host", environment={"LAB_PORT": "8088"}),
        Container("o1", f"{name}_o1", NGINX.reference, (2,), over.name, ("o1",)),
    )
    return Lab(
        name,
        Path(f"/nowhere/{name}"),
        networks=networks or (over,),
        bridges=bridges,
        containers=containers or some,
    )


def with_container(view, node, name, **changes):
    """The view with one plain container of a node changed."""
    plain = tuple(replace(c, **changes) if c.name == name else c for c in view.node(node).plain)
    return with_view(view, node, plain=plain)


def goal(inventory, *labs):
    return wanted(inventory, labs, IMAGES)


def fresh(inventory, images=True):
    """Machines with an engine and no swarm."""
    have = {NGINX.reference: NGINX.id} if images else {}
    return ClusterView(tuple(NodeView(node.name, reachable=True, images=dict(have)) for node in inventory.nodes))


def with_view(view, name, **changes):
    """The view with one node's own view changed."""
    return replace(view, nodes=tuple(replace(n, **changes) if n.name == name else n for n in view.nodes))


def lost(view, name):
    """The view with one node out of reach; the managers have not noticed."""
    nodes = tuple(NodeView(name, reachable=False, problem=SILENT) if n.name == name else n for n in view.nodes)
    return replace(view, nodes=nodes)


def with_swarm(view, **changes):
    """The view with parts of the swarm changed."""
    return replace(view, swarm=replace(view.swarm, **changes))


def with_member(view, name, **changes):
    """The view with one member changed, as the managers see it."""
    members = tuple(replace(m, **changes) if m.hostname == name else m for m in view.swarm.nodes)
    return with_swarm(view, nodes=members)


def with_service(view, name, **changes):
    """The view with one live service changed."""
    services = tuple(replace(s, **changes) if s.spec.name == name else s for s in view.swarm.services)
    return with_swarm(view, services=services)


FOREIGN_SERVICE = LiveService("sv-foreign", 7, Service("shop", "shop", "shop:3", ports=(Port(9000, 9000),)))
FOREIGN_NETWORK = LiveNetwork("nw-foreign", Network("shopnet", "shopnet", subnet="10.77.0.0/24"))
FOREIGN_CONFIG = LiveConfig("cf-foreign", ConfigObject("shopconf", "shopconf", b"theirs"))
OTHERS_LABEL = {CLUSTER: "another", LAB: "ingress-mesh"}
FOREIGN_MARKED = LiveService("sv-another", 3, Service("w", "another_web", "nginx:1", labels=OTHERS_LABEL))


FOREIGN_CONTAINER = LiveContainer("ct-another", "another_c", OTHERS_LABEL, None, "sha256:00", "running")
FOREIGN_BRIDGE = LiveBridge("br-another", Bridge("b", "another_b", (), "172.29.1.0/24", labels=OTHERS_LABEL))


def with_foreign(view):
    """The view with objects of somebody else in the swarm and on nodes, some made by this tool for another cluster."""
    swarm = view.swarm
    for node in view.nodes:
        if node.reachable:
            view = with_view(
                view,
                node.name,
                plain=(*node.plain, FOREIGN_CONTAINER),
                bridges=(*node.bridges, FOREIGN_BRIDGE),
                other_containers=("shop",),
                other_networks={"shopnet": "172.29.2.0/24"},
            )
    return with_swarm(
        view,
        services=(*swarm.services, FOREIGN_SERVICE, FOREIGN_MARKED),
        networks=(*swarm.networks, FOREIGN_NETWORK),
        configs=(*swarm.configs, FOREIGN_CONFIG),
    )


def foreign_swarm(inventory, *members):
    """A swarm that somebody else made of these nodes; the first one manages it."""
    nodes, listed = [], []
    for number, node in enumerate(inventory.nodes):
        if node.name not in members:
            nodes.append(NodeView(node.name, reachable=True, images={NGINX.reference: NGINX.id}))
            continue
        first = node.name == members[0]
        address = f"172.20.0.{number + 1}"
        view = NodeView(
            node.name,
            reachable=True,
            swarm=SwarmState.ACTIVE,
            node_id=f"foreign-{node.name}",
            node_addr=address,
            is_manager=first,
            cluster_id="theirs" if first else "",
            remote_managers=("172.20.0.1:2377",),
            images={NGINX.reference: NGINX.id},
        )
        nodes.append(view)
        role = Role.MANAGER if first else Role.WORKER
        listed.append(SwarmNode(view.node_id, node.name, role, Availability.ACTIVE, "ready", address, leader=first))
    swarm = SwarmView(members[0], "theirs", {"owner": "somebody"}, tuple(listed))
    return with_foreign(ClusterView(tuple(nodes), swarm))
