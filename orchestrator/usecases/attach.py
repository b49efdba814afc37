"""A swarm that somebody else made: looked at, never taken over. Nothing is remembered of it, and no lock is taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.config.inventory import load_inventory
from orchestrator.errors import RefusedError
from orchestrator.model.inventory import Inventory
from orchestrator.model.observed import ClusterView, SwarmState
from orchestrator.planning.attach import as_labs, strays
from orchestrator.providers.readonly import require_hosts


def attached_inventory(file: Path, env: Mapping[str, str]) -> Inventory:
    """The hosts to attach to: as the file names them, whatever may be remembered of a cluster of that name.

    Raises :class:`ConfigError`, and :class:`UsageError` for machines of our own.
    """
    inventory = load_inventory(file, env).value
    require_hosts(inventory)
    return inventory


def attach(view: ClusterView, cluster: str) -> ClusterView:
    """What was seen of somebody's swarm, as the rest of this package takes what is ours.

    Raises :class:`RefusedError` where the hosts are not all in one swarm.
    """
    found = strays(view)
    if not found:
        return as_labs(view, cluster)
    if any(seen.reachable and seen.swarm is not SwarmState.INACTIVE for seen in view.nodes):
        what = "the hosts of the inventory are not all in one swarm that a manager among them can tell"
        hint = "name hosts of one swarm, with one of its managers among them"
    else:
        what = "no host of the inventory is in a swarm, so there is nothing to attach to"
        hint = "`lab up` makes a swarm of these hosts"
    raise RefusedError(what, details=found, hint=hint)
