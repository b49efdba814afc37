"""What stands in the way of plain containers and bridges on single nodes, and is not ours to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.model.labels import LAB, owned_by
from orchestrator.model.plan import Refusal
from orchestrator.planning.containers import NodeGoal
from orchestrator.planning.survey import Survey, overlap


def container_refusals(found: Survey, goals: Sequence[NodeGoal]) -> Iterator[Refusal]:
    """Names and subnets that somebody else has on a node."""
    for goal in goals:
        view = goal.place.view
        labels = {live.name: live.labels for live in view.plain}
        yield from _names(found, goal, "container", labels | {name: {} for name in view.other_containers})
        labels = {live.spec.name: live.spec.labels for live in view.bridges}
        yield from _names(found, goal, "bridge", labels | {name: {} for name in view.other_networks})
        yield from _subnets(goal)


def _names(found: Survey, goal: NodeGoal, kind: str, there: Mapping[str, dict[str, str]]) -> Iterator[Refusal]:
    """``there`` has the labels of everything of that kind on the node, by name."""
    wanted = goal.containers if kind == "container" else goal.bridges
    for name, thing in wanted.items():
        labels = there.get(name)
        if labels is None or (found.owned(labels) and labels[LAB] == thing.labels[LAB]):
            continue
        ours = owned_by(labels, found.cluster)
        owner = f"the lab {labels.get(LAB, '(without a name)')}" if ours else "somebody else"
        noun = "container" if kind == "container" else "network"
        yield Refusal(
            f"{kind} {name} on {goal.node}",
            f"a {noun} of this name exists there and belongs to {owner}",
            f"choose another key in the lab {thing.labels[LAB]}, or remove the other {noun} first",
        )


def _subnets(goal: NodeGoal) -> Iterator[Refusal]:
    """A new bridge may not overlap a network of its node that stays (Docker refuses it)."""
    view = goal.place.view
    bridges = {live.spec.name: live.spec.subnet for live in view.bridges}
    staying = {name: net for name, net in bridges.items() if name not in goal.leaving_bridges} | view.other_networks
    for name in goal.coming_bridges:
        spec = goal.bridges[name]
        for other, subnet in staying.items():
            if other != name and overlap(spec.subnet, subnet):
                yield Refusal(
                    f"bridge {name} on {goal.node}",
                    f"its subnet {spec.subnet} overlaps {subnet} of the network {other} there",
                    f"choose another subnet in the lab {spec.labels[LAB]}, or remove {other} first",
                )
