"""Everybody who asks paired with everybody who is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.checks.base import Item, Names
from orchestrator.checks.endpoints import Endpoints, absent, members_of, silent, unknown_endpoints
from orchestrator.checks.topology import Member, Topology
from orchestrator.model.question import Question, Vantage


@dataclass(frozen=True)
class Way:
    """Who asks whom: from ``vantage``, at ``address``."""

    asker: Member
    target: Member
    vantage: Vantage
    address: str

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes at both ends, that of the target first."""
        return tuple(node for node in (self.target.node, self.asker.node) if node)


def paired(
    topology: Topology,
    seen_from: Endpoints,
    to: Endpoints,
    network: str | None,
    questions: Callable[[Way], tuple[Question, ...]],
    *,
    targets: Sequence[Member] | None = None,
) -> list[Item]:
    """One item for each pair, with what is asked on its way and the :class:`Way` to judge by; nobody asks himself.

    ``network`` is the key of the network on which the targets have their addresses; nodes have theirs on none.
    ``targets`` stand in for those that ``to`` means.
    """
    askers = members_of(topology, seen_from)
    found = members_of(topology, to) if targets is None else targets
    for place, members in ((seen_from, askers), (to, found)):
        if not members:
            return [absent(f"{seen_from} → {to}", place)]
    name = "" if to.kind == "node" else topology.network_name(network or "")
    pairs = [
        (one, other) for one in askers for other in found if (one.node, one.container) != (other.node, other.container)
    ]
    if not pairs:
        return [Item(f"{seen_from} → {to}", problem=f"{to}: there is nobody else to ask")]
    return [_item(asker, target, name, questions) for asker, target in pairs]


def _item(asker: Member, target: Member, network: str, questions: Callable[[Way], tuple[Question, ...]]) -> Item:
    subject = f"{asker.label} → {target.label}"
    address = target.addresses.get(network, "")
    if asker.vantage is None:
        return silent(subject, asker)
    if not address:
        return Item(subject, problem=f"{target.label} has no address on {network}", nodes=(target.node,))
    way = Way(asker, target, asker.vantage, address)
    return Item(subject, questions(way), way)


def way_problems(names: Names, seen_from: Endpoints, to: Endpoints, network: str | None) -> Iterator[str]:
    """What of two places does not fit the lab file: both must exist, and a network too, unless nodes are asked."""
    yield from filter(None, (unknown_endpoints(place, names) for place in (seen_from, to)))
    if to.kind != "node" and network is None:
        yield "network is missing: expected the key of the network whose addresses are asked"
    if network is not None and network not in names.any_network:
        yield f"there is no network {network!r} in this lab"
