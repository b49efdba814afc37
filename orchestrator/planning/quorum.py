"""PURE: what may be taken from the managers of a swarm without losing their majority.

Managers decide by majority (Raft): of N managers more than N/2 must work together. Without it nothing in the swarm can
be changed any more, not even to mend it, so nothing we do may lead there, or make it worse.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.model.inventory import Role
from orchestrator.model.observed import SwarmNode, SwarmView

Managers = Mapping[str, bool]
"""Managers by id (or by name where they have none yet), each with whether it works with the others."""


def managers_of(swarm: SwarmView) -> dict[str, bool]:
    """The managers of a swarm as they see each other."""
    return {member.id: works(member) for member in swarm.nodes if member.role is Role.MANAGER}


def works(member: SwarmNode) -> bool:
    """Whether a manager takes part in decisions: it must be up, and reached by the others."""
    return member.state == "ready" and member.reachability in {"", "reachable"}


def holds(managers: Managers) -> bool:
    """Whether the managers have a majority that works."""
    return sum(managers.values()) * 2 > len(managers)


def without(managers: Managers, identity: str) -> dict[str, bool]:
    """The managers after one is demoted or removed for good: then it counts no more."""
    return {other: up for other, up in managers.items() if other != identity}


def silent(managers: Managers, identity: str) -> dict[str, bool]:
    """The managers while one does not answer (its engine restarts, its cable is out): it counts all the same."""
    return {other: up and other != identity for other, up in managers.items()}


def share(managers: Managers) -> str:
    """How many of the managers work, for a sentence."""
    return f"{sum(managers.values())} of {len(managers)} managers"
