"""What saved disks stand on: the disk of a golden node, that of its image, kernel and initramfs.

A snapshot does not hold them: they are in the cache already. They travel along when one is exported, and live from
then on below ``.bases/ID``, in the same order as in the cache::

    ID/                 disk.raw, vmlinuz, initrd.img
    └── golden/         disk.qcow2, golden.json
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from orchestrator.errors import EnvironmentProblem, NodeError
from orchestrator.model.snapshot import SavedNode
from orchestrator.providers.vm.golden import golden_id
from orchestrator.providers.vm.machine import DISK
from orchestrator.runtime.paths import private_dir, state_root
from orchestrator.runtime.snapshots import bases_root, list_snapshots

GOLDEN = "golden"
_IMAGE = ("disk.raw", "vmlinuz", "initrd.img")
_NODE = (DISK, "golden.json")


def find_base(node: SavedNode) -> Path | None:
    """The folder of the golden node below a saved disk: where it was, or where an import put it."""
    for folder in (node.base, bases_root() / node.golden / GOLDEN):
        if node.golden and golden_id(folder) == node.golden:
            return folder
    return None


def require_base(node: SavedNode) -> Path:
    """As :func:`find_base`; raises ``NodeError`` where it is gone."""
    base = find_base(node)
    if base is None:
        raise NodeError(
            "the node image below the saved disk was removed or built anew",
            node=node.name,
            hint="nothing was touched; this snapshot cannot be used here any more",
        )
    return base


def foundation_files(nodes: Iterable[SavedNode]) -> dict[str, Path]:
    """Every file below the disks of these nodes, by its name in an export. Raises ``NodeError``."""
    files: dict[str, Path] = {}
    for node in nodes:
        base = require_base(node)
        files |= {f"{node.golden}/{GOLDEN}/{name}": base / name for name in _NODE}
        files |= {f"{node.golden}/{name}": base.parent / name for name in _IMAGE}
    return files


def adopt(folder: Path, nodes: Iterable[SavedNode]) -> None:
    """Take what came with an import from ``folder``, where these nodes have nothing to stand on yet."""
    for node in nodes:
        source, target = folder / node.golden, bases_root() / node.golden
        if find_base(node) is None and source.is_dir() and not target.exists():
            rebase(source / GOLDEN / DISK, target / "disk.raw", "raw")
            private_dir(target.parent)
            source.rename(target)


def prune() -> None:
    """Delete imported foundations on which neither a snapshot nor a machine stands; in doubt they stay."""
    needed = {node.golden for entry in list_snapshots() if entry.snapshot for node in entry.snapshot.machines.nodes}
    try:
        for identity in state_root().glob("*/vm/nodes/*/identity.json"):
            needed.add(json.loads(identity.read_text()).get("golden", ""))
    except (OSError, ValueError):
        return
    for base in bases_root().glob("*"):
        if base.name not in needed:
            shutil.rmtree(base, ignore_errors=True)


def rebase(layer: Path, backing: Path, backing_format: str) -> None:
    """Tell a layer where the very same disk below it lies on this machine."""
    run_quietly("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", backing_format, "-b", str(backing), str(layer))


def copy_file(source: Path, target: Path) -> None:
    """Copy a disk; on file systems that can do it (btrfs, XFS) the copy shares the blocks of the original."""
    run_quietly("cp", "--reflink=auto", "--sparse=auto", str(source), str(target))


def run_quietly(*command: str) -> None:
    """Run a program to its end. Raises ``EnvironmentProblem`` with what it said where it fails."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise EnvironmentProblem(f"`{' '.join(command[:2])}` failed: {result.stderr.strip()}", hint="is the disk full?")
