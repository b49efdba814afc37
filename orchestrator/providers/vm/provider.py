"""The ``vm`` provider: every node of the inventory is a QEMU machine of this user, below one folder per cluster.

::

    STATE/vm/                    0700
    ├── login_key, known_hosts   how we log in to the nodes, and who they are
    ├── switch/                  sockets of the cluster LAN
    └── nodes/NAME/              QEMU's working directory: disk layer, QMP socket, console and log
        └── identity.json        written last: a node without it is made anew

What runs is found by looking at processes (see :mod:`.processes`), so no file can be wrong about it.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from orchestrator.errors import EnvironmentProblem, NodeError
from orchestrator.model.inventory import Inventory, NodeConfig, SshAddress, VmShape
from orchestrator.model.snapshot import SavedMachines, Surroundings
from orchestrator.providers.base import Machine, OperatorRoute
from orchestrator.providers.vm import processes, running
from orchestrator.providers.vm.foundation import adopt, foundation_files, prune
from orchestrator.providers.vm.freezing import Freezer
from orchestrator.providers.vm.golden import ensure_golden
from orchestrator.providers.vm.image import clean_leftovers
from orchestrator.providers.vm.keys import new_key_pair
from orchestrator.providers.vm.lan import Lan, lan_at
from orchestrator.providers.vm.machine import LAN_DEVICE, LOADING, UNPLUGGED
from orchestrator.providers.vm.making import CONNECT_SECONDS, Maker, alias_of
from orchestrator.providers.vm.record import is_recorded
from orchestrator.providers.vm.running import Running
from orchestrator.runtime import paths
from orchestrator.runtime.context import Context
from orchestrator.runtime.fanout import fan_out
from orchestrator.transport.base import Host
from orchestrator.transport.ssh import connect

_UNUSABLE = ",='\"\n"
_LONGEST = 85
"""Bytes of a path at which the switch can still put its sockets: 108 less what it and its clients append."""


class VmProvider:
    """Embedded nodes of one cluster; implements :class:`orchestrator.providers.base.Provider`."""

    def __init__(self, inventory: Inventory, state_dir: Path) -> None:
        self._inventory = inventory
        self._root = state_dir / "vm"
        self._hosts: dict[str, Host] = {}
        self._lock = threading.Lock()

    def ensure(self, context: Context) -> Sequence[str]:
        """Make every node run: resume new ones from a golden node, boot those that have stopped."""
        self._check_path()
        running_now = set(self._running_nodes())
        for name in running_now:
            if (self._folder(name) / UNPLUGGED).exists():
                self._link(name, up=True)
        missing = [node for node in self._inventory.nodes if node.name not in running_now]
        if not missing:
            return ()
        paths.private_dir(self._root / "nodes")
        self._ensure_login_key()
        goldens = {_shape(node): ensure_golden(context, _shape(node)) for node in missing}
        self._lan.ensure(context)
        maker = self._maker
        results = fan_out(missing, lambda node: maker.bring_up(context, node, goldens[_shape(node)]))
        for result in results:
            result.get()
        return [node.name for node in missing]

    def machines(self) -> Sequence[Machine]:
        """State of each node of the inventory, from the processes that run and the folders that exist."""
        pids = self._running_nodes()
        found = []
        for node in self._inventory.nodes:
            if node.name in pids:
                found.append(Machine(node.name, "running", f"pid {pids[node.name]}"))
            else:
                found.append(Machine(node.name, "stopped" if self._is_made(node.name) else "absent"))
        return found

    def address(self, node: NodeConfig) -> SshAddress:
        """How the node's sshd is reached through its forwarded port on loopback."""
        if node.name not in self._running_nodes():
            raise NodeError("the machine does not run", node=node.name, hint="start it with: lab up")
        port = self._machine(node.name).ssh_port()
        key, known_hosts = self._root / "login_key", self._root / "known_hosts"
        return SshAddress(
            "127.0.0.1", port, "root", key, known_hosts, host_key_alias=alias_of(node.name, self._inventory.name)
        )

    def connect(self, context: Context, node: NodeConfig) -> Host:
        """A connection that stands: the one over which the node got its identity, if it was made in this run."""
        with self._lock:
            host = self._hosts.get(node.name)
        if host is not None:
            if host.alive:
                return host
            host.close()
        context.check()
        host = connect(self.address(node), name=node.name, timeout=CONNECT_SECONDS)
        self._keep(node.name, host)
        return host

    def operator_route(self, node: NodeConfig, port: int) -> OperatorRoute:
        """A port on loopback that leads to the node's published port; QEMU forwards it from now on."""
        if node.name not in self._running_nodes():
            return OperatorRoute(absent="the machine does not run")
        return OperatorRoute("127.0.0.1", self._machine(node.name).forward(port))

    def cut_power(self, node: NodeConfig) -> None:
        """Kill the machine's QEMU. What the machine had not yet written to its disk is lost, as it would be."""
        processes.end(processes.find(running.label_of(self._folder(node.name))))

    def set_link(self, node: NodeConfig, *, up: bool) -> None:
        """Switch the link of the interface on the cluster LAN; the management interface keeps its own."""
        self._link(node.name, up=up)

    def freeze(self, context: Context, folder: Path) -> SavedMachines:
        """Save memory and disks of all machines; see :mod:`.freezing`."""
        return self._freezer.freeze(context, folder)

    def surroundings(self, context: Context, saved: SavedMachines) -> Surroundings:
        """This machine's QEMU, accelerator, hardware of nodes and golden nodes."""
        return self._freezer.surroundings(context, saved)

    def thaw(self, context: Context, folder: Path, saved: SavedMachines) -> None:
        """Replace the machines by saved ones; connections to the old ones are closed."""
        self._check_path()
        self._close_all()
        paths.private_dir(self._root)
        self._freezer.thaw(context, folder, saved)

    def foundation(self, saved: SavedMachines) -> Mapping[str, Path]:
        """Golden nodes and images below the saved disks; see :mod:`.foundation`."""
        return foundation_files(saved.nodes)

    def adopt(self, folder: Path, saved: SavedMachines) -> None:
        """Keep golden nodes and images that came with an import and are not in the cache."""
        adopt(folder, saved.nodes)

    def _link(self, name: str, *, up: bool) -> None:
        """A file remembers a cable that is out, so that :meth:`ensure` finds it after a crash."""
        note = self._folder(name) / UNPLUGGED
        if not up:
            note.touch(mode=0o600)
        self._machine(name).ask(("set_link", {"name": LAN_DEVICE, "up": up}))
        if up:
            note.unlink(missing_ok=True)

    def destroy(self, context: Context) -> Sequence[str]:
        """End every process of this cluster and delete its machines, whatever state they are in."""
        self._close_all()
        clean_leftovers()
        found = processes.find(f"{self._root}/")
        removed = sorted({Path(process.label).name for process in found} - {"switch"} | set(self._node_folders()))
        if found or self._root.exists():
            with context.step("machines rm", f"end and delete {', '.join(removed) or 'what was begun'}"):
                processes.end(found)
                self._remove_files()
        prune()
        return removed

    def _remove_files(self) -> None:
        if not self._root.exists():
            return
        try:
            shutil.rmtree(self._root)
        except OSError as error:
            raise EnvironmentProblem(
                f"cannot delete {error.filename}: {error.strerror}", hint="remove what is in the way; then: lab down"
            ) from error

    @cached_property
    def _lan(self) -> Lan:
        return lan_at(self._root / "switch")

    @property
    def _maker(self) -> Maker:
        return Maker(self._inventory, self._root, self._lan, self._keep)

    @property
    def _freezer(self) -> Freezer:
        return Freezer(self._inventory, self._root, self._lan)

    def _close_all(self) -> None:
        for host in self._hosts.values():
            host.close()
        self._hosts.clear()

    def _ensure_login_key(self) -> None:
        if not (self._root / "login_key.pub").exists():
            pair = new_key_pair()
            paths.write_atomic(self._root / "login_key", pair.private.encode())
            paths.write_atomic(self._root / "login_key.pub", pair.public.encode())

    def _check_path(self) -> None:
        bad = [letter for letter in _UNUSABLE if letter in str(self._root) or letter in str(paths.cache_root())]
        if bad:
            raise EnvironmentProblem(
                f"QEMU cannot work below a folder whose name contains {bad[0]!r}: {self._root}",
                hint=f"choose other folders with {paths.STATE_VARIABLE} and {paths.CACHE_VARIABLE}",
            )
        if len(os.fsencode(self._root / "switch")) > _LONGEST:
            raise EnvironmentProblem(
                f"the folder's name is too long for the sockets of the cluster LAN: {self._root}",
                hint=f"choose a shorter one with {paths.STATE_VARIABLE}",
            )

    def _keep(self, name: str, host: Host) -> None:
        with self._lock:
            self._hosts[name] = host

    def _machine(self, name: str) -> Running:
        return Running(name, self._folder(name))

    def _running_nodes(self) -> dict[str, int]:
        """Names of nodes that run and have an identity, with the pid of their QEMU.

        One into which an interrupted restore has not loaded its memory does not run: it is booted as if it had stopped.
        """
        folder = str(self._root / "nodes") + "/"
        found = {Path(process.label).name: process.pid for process in processes.find(folder)}
        loaded = {name for name in found if not (self._folder(name) / LOADING).exists()}
        return {name: pid for name, pid in found.items() if name in loaded and self._is_made(name)}

    def _node_folders(self) -> list[str]:
        nodes = self._root / "nodes"
        return [folder.name for folder in nodes.iterdir()] if nodes.is_dir() else []

    def _is_made(self, name: str) -> bool:
        return is_recorded(self._folder(name))

    def _folder(self, name: str) -> Path:
        return self._root / "nodes" / name


def _shape(node: NodeConfig) -> VmShape:
    return node.vm or VmShape()
