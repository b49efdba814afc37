"""Machines of one cluster are made to run: new ones resumed from a golden node, stopped ones booted."""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.errors import NodeError
from orchestrator.model.inventory import Inventory, NodeConfig
from orchestrator.providers.vm import processes, running
from orchestrator.providers.vm.files import READY
from orchestrator.providers.vm.golden import Golden, golden_id, make_layer
from orchestrator.providers.vm.identity import Identity, identity_script
from orchestrator.providers.vm.image import NodeImage
from orchestrator.providers.vm.keys import new_key_pair
from orchestrator.providers.vm.lan import Lan
from orchestrator.providers.vm.machine import CONSOLE, DISK, LOADING, UNPLUGGED, Boot, MachineSpec, Memory
from orchestrator.providers.vm.record import NodeRecord, is_recorded, read_record, write_record
from orchestrator.runtime import paths
from orchestrator.runtime.context import Context
from orchestrator.transport.base import Host
from orchestrator.transport.ssh import connect

_BOOT_SECONDS = 300.0

CONNECT_SECONDS = 20.0
"""How long a machine that runs may take to let us in."""


def alias_of(name: str, cluster: str) -> str:
    """The name of a node in the cluster's own known_hosts: its port on loopback is another one each time."""
    return f"{name}.{cluster}"


@dataclass(frozen=True)
class Maker:
    """Makes the machines of one cluster, which live below ``root``; their first connections go to ``keep``."""

    inventory: Inventory
    root: Path
    lan: Lan
    keep: Callable[[str, Host], None]
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def bring_up(self, context: Context, node: NodeConfig, golden: Golden) -> None:
        """Make a machine that does not run do so. Raises ``NodeError`` where it does not come up."""
        if is_recorded(self._folder(node.name)):
            with context.step(f"boot {node.name}", "boot the stopped machine", node=node.name):
                self._boot(context, node, golden)
        else:
            with context.step(f"resume {node.name}", "resume a new machine", node=node.name):
                self._resume(context, node, golden)

    def _boot(self, context: Context, node: NodeConfig, golden: Golden) -> None:
        processes.end(processes.find(running.label_of(self._folder(node.name))))  # its memory was never loaded
        for note in (UNPLUGGED, LOADING):
            (self._folder(node.name) / note).unlink(missing_ok=True)
        console = self._folder(node.name) / CONSOLE
        offset = console.stat().st_size if console.exists() else 0
        spec = replace(self._spec(node, golden), boot=self._boot_files(node.name, golden))
        machine = running.start(context, node.name, self._folder(node.name), spec)
        machine.await_console(context, READY, _BOOT_SECONDS, offset=offset)

    def _boot_files(self, name: str, golden: Golden) -> Boot:
        """Kernel and initramfs of the image on which the node's disk stands; it may not be today's image.

        Raises ``NodeError`` where that image is gone or was made anew: the disk is worth nothing without it.
        """
        made = read_record(self._folder(name))
        if golden_id(made.base) != made.golden:
            raise NodeError(
                "the machine's disk stands on a node image that has been removed or rebuilt since",
                node=name,
                hint="make the machines anew: lab down, then lab up",
            )
        return replace(golden, image=NodeImage(golden.image.suite, made.base.parent)).boot

    def _resume(self, context: Context, node: NodeConfig, golden: Golden) -> None:
        folder = self._folder(node.name)
        processes.end(processes.find(running.label_of(folder)))
        shutil.rmtree(folder, ignore_errors=True)
        paths.private_dir(folder)
        make_layer(golden.disk, "qcow2", folder / DISK)
        machine = running.start(context, node.name, folder, self._spec(node, golden, resume=True))
        machine.resume(context, golden.state)
        host = connect(golden.login(machine.ssh_port()), name=node.name, timeout=CONNECT_SECONDS)
        self.keep(node.name, host)
        with context.closing(host.close), context.step(f"identity {node.name}", "take its identity", node=node.name):
            identity = self._give_identity(host, node)
        self._record(node.name, identity, golden)

    def _give_identity(self, host: Host, node: NodeConfig) -> Identity:
        host_key = new_key_pair()
        identity = Identity(
            hostname=node.name,
            address=f"{node.advertise_addr}/{self.inventory.vm.lan.partition('/')[2]}",
            machine_id=uuid.uuid4().hex,
            engine_id=str(uuid.uuid4()),
            host_key=host_key,
            authorized_key=(self.root / "login_key.pub").read_text().strip(),
            hosts={other.name: other.advertise_addr or "" for other in self.inventory.nodes},
            internet=self.inventory.vm.internet,
        )
        result = host.run(["sh", "-s"], stdin=identity_script(identity, time.time()).encode(), timeout=60.0)
        if result.exit_code:
            raise NodeError(
                "the new machine does not take its identity",
                node=node.name,
                details=(result.stdout + result.stderr).splitlines()[-6:],
                hint="run `lab up` again; it makes the machine anew",
            )
        return identity

    def _record(self, name: str, identity: Identity, golden: Golden) -> None:
        with self._lock:
            known_hosts = self.root / "known_hosts"
            lines = known_hosts.read_text().splitlines() if known_hosts.exists() else []
            kept = [line for line in lines if line.split()[0] != alias_of(name, self.inventory.name)]
            text = "\n".join([*kept, f"{alias_of(name, self.inventory.name)} {identity.host_key.public}", ""])
            paths.write_atomic(known_hosts, text.encode())
        made = NodeRecord(identity.machine_id, identity.address, identity.mac, golden.folder, golden.id)
        write_record(self._folder(name), made)

    def _spec(self, node: NodeConfig, golden: Golden, *, resume: bool = False) -> MachineSpec:
        return MachineSpec(
            label=running.label_of(self._folder(node.name)),
            shape=golden.shape,
            accel=golden.accel.name,
            boot=golden.boot,
            lan=self.lan.netdev,
            internet=self.inventory.vm.internet,
            memory=Memory(golden.memory, shared=False) if resume else None,
            incoming=resume,
        )

    def _folder(self, name: str) -> Path:
        return self.root / "nodes" / name
