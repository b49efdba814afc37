"""Short ways to say a plan, and a context whose waiting costs no time."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.model.inventory import Availability, Role, SwarmOptions
from orchestrator.model.lab import Attachment, ConfigMount, ConfigObject, Network, Port, Service
from orchestrator.model.labels import CLUSTER, ownership
from orchestrator.model.plan import InitSwarm, JoinSwarm, LeaveSwarm, UpdateNode
from orchestrator.runtime.context import Context

OURS = ownership("dev", "mesh")
NETWORK = Network(key="net", name="mesh_net", subnet="10.0.9.0/24", labels=OURS)
CONFIG = ConfigObject(key="conf", name="mesh_conf-1", data=b"server {}", template_driver="golang", labels=OURS)
SERVICE = Service(
    key="web",
    name="mesh_web",
    image="web:1",
    replicas=2,
    labels=OURS,
    ports=(Port(8080, 80),),
    networks=(Attachment("mesh_net"),),
    configs=(ConfigMount("mesh_conf-1", "/etc/nginx/conf.d/default.conf"),),
)


class InstantContext(Context):
    """Waiting takes no time: ``on_wait`` is called instead, with the number of the wait."""

    def __init__(self, events: list) -> None:
        super().__init__(events.append)
        self.waits = 0
        self.on_wait: Callable[[int], None] = lambda _: None

    def wait(self, seconds: float) -> None:
        self.waits += 1
        self.on_wait(self.waits)
        self.check()
        if self.waits > 5000:
            raise AssertionError("waits without end")


def init(labels=None) -> InitSwarm:
    return InitSwarm("n1", "192.168.90.11", "", SwarmOptions(), {CLUSTER: "dev"} if labels is None else labels)


def join(node: str, role: Role = Role.WORKER, via: str = "n1") -> JoinSwarm:
    return JoinSwarm(node, role, via, "192.168.90.11:2377", f"{node}-addr", "")


def update(node: str, role=Role.WORKER, availability=Availability.ACTIVE, labels=None, remove=()) -> UpdateNode:
    return UpdateNode(node, role, availability, labels or {}, tuple(remove))


def leave(node: str, *, force: bool = False, former: str = "") -> LeaveSwarm:
    return LeaveSwarm(node, force, "dev", former)
