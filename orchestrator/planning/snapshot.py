"""Decisions about snapshots: does one fit this machine, what time do its nodes get, where do its files lie. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.model.snapshot import SavedMachines, Surroundings

MARGIN = timedelta(hours=1)
"""How long certificates must still be valid for nodes to get today's time: they renew them within minutes."""


def misfits(saved: SavedMachines, here: Surroundings) -> list[str]:
    """Why saved machines cannot run here; empty where they can."""
    reasons = []
    if saved.qemu != here.qemu:
        reasons.append(f"it was saved by {saved.qemu}; here is {here.qemu}")
    if saved.accel != here.accel:
        reasons.append(f"its machines ran with the accelerator {saved.accel}; here they would with {here.accel}")
    if not reasons:
        strange = [node.name for node in saved.nodes if here.machines.get(node.name) != node.machine]
        if strange:
            reasons.append(f"{', '.join(strange)}: this version of lab makes machines with other hardware")
    orphans = [node.name for node in saved.nodes if node.golden not in here.bases]
    if orphans:
        reasons.append(f"{', '.join(orphans)}: the node image below the saved disk was removed or built anew")
    return reasons


def time_for_nodes(now: datetime, certificates_end: datetime | None) -> datetime | None:
    """The time that restored nodes get: ``now``, or ``None`` for the time at which they were saved.

    ``certificates_end`` is when the first swarm certificate of a node ends. With an expired certificate no node talks
    to another, and none can get a new one; so such a cluster goes on in the past.
    """
    return None if certificates_end is not None and certificates_end - MARGIN < now else now


def inventory_place(saved: Path, here: Path, exists: Callable[[Path], bool]) -> Path:
    """The inventory file by which a restored cluster is found: its own, or, on another machine, the one named here."""
    return saved if exists(saved) else here


def lab_places(saved: Mapping[str, Path], shelf: Path, exists: Callable[[Path], bool]) -> dict[str, Path]:
    """Where the files of restored labs are: where they were, or in ``labs/`` beside the inventory."""
    places = {}
    for name, path in saved.items():
        candidate = shelf / name
        places[name] = candidate if not exists(path) and exists(candidate) else path
    return places
