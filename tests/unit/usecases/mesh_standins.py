"""A provider whose machines are engines in memory, with a routing mesh that answers as the lab's nginx does."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from names_standins import NameServer

from orchestrator.errors import NodeError
from orchestrator.model.inventory import Inventory, NodeConfig, ProviderKind, Role, SshAddress, VmShape
from orchestrator.model.lab import Attachment, Lab, Network, Port, Service
from orchestrator.providers.base import Machine, OperatorRoute
from orchestrator.runtime.context import Context
from orchestrator.transport.base import ChannelFailed
from orchestrator.transport.fakeswarm import FakeSwarm
from orchestrator.transport.scripted import ScriptedHost, ScriptedStream

IMAGE = "example/web:1"
"""An image of somebody else's that every engine has."""

NAMES = ("n1", "n2", "n3")


def inventory(kind: ProviderKind = ProviderKind.VM, names: Sequence[str] = NAMES, name: str = "test") -> Inventory:
    """One manager and workers, at the addresses that the engines in memory have."""
    nodes = tuple(
        NodeConfig(
            node,
            Role.MANAGER if node == "n1" else Role.WORKER,
            advertise_addr=f"192.168.90.{number}",
            data_path_addr=f"192.168.90.{number}",
            ssh=SshAddress(f"192.168.90.{number}") if kind is ProviderKind.SSH else None,
            vm=VmShape() if kind is ProviderKind.VM else None,
        )
        for number, node in enumerate(names, 11)
    )
    return Inventory(name, Path("/x/inventory.yaml"), kind, nodes)


def lab(name: str = "mesh", port: int = 8080, replicas: int = 2) -> Lab:
    """A network and a service with a published port; the image is not one of those that we make."""
    network = Network("net", f"{name}_net", subnet=f"10.0.{port % 200 + 9}.0/24")
    service = Service(
        "web",
        f"{name}_web",
        IMAGE,
        replicas=replicas,
        ports=(Port(port, 80),),
        networks=(Attachment(network.name, ("web",)),),
    )
    return Lab(name, Path(f"/x/labs/{name}"), services=(service,), networks=(network,))


class MeshHost(ScriptedHost):
    """A host whose TCP connections end at the routing mesh of the swarm in memory."""

    def __init__(self, name: str, swarm: FakeSwarm, provider: "MemoryProvider") -> None:
        super().__init__(name, swarm=swarm)
        self._fake = swarm
        self._turns = provider.turns
        self._cut = provider.cut
        self._forgotten = provider.forgotten
        self._unheard = provider.unheard

    def open_tcp(self, address: str, port: int, *, timeout: float) -> ScriptedStream:
        self.dialled.append((address, port))
        if self.closed:
            raise ChannelFailed("dead", "closed")
        entry = self.name if address == "127.0.0.1" else self._entry(address)
        if entry in self._cut and entry != self.name:
            raise ChannelFailed("timeout", "Connection timed out")
        return ScriptedStream(self._answer(entry, port))

    def enter(self, namespace: str, *, timeout: float = 20.0) -> NameServer:
        self.engine()  # which knows no namespace of a node that is lost
        return NameServer(self.name, self._fake, self._unheard)

    def _entry(self, address: str) -> str:
        return next(engine.name for engine in self._fake.engines.values() if engine.address == address)

    def _answer(self, entry: str, port: int) -> bytes:
        for service in self._fake.services.values():
            spec = service["Spec"]
            if port in {item.get("PublishedPort") for item in spec.get("EndpointSpec", {}).get("Ports", [])}:
                return self._response(entry, service)
        raise ChannelFailed("refused", "Connection refused")

    def _response(self, entry: str, service: dict) -> bytes:
        tasks = [
            task
            for task in self._fake.tasks.values()
            if task["ServiceID"] == service["ID"]
            and task["Status"]["State"] == "running"
            and self._fake.nodes[task["NodeID"]]["Status"]["State"] == "ready"
            and (entry, task["Slot"]) not in self._forgotten
        ]
        if not tasks:
            raise ChannelFailed("refused", "Connection refused")
        task = tasks[next(self._turns[entry]) % len(tasks)]
        client = "10.0.0." + self._fake.engines[entry].address.rsplit(".", 1)[1]
        body = {
            "node": self._fake.nodes[task["NodeID"]]["Description"]["Hostname"],
            "service": service["Spec"]["Name"],
            "task": task["ID"],
            "slot": str(task["Slot"]),
            "client": client,
        }
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + json.dumps(body).encode()


class MemoryProvider:
    """Machines that exist once they were asked for; ``down`` and ``cut`` break some of them.

    ``down`` refuse the connection, ``cut`` do not answer on the cluster's network, ``forgotten`` are pairs of a node
    and the slot of a task that its load balancer does not know, ``unheard`` pairs of a node and a name that its name
    server does not know.
    """

    def __init__(self, wanted: Inventory) -> None:
        self.inventory = wanted
        self.fake = FakeSwarm(*(node.name for node in wanted.nodes), images={IMAGE: "sha256:web"})
        state = "foreign" if wanted.provider is ProviderKind.SSH else "absent"
        self.states = {node.name: state for node in wanted.nodes}
        self.down: set[str] = set()
        self.cut: set[str] = set()
        self.forgotten: set[tuple[str, int]] = set()
        self.unheard: set[tuple[str, str]] = set()
        self.destroyed = 0
        self.hosts: list[MeshHost] = []
        self.turns = {node.name: itertools.count() for node in wanted.nodes}

    def ensure(self, context: Context) -> list[str]:
        started = [name for name, state in self.states.items() if state in ("absent", "stopped")]
        for name in started:
            with context.step(f"machine {name}", "start", node=name):
                self.states[name] = "running"
        return started

    def machines(self) -> list[Machine]:
        return [Machine(name, state) for name, state in self.states.items()]

    def address(self, node: NodeConfig) -> SshAddress:
        return node.ssh or SshAddress("127.0.0.1", 2200)

    def connect(self, context: Context, node: NodeConfig) -> MeshHost:
        if node.name in self.down:
            raise NodeError(f"{node.name}: connection refused", node=node.name, hint="start it", kind="refused")
        host = MeshHost(node.name, self.fake, self)
        self.hosts.append(host)
        return host

    def operator_route(self, node: NodeConfig, port: int) -> OperatorRoute:
        return OperatorRoute(absent="this is a test")

    def destroy(self, context: Context) -> list[str]:
        self.destroyed += 1
        made = [name for name, state in self.states.items() if state in ("running", "stopped")]
        for name in made:
            self.states[name] = "absent"
        return made


def changes(fake: FakeSwarm) -> list[str]:
    """The calls that changed anything but the lease; the labs of these tests have no configs."""
    return [call for call in fake.changes if "/configs/" not in call]


class Recorder:
    """A context's sink that keeps the events."""

    def __init__(self) -> None:
        self.events = []
        self.context = Context(self.events.append)

    def phases(self) -> list[str]:
        return [event.phase for event in self.events if type(event).__name__ == "PhaseStarted"]
