"""What a snapshot of a cluster says about itself, before a byte of its memory is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class SavedNode:
    """One machine that was saved.

    ``machine`` is the fingerprint of its hardware: saved memory fits only a machine that has the same. ``golden`` is
    the id of the golden node on whose disk its own layer stands, ``base`` the folder where that was.
    ``unplugged`` says that its cable was out of the cluster's network.
    """

    name: str
    machine: str
    golden: str
    base: Path
    unplugged: bool = False


@dataclass(frozen=True)
class SavedMachines:
    """All machines of a snapshot, with the version of QEMU and the accelerator under which they ran."""

    qemu: str
    accel: str
    nodes: tuple[SavedNode, ...]


@dataclass(frozen=True)
class Surroundings:
    """What this machine has to offer to saved ones: its QEMU and accelerator, its machines, its golden nodes.

    ``machines`` maps names of saved nodes to the fingerprint that they would have here, ``bases`` ids of golden nodes
    to their folders.
    """

    qemu: str
    accel: str
    machines: dict[str, str] = field(default_factory=dict)
    bases: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class SavedFile:
    """A file of a snapshot: its path within it, its size in bytes and its XXH3 digest (128 bits, hexadecimal)."""

    path: str
    size: int
    digest: str


@dataclass(frozen=True)
class Health:
    """How well the cluster was when it was saved: a broken one is not expected to be whole when it comes back.

    ``ready`` are the host names of members that were ready. ``ways`` counts the ways to published ports that were
    asked, ``silent`` names those that did not answer. ``certificates_end`` is when the first swarm
    certificate of a node ends: from then on its nodes cannot be given the time of day.
    """

    ready: tuple[str, ...] = ()
    ways: int = 0
    silent: tuple[str, ...] = ()
    certificates_end: datetime | None = None


@dataclass(frozen=True)
class Export:
    """A snapshot that was written into a file: ``content`` bytes, compressed to ``size``."""

    name: str
    file: Path
    content: int
    size: int


@dataclass(frozen=True)
class SnapshotSummary:
    """A snapshot as people see it in a list. ``problem`` says why it cannot be read; then little else is known."""

    name: str
    cluster: str = ""
    created: datetime | None = None
    size: int = 0
    nodes: tuple[str, ...] = ()
    labs: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    qemu: str = ""
    accel: str = ""
    health: Health = Health()
    problem: str = ""
    misfits: tuple[str, ...] = ()
