"""Machines as files: memory, devices and disk layer of all nodes at one moment, and back.

::

    FOLDER/
    ├── login_key, login_key.pub, known_hosts
    └── nodes/NAME/
        ├── memory           QEMU's migration stream: memory without empty pages, processors, devices
        ├── disk.qcow2       the node's own layer; the golden disk below it is not copied
        └── identity.json

Each saved layer stands on the golden disk alone, and a restored node gets a copy of it. So no snapshot depends on
another, none on a running machine, and deleting one harms nobody. The layers are small: it is memory that takes time.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from orchestrator.errors import NodeError
from orchestrator.model.inventory import Inventory, NodeConfig, VmShape
from orchestrator.model.snapshot import SavedMachines, SavedNode, Surroundings
from orchestrator.providers.vm import processes, running
from orchestrator.providers.vm.accel import Accel, probe, qemu_version
from orchestrator.providers.vm.foundation import copy_file, find_base, rebase, require_base
from orchestrator.providers.vm.golden import Golden
from orchestrator.providers.vm.image import NodeImage
from orchestrator.providers.vm.lan import Lan
from orchestrator.providers.vm.machine import DISK, LAN_DEVICE, LOADING, UNPLUGGED, Boot, MachineSpec, command_line
from orchestrator.providers.vm.rescue import rescued
from orchestrator.providers.vm.running import Running
from orchestrator.runtime import paths
from orchestrator.runtime.context import Context
from orchestrator.runtime.fanout import fan_out

MEMORY, IDENTITY, NODES = "memory", "identity.json", "nodes"
KEYS = ("login_key", "login_key.pub", "known_hosts")

Item = TypeVar("Item")


@dataclass(frozen=True)
class Freezer:
    """Saves and brings back the machines of one cluster, which live below ``root``."""

    inventory: Inventory
    root: Path
    lan: Lan

    def freeze(self, context: Context, folder: Path) -> SavedMachines:
        """Save all machines into ``folder``. Raises ``NodeError`` where one does not run."""
        machines = [self._machine(node.name) for node in self.inventory.nodes]
        self._require_running(machines)
        accel = probe(context).name
        nodes = tuple(self._describe(node, accel) for node in self.inventory.nodes)
        for machine in machines:
            target = paths.private_dir(folder / NODES / machine.name)
            (target / MEMORY).touch(mode=0o600)
            shutil.copy(machine.folder / IDENTITY, target)
        for key in KEYS:
            shutil.copy(self.root / key, folder)
        _save_all(context, machines, folder)
        return SavedMachines(qemu_version(), accel, nodes)

    def surroundings(self, context: Context, saved: SavedMachines) -> Surroundings:
        """What this machine offers to the saved ones."""
        accel = probe(context).name
        shapes = {node.name: _shape(node) for node in self.inventory.nodes}
        found = {node.golden: base for node in saved.nodes if (base := find_base(node))}
        return Surroundings(
            qemu=qemu_version(),
            accel=accel,
            machines={name: fingerprint(shape, accel) for name, shape in shapes.items()},
            bases=found,
        )

    def thaw(self, context: Context, folder: Path, saved: SavedMachines) -> None:
        """Replace what is there by the machines in ``folder``; what can fail for want of space is done first."""
        stage = self.root / "thawing"
        shutil.rmtree(stage, ignore_errors=True)
        with context.step("restore disks", "copy the saved disks"):
            _everywhere(saved.nodes, lambda node: self._stage(folder / NODES / node.name, node, stage / node.name))
        with context.step("restore end", "end the machines that run"):
            processes.end(processes.find(f"{self.root / NODES}/"))
            shutil.rmtree(self.root / NODES, ignore_errors=True)
            stage.rename(self.root / NODES)
            for key in KEYS:
                shutil.copy(folder / key, self.root)
        self.lan.ensure(context)
        with context.step("restore load", "load the saved memory"):
            _everywhere(saved.nodes, lambda node: self._load(context, node, saved.accel, folder / NODES / node.name))
        # All at once: a node that wakes up long before the others takes them for lost.
        _everywhere(saved.nodes, lambda node: self._machine(node.name).run_on())
        for node in saved.nodes:
            (self.root / NODES / node.name / LOADING).unlink()

    def _stage(self, source: Path, node: SavedNode, target: Path) -> None:
        base = require_base(node)
        paths.private_dir(target)
        copy_file(source / DISK, target / DISK)
        rebase(target / DISK, base / DISK, "qcow2")
        made = json.loads((source / IDENTITY).read_text()) | {"base": str(base)}
        paths.write_atomic(target / IDENTITY, json.dumps(made).encode())
        (target / LOADING).touch()
        if node.unplugged:
            (target / UNPLUGGED).touch()

    def _load(self, context: Context, node: SavedNode, accel: str, source: Path) -> None:
        made = json.loads((self.root / NODES / node.name / IDENTITY).read_text())
        shape = _shape(self.inventory.node(node.name))
        base = Path(made["base"])
        golden = Golden(NodeImage(shape.suite, base.parent), shape, Accel(accel, "saved"), base)
        folder = self.root / NODES / node.name
        spec = MachineSpec(
            label=running.label_of(folder),
            shape=shape,
            accel=accel,
            boot=golden.boot,
            lan=self.lan.netdev,
            internet=self.inventory.vm.internet,
            incoming=True,
        )
        machine = running.start(context, node.name, folder, spec)
        machine.load(context, source / MEMORY)
        if node.unplugged:
            machine.ask(("set_link", {"name": LAN_DEVICE, "up": False}))

    def _describe(self, node: NodeConfig, accel: str) -> SavedNode:
        folder = self.root / NODES / node.name
        made = json.loads((folder / IDENTITY).read_text())
        return SavedNode(
            node.name,
            machine=fingerprint(_shape(node), accel),
            golden=made["golden"],
            base=Path(made["base"]),
            unplugged=(folder / UNPLUGGED).exists(),
        )

    def _require_running(self, machines: Sequence[Running]) -> None:
        for machine in machines:
            made = (machine.folder / IDENTITY).exists() and not (machine.folder / LOADING).exists()
            if not made or not processes.find(running.label_of(machine.folder)):
                raise NodeError(
                    "the machine does not run, so its memory cannot be saved",
                    node=machine.name,
                    hint="start it with: lab up",
                )

    def _machine(self, name: str) -> Running:
        return Running(name, self.root / NODES / name)


def fingerprint(shape: VmShape, accel: str) -> str:
    """What a machine's saved memory depends on: all of QEMU's arguments but for names of files and networks.

    With KVM the guest sees the host's processor, so that counts too.
    """
    here = Path("/")
    arguments = command_line(MachineSpec("", shape, accel, Boot(here, here)))
    made_of = [*arguments, _processor() if accel == "kvm" else ""]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]


def _save_all(context: Context, machines: Sequence[Running], folder: Path) -> None:
    """Stop all, save all, and let all run again, whatever happens to one of them, or to us."""
    with rescued([machine.folder for machine in machines], folder):
        try:
            with context.step("freeze", "stop all machines"):
                _everywhere(machines, lambda machine: machine.ask(("stop", {})))
            with context.step("save", "save memory and disks"):
                _everywhere(machines, lambda machine: _save(context, machine, folder / NODES / machine.name))
        finally:
            _everywhere(machines, lambda machine: machine.run_on())


def _save(context: Context, machine: Running, target: Path) -> None:
    """The disk comes last: by then QEMU has written everything to it and let go of it."""
    machine.save_memory(context, target / MEMORY)
    copy_file(machine.folder / DISK, target / DISK)


def _everywhere(items: Sequence[Item], work: Callable[[Item], object]) -> None:
    """Do it for all, even if it fails for one; then raise the first failure."""
    for result in fan_out(items, work):
        result.get()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    wanted = ("model name", "stepping", "flags")
    return "\n".join(dict.fromkeys(line for line in lines if line.startswith(wanted)))


def _shape(node: NodeConfig) -> VmShape:
    return node.vm or VmShape()
