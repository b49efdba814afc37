"""How a lab file names who asks and who is asked: ``node:1``, ``node:all``, ``service:web``, ``container:a1``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from orchestrator.checks.base import Item, Names
from orchestrator.checks.topology import Member, Topology
from orchestrator.config.fields import checked
from orchestrator.config.hints import did_you_mean, shown
from orchestrator.planning.cluster import Place

_FORM = re.compile(r"(?P<kind>node|service|container):(?P<name>[A-Za-z0-9_.-]+)")


@dataclass(frozen=True)
class Endpoints:
    """Who communicates: nodes (``name`` is a position from 1, or ``all``), running tasks, or plain containers."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def parse_endpoints(value: object) -> Endpoints:
    """A place as a lab file writes it. Raises ``ValueError``."""
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected node:N, node:all, service:KEY or container:KEY, got {shown(value)}")
    kind, name = match["kind"], match["name"]
    if kind == "node" and name != "all" and not re.fullmatch(r"[1-9][0-9]*", name):
        raise ValueError(f"expected node:all or the position of a node from 1, got {shown(value)}")
    return Endpoints(kind, name)


EndpointsField = Annotated[
    Endpoints,
    *checked(
        parse_endpoints,
        {
            "type": "string",
            "pattern": r"^(node|service|container):[A-Za-z0-9_.-]+$|\$",
            "examples": ["node:1", "node:all", "service:web", "container:a1"],
        },
    ),
]


def parse_nodes(value: object) -> Endpoints:
    """Nodes as a lab file writes them. Raises ``ValueError``."""
    place = parse_endpoints(value)
    if place.kind != "node":
        raise ValueError(f"expected node:N or node:all, got {shown(value)}")
    return place


NodesField = Annotated[
    Endpoints,
    *checked(
        parse_nodes,
        {"type": "string", "pattern": r"^node:(all|[1-9][0-9]*)$|\$", "examples": ["node:1", "node:all"]},
    ),
]


def nodes_of(topology: Topology, place: Endpoints) -> tuple[Place, ...]:
    """The nodes that a place means."""
    return topology.placed(() if place.name == "all" else (int(place.name),))


def members_of(topology: Topology, place: Endpoints) -> tuple[Member, ...]:
    """Everything that a place means, as it is now; nodes come with their own network as vantage."""
    if place.kind == "service":
        return topology.tasks(place.name)
    if place.kind == "container":
        return topology.containers(place.name)
    return tuple(
        Member(found.name, found.name, "", {"": found.address}, topology.vantage(found.name))
        for found in nodes_of(topology, place)
    )


def unknown_endpoints(place: Endpoints, names: Names) -> str:
    """Why a place does not fit the lab file, "" where it does."""
    known = {"service": names.services, "container": names.containers}.get(place.kind)
    if known is None or place.name in known:
        return ""
    guess = did_you_mean(place.name, known) or (f"; it has {', '.join(sorted(known))}" if known else "")
    return f"there is no {place.kind} {place.name!r} in this lab{guess}"


def absent(subject: str, place: Endpoints) -> Item:
    """The item of a place where nothing is that could be asked (from)."""
    what = {"service": "no task of it runs", "container": "it does not exist on any node"}.get(
        place.kind, "the inventory has no such node"
    )
    return Item(subject, problem=f"{place}: {what}")


def silent(subject: str, member: Member) -> Item:
    """The item of a container that has no network namespace to ask from: it does not run, or its node is lost."""
    why = f"{member.label} cannot be asked from: it does not run, or its node is lost"
    return Item(subject, unasked=why, nodes=(member.node,))
