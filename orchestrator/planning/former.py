"""Nodes that are still in a swarm of ours that has ended without them.

A host that lost its power while `lab down` was at work comes back as a worker of managers that are gone. It will never
hear of them again, and Docker lets it join no other swarm before it has left that one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from orchestrator.model.inventory import Role
from orchestrator.model.observed import SwarmState, SwarmView
from orchestrator.planning.cluster import Place, belongs


@dataclass(frozen=True)
class Known:
    """What is remembered of a swarm that we made: its id, "" for none, and the ids of all that were its members."""

    swarm: str = ""
    members: tuple[str, ...] = ()


NOTHING = Known()


def former_members(found: Sequence[Place], swarm: SwarmView | None, members: Collection[str]) -> tuple[Place, ...]:
    """The workers of which it is certain that they can leave: ``swarm`` is the one that is there now, if any.

    Such a node has an id that was seen in a swarm of ours (``members``), so it answers and is in some swarm; and every
    manager that it knows is a node that answers and is not in its swarm any more. A manager may hold all that is left
    of a swarm: none is ever among them.
    """
    here = {member.id for member in swarm.nodes} if swarm else set()
    gone = {place.address for place in found if place.view.reachable and _elsewhere(place, swarm)}
    return tuple(
        place
        for place in found
        if place.config.role is Role.WORKER
        and not place.view.is_manager
        and place.view.node_id in members
        and place.view.node_id not in here
        and place.view.remote_managers
        and {address.rpartition(":")[0] for address in place.view.remote_managers} <= gone
    )


def _elsewhere(place: Place, swarm: SwarmView | None) -> bool:
    """Whether a node is in no swarm, or in the one that is there now."""
    return place.view.swarm is SwarmState.INACTIVE or (swarm is not None and belongs(place.view, swarm))
