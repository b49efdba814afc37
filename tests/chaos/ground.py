"""Where the blows fall: machines that stand for somebody's hosts (provider ssh), or the provider's own machines."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.config.inventory import load_inventory
from orchestrator.model.inventory import NodeConfig
from orchestrator.providers.vm.provider import VmProvider
from orchestrator.runtime.context import Context
from orchestrator.transport.base import Host
from tests.chaos.points import BLOWS, COMMANDS, ONLY_MACHINES
from tests.chaos.relay import Relay
from tests.e2e.lab_command import REPOSITORY, Lab

NODES = ("c1", "c2")
WITHOUT_HOSTS = ("drop-ssh", "clock")
"""Blows that need the way to the hosts, or a root of our own there."""

LOOK = (
    "docker info --format '{{.Swarm.LocalNodeState}}'; echo ==; "
    "docker network ls -q --filter label=swarm-mesh-lab.cluster; "
    "docker ps -aq --filter label=swarm-mesh-lab.cluster; docker ps -aq --filter label=com.docker.swarm.service.id; "
    "pgrep -af '[d]ial-stdio' || true"
)
"""What a host shows of us: its swarm state, and then, line by line, whatever is left."""

SCRUB = (
    "docker swarm leave --force; "
    "docker ps -aq --filter label=swarm-mesh-lab.cluster | xargs -r docker rm -f; "
    "docker ps -aq --filter label=com.docker.swarm.service.id | xargs -r docker rm -f; "
    "docker network ls -q --filter label=swarm-mesh-lab.cluster | xargs -r docker network rm"
)
"""How a person would clean a host by hand."""


def file_inventory(home: Path, text: str) -> Lab:
    """A folder with the labs, an inventory and an empty state folder."""
    home.mkdir()
    shutil.copytree(REPOSITORY / "labs", home / "labs")
    (home / "inventory.yaml").write_text(text)
    (home / "state").mkdir()
    return Lab(home / "inventory.yaml", home / "state")


def vm_text(name: str, provider: str = "vm") -> str:
    nodes = "".join(f"  - {{name: {node}, role: {'manager' if node == NODES[0] else 'worker'}}}\n" for node in NODES)
    return f"name: {name}\nprovider: {provider}\nnodes:\n{nodes}labs: [labs/ingress-mesh]\n"


@dataclass
class VmGround:
    """The provider ``vm``: machines come and go with every ``up`` and ``down``."""

    lab: Lab
    blows: tuple[str, ...] = tuple(blow for blow in BLOWS if blow not in WITHOUT_HOSTS)
    commands: tuple[str, ...] = tuple(COMMANDS)

    def crash(self) -> None:
        """Kill the QEMU of a node, where there is one by now."""
        inventory = load_inventory(self.lab.inventory, {}).value
        VmProvider(inventory, self.lab.state / inventory.name).cut_power(inventory.nodes[1])

    def revive(self) -> None:
        """``lab up`` boots the machine itself."""

    def scrub(self) -> None:
        """Nothing: what is left of machines is looked for and told at every point."""

    def states(self) -> dict[str, str]:
        """What the nodes themselves say of their place in a swarm: nothing that is not seen through ``lab`` anyway."""
        return {}

    def left(self) -> list[str]:
        """What is left on the nodes: they are gone, or else they are processes, which are looked for anyway."""
        return []


@dataclass
class HostGround:
    """The provider ``ssh`` on machines that stay: hosts of somebody."""

    lab: Lab
    machines: VmProvider
    nodes: tuple[NodeConfig, ...]
    relays: list[Relay]
    blows: tuple[str, ...] = tuple(BLOWS)
    commands: tuple[str, ...] = tuple(command for command in COMMANDS if command not in ONLY_MACHINES)
    jumped: bool = False
    context: Context = field(default_factory=lambda: Context(lambda _event: None))

    def crash(self) -> None:
        """Pull the plug of the worker."""
        self.machines.cut_power(self.nodes[1])

    def drop(self) -> None:
        """Break every SSH connection."""
        for relay in self.relays:
            relay.break_all()

    def jump(self) -> None:
        """All clocks ten minutes ahead."""
        self.jumped = True
        for host in self._hosts():
            host.run(["date", "-s", "+10 minutes"])

    def revive(self) -> None:
        """Boot what has stopped, wait for its engine, and set the clocks right."""
        self.machines.ensure(self.context)
        for host in self._hosts():
            host.run(["systemctl", "start", "docker"], timeout=240.0)
            if self.jumped:
                host.run(["date", "-s", f"@{time.time():.3f}"])
        self.jumped = False

    def scrub(self) -> None:
        """Clean the hosts by hand, and forget the cluster."""
        for host in self._hosts():
            host.run(["sh", "-c", SCRUB], timeout=120.0)
        shutil.rmtree(self.lab.state / "chaos", ignore_errors=True)

    def states(self) -> dict[str, str]:
        """What each host's engine says of its place in a swarm."""
        return {name: lines[0] for name, lines in self._look().items()}

    def left(self) -> list[str]:
        """Whatever of ours a host still shows."""
        found = []
        for name, lines in self._look().items():
            found += [f"{name}: swarm {lines[0]}"] if lines[0] != "inactive" else []
            found += [f"{name}: {line}" for line in lines[2:]]
        return found

    def _look(self) -> dict[str, list[str]]:
        said = {host.name: host.run(["sh", "-c", LOOK], timeout=60.0) for host in self._hosts()}
        return {name: done.stdout.splitlines() or [done.stderr] for name, done in said.items()}

    def _hosts(self) -> list[Host]:
        return [self.machines.connect(self.context, node) for node in self.nodes]


@contextmanager
def vm_ground(folder: Path) -> Iterator[VmGround]:
    """The provider ``vm`` in a folder of its own."""
    ground = VmGround(file_inventory(folder / "v", vm_text("chaos")))
    try:
        yield ground
    finally:
        ground.lab.run("down", "--name", "chaos")


@contextmanager
def host_ground(folder: Path) -> Iterator[HostGround]:
    """Two machines made without ``lab up``, reached through relays, and an ssh inventory for them."""
    lab = file_inventory(folder / "h", vm_text("chaos"))
    inventory = load_inventory(lab.inventory, {}).value
    machines = VmProvider(replace(inventory, labs=()), folder / "m")
    context = Context(lambda _event: None)
    relays: list[Relay] = []
    try:
        machines.ensure(context)
        relays += [Relay(lambda node=node: machines.address(node).port) for node in inventory.nodes]
        lab.inventory.write_text(_ssh_text(machines, inventory.nodes, relays, folder / "known_hosts"))
        yield HostGround(lab, machines, inventory.nodes, relays)
    finally:
        for relay in relays:
            relay.close()
        machines.destroy(context)


def _ssh_text(machines: VmProvider, nodes: tuple[NodeConfig, ...], relays: list[Relay], known_hosts: Path) -> str:
    known, text = "", "name: chaos\nprovider: ssh\nnodes:\n"
    for node, relay in zip(nodes, relays, strict=True):
        address = machines.address(node)
        assert address.known_hosts is not None
        keys = dict(line.split(" ", 1) for line in address.known_hosts.read_text().splitlines())
        known += f"[127.0.0.1]:{relay.port} {keys[address.host_key_alias]}\n"
        text += (
            f"  - name: {node.name}\n    role: {node.role}\n    advertise_addr: {node.advertise_addr}\n"
            f"    ssh: {{host: 127.0.0.1, port: {relay.port}, user: root, key: {address.key}, "
            f"known_hosts: {known_hosts}}}\n"
        )
    known_hosts.write_text(known)
    return f"{text}labs: [labs/ingress-mesh]\n"
