"""What becomes of each node's plain containers and bridges: the decisions from which the steps follow.

Neither can be changed in Docker in the ways that matter here: what differs is removed and made anew, a bridge together
with the containers on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from orchestrator.model.lab import Bridge, Container
from orchestrator.model.observed import LiveBridge, LiveContainer
from orchestrator.planning.cluster import Place
from orchestrator.planning.compare import bridge_changes, container_changes
from orchestrator.planning.survey import Survey

GONE = "it is no longer in the lab file"
ELSEWHERE = "the lab file has it on other nodes"

_CANNOT_START = (
    "port is already allocated",  # the engine's own list of bound ports (libnetwork, portallocator)
    "address already in use",  # the kernel's, where the port belongs to something else
    "unable to start container process: exec:",  # runc: the command is no program of the image
)
"""Docker's words in ``State.Error`` where starting again would come to the same: what a lab may want to show."""

Thing = TypeVar("Thing", Bridge, Container)


@dataclass(frozen=True)
class NodeGoal:
    """The plain objects of one node that answers; all mappings go by name.

    ``live_…`` are ours and of a wanted lab. What is in ``leaving`` is removed, what is in ``coming`` is made (or, a
    container that runs and shall end, waited for), each for the reason given; what is made anew is in both.
    """

    place: Place
    bridges: Mapping[str, Bridge]
    containers: Mapping[str, Container]
    live_bridges: Mapping[str, LiveBridge]
    live_containers: Mapping[str, LiveContainer]
    leaving_bridges: Mapping[str, str]
    coming_bridges: Mapping[str, str]
    leaving: Mapping[str, str]
    coming: Mapping[str, str]

    @property
    def node(self) -> str:
        """The node's name."""
        return self.place.name


def node_goals(found: Survey, nodes: Sequence[Place]) -> tuple[NodeGoal, ...]:
    """The decisions for every node that answers; ``nodes`` are in the inventory's order."""
    return tuple(_goal(found, place, number) for number, place in enumerate(nodes, 1) if place.view.reachable)


def _goal(found: Survey, place: Place, position: int) -> NodeGoal:
    bridges = _on_node(found.wanted.bridges, position)
    containers = _on_node(found.wanted.containers, position)
    live_bridges = {live.spec.name: live for live in place.view.bridges if found.owned(live.spec.labels)}
    live = {one.name: one for one in place.view.plain if found.owned(one.labels)}
    leaving_bridges = dict(_leaving_bridges(found, bridges, live_bridges))
    leaving = dict(_leaving(found, containers, live, {**found.vacated, **leaving_bridges}))
    return NodeGoal(
        place=place,
        bridges=bridges,
        containers=containers,
        live_bridges=live_bridges,
        live_containers=live,
        leaving_bridges=leaving_bridges,
        coming_bridges=_coming(bridges, live_bridges, leaving_bridges),
        leaving=leaving,
        coming=_coming(containers, live, leaving) | dict(_unended(containers, live, leaving)),
    )


def _on_node(things: Sequence[Thing], position: int) -> dict[str, Thing]:
    return {thing.name: thing for thing in things if not thing.on or position in thing.on}


def _coming(wanted: Mapping[str, Thing], live: Mapping[str, object], leaving: Mapping[str, str]) -> dict[str, str]:
    return {name: leaving.get(name, "it does not exist") for name in wanted if name not in live or name in leaving}


def _unended(
    wanted: Mapping[str, Container], live: Mapping[str, LiveContainer], leaving: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for name, spec in wanted.items():
        if spec.ends and name in live and name not in leaving and not has_ended(live[name]):
            yield name, "it has not ended yet"


def _unwanted(name: str, everywhere: Sequence[Bridge | Container]) -> str:
    return ELSEWHERE if any(thing.name == name for thing in everywhere) else GONE


def _leaving_bridges(
    found: Survey, wanted: Mapping[str, Bridge], live: Mapping[str, LiveBridge]
) -> Iterator[tuple[str, str]]:
    for name, bridge in live.items():
        if name not in wanted:
            yield name, _unwanted(name, found.wanted.bridges)
        elif changes := bridge_changes(bridge.spec, wanted[name]):
            yield name, "; ".join(changes)


def _leaving(
    found: Survey, wanted: Mapping[str, Container], live: Mapping[str, LiveContainer], vacated: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """``vacated`` are the networks that go, with the reason: whatever is on them goes first."""
    names = {image.id: reference for reference, image in found.wanted.images.items()}
    for name, container in live.items():
        if name not in wanted:
            yield name, _unwanted(name, found.wanted.containers)
        elif reason := amiss(container, wanted[name], names):
            yield name, reason
        elif network := next((one for one in container.networks if one in vacated), ""):
            yield name, f"its network {network} has to be made anew ({vacated[network]})"


def amiss(live: LiveContainer, spec: Container, names: Mapping[str, str]) -> str:
    """Why a container has to be made anew; "" for one that is as wanted, or on its way there.

    ``names`` maps image ids to the references that people know.
    """
    if live.spec is None:
        return "its label does not say (any more) what it was made from"
    if changes := container_changes(live.spec, spec, names):
        return "; ".join(changes)
    if live.state != "running":
        return "" if spec.ends and has_ended(live) else state_text(live)
    return "" if spec.network in live.networks else f"it is not attached to its network {spec.network}"


def has_ended(live: LiveContainer) -> bool:
    """Whether a container that shall end has done so: it ran and exited, or it can never be started."""
    return live.state == "exited" or (live.state == "created" and cannot_start(live.error))


def cannot_start(error: str) -> bool:
    """Whether these words of the engine say that a published port is taken, or the command is no program."""
    return any(words in error for words in _CANNOT_START)


def state_text(live: LiveContainer) -> str:
    """What a container that does not run does instead, for a sentence."""
    said = f", {live.error}" if live.error else ""
    if live.state == "exited":
        return f"it has ended: exit code {live.exit_code}{said}"
    return f"it was never started{said}" if live.state == "created" else f"its state is {live.state}{said}"
