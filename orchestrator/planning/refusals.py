"""What stands in the way of a plan and is not ours to change. All of it is told at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from orchestrator.model.inventory import Inventory, Role
from orchestrator.model.lab import PREDEFINED_NETWORKS
from orchestrator.model.labels import LAB, owned_by
from orchestrator.model.observed import ClusterView, SwarmState, SwarmView
from orchestrator.model.plan import Refusal
from orchestrator.planning.cluster import (
    Place,
    active,
    advertised,
    belongs,
    places,
    why_unreachable,
)
from orchestrator.planning.container_refusals import container_refusals
from orchestrator.planning.containers import node_goals
from orchestrator.planning.foreign import another_swarm, foreign_swarm
from orchestrator.planning.former import NOTHING, Known, former_members
from orchestrator.planning.images import stores_differ
from orchestrator.planning.members import joining
from orchestrator.planning.survey import Survey, blocked_ports, overlap


def refusals(inventory: Inventory, found: Survey, view: ClusterView, known: Known = NOTHING) -> tuple[Refusal, ...]:
    """Every reason not to carry out a plan; ``known`` is what we remember of the swarm that we made."""
    nodes = places(inventory.nodes, view)
    former = former_members(nodes, view.swarm, known.members)
    settled = [place for place in nodes if place not in former]
    in_the_way = [*_states(settled, known), *stores_differ(found.wanted.images, [place.view for place in nodes])]
    in_the_way += (
        _membership(inventory, settled, view.swarm) if view.swarm else _no_swarm(inventory, settled, known.swarm)
    )
    in_the_way += _addresses(inventory, nodes, view, former)
    in_the_way += [*_names(found), *_twice(found), *_externals(found), *_networks(found), *_subnets(found)]
    in_the_way += [*_ports(found), *container_refusals(found, node_goals(found, nodes))]
    return tuple(in_the_way)


def _states(nodes: Sequence[Place], known: Known) -> Iterator[Refusal]:
    """Nodes that are neither in nor out of a swarm (``Swarm.LocalNodeState`` of ``GET /info``)."""
    hints = {
        SwarmState.LOCKED: "unlock it with `docker swarm unlock` on that node",
        SwarmState.PENDING: "a join is under way: wait, or give it up with `docker swarm leave --force` on that node",
        SwarmState.ERROR: "see `docker info` on that node; `docker swarm leave --force` there gives its membership up",
    }
    for place in nodes:
        if place.view.reachable and place.view.swarm in hints:
            state = place.view.swarm
            hint = hints[state]
            if state is SwarmState.PENDING and place.view.node_id in known.members:
                hint = "it was a member of this cluster: bring the managers back that it looks for, or run `lab down`"
            yield Refusal(place.name, f"its swarm state is {state}, so it can neither join nor work", hint)


def _no_swarm(inventory: Inventory, nodes: Sequence[Place], known: str) -> Iterator[Refusal]:
    """No manager has told of a swarm: then no node may be in one, and the first manager must be there to start it."""
    first = next(place for place in nodes if place.name == inventory.managers[0].name)
    down = [place.name for place in nodes if not place.view.reachable]
    members = [place for place in nodes if active(place)]
    for place in members:
        missing = f" (unreachable: {', '.join(down)})" if down else ""
        if place.view.is_manager:
            reason = f"it manages a swarm that answers no question: most likely most of its managers are lost{missing}"
            hint = "bring the other managers back, or see `docker node ls` on that node"
        else:
            known = ", ".join(sorted(place.view.remote_managers))
            of = f" (its managers: {known})" if known else ""
            reason = f"it is a worker of some swarm{of}, and no manager can be asked whether it is ours{missing}"
            hint = "bring a manager back; if the swarm is not ours, `docker swarm leave` on that node frees it"
        yield Refusal(place.name, reason, hint)
    if not members and not first.view.reachable:
        reason = f"it shall start the swarm (or holds it already) and cannot be reached: {why_unreachable(first.view)}"
        hint = (first.view.problem.hint if first.view.problem else "") or f"try it by hand: lab ssh {first.name}"
        yield Refusal(first.name, reason, hint)
    keepers = [place.name for place in nodes if not place.view.reachable and place.config.role is Role.MANAGER]
    if known and keepers and not members and first.view.reachable:
        yield Refusal(
            first.name,
            f"a swarm of this cluster was made before ({known}), and {', '.join(keepers)}, which may hold it, cannot "
            "be reached: a second swarm beside it could never be joined with it",
            "bring them back; if they are gone for good, run `lab down` first",
        )


def _membership(inventory: Inventory, nodes: Sequence[Place], swarm: SwarmView) -> Iterator[Refusal]:
    """The swarm must be ours, and every node that is in a swarm must be in this one."""
    if not owned_by(swarm.labels, inventory.name):
        yield from foreign_swarm(inventory, nodes, swarm)
        return
    for place in nodes:
        if active(place) and not belongs(place.view, swarm):
            yield another_swarm(place, "it is in another swarm, or was removed from ours without knowing it")


def _addresses(
    inventory: Inventory, nodes: Sequence[Place], view: ClusterView, former: Sequence[Place]
) -> Iterator[Refusal]:
    """A node that enters a swarm must tell the others where it is: on a host with several networks that is no guess."""
    first = [place for place in nodes if place.name == inventory.managers[0].name and not view.swarm]
    for place in [*first, *joining(nodes, view, former)]:
        if place.view.reachable and not advertised(place.config):
            yield Refusal(
                place.name,
                "nothing says under which address the other nodes reach it",
                "set advertise_addr of this node in the inventory, to an IPv4 address or an interface of the host",
            )


def _names(found: Survey) -> Iterator[Refusal]:
    """Objects that have a wanted name and are not ours, or another lab's."""
    wanted = found.wanted
    networks = [network for network in wanted.networks if not network.external]
    for kind, things, there in (
        ("service", wanted.services, found.services),
        ("network", networks, found.networks),
        ("config", wanted.configs, found.configs),
    ):
        for thing in things:
            live = there.get(thing.name)
            if live is None or (found.owned(live.spec.labels) and live.spec.labels[LAB] == thing.labels[LAB]):
                continue
            if owned_by(live.spec.labels, found.cluster):
                owner = f"the lab {live.spec.labels.get(LAB, '(without a name)')}"
            else:
                owner = "somebody else"
            yield Refusal(
                f"{kind} {thing.name}",
                f"a {kind} of this name exists and belongs to {owner}",
                f"choose another name in the lab {thing.labels[LAB]}, or remove the other {kind} first",
            )


def _twice(found: Survey) -> Iterator[Refusal]:
    wanted = found.wanted
    networks = [network for network in wanted.networks if not network.external]
    for kind, things in (
        ("service", wanted.services),
        ("network", networks),
        ("config", wanted.configs),
        ("bridge", wanted.bridges),
        ("container", wanted.containers),
    ):
        for name, times in Counter(thing.name for thing in things).items():
            if times > 1:
                labs = sorted({thing.labels[LAB] for thing in things if thing.name == name})
                reason = f"{times} {kind}s shall have this name (lab {', '.join(labs)})"
                yield Refusal(f"{kind} {name}", reason, "give each its own name in the lab file")


def _externals(found: Survey) -> Iterator[Refusal]:
    made = {network.name for network in found.wanted.networks if not network.external}
    # A swarm does not list what every engine has, and whether a service may use it, it says itself.
    there = made | set(found.networks) | set(PREDEFINED_NETWORKS)
    for name in sorted({network.name for network in found.wanted.networks if network.external} - there):
        yield Refusal(
            f"network {name}",
            "the lab file calls it external, and it does not exist in the swarm",
            f"create it first (`docker network create --driver overlay {name}`), or drop `external`",
        )


def _networks(found: Survey) -> Iterator[Refusal]:
    """A network or config that must be made anew, while services of others use it."""
    things = [("network", name, reason, found.networks[name].spec.labels) for name, reason in found.vacated.items()]
    things += [("config", name, why, found.configs[name].spec.labels) for name, why in found.changed_configs.items()]
    for kind, name, reason, labels in things:
        users = found.users_of(**{kind: name})
        strangers = [
            live.spec.name
            for live in users
            if not (found.owned(live.spec.labels) and live.spec.labels[LAB] == labels[LAB])
        ]
        if strangers:
            yield Refusal(
                f"{kind} {name}",
                f"it has to be made anew ({reason}), but it is in use by {', '.join(strangers)}",
                f"remove these services, or detach them from the {kind}, and try again",
            )


def _subnets(found: Survey) -> Iterator[Refusal]:
    """New networks may not overlap one that stays (Docker would refuse, or route wrongly)."""
    leaving = {*found.vacated}
    for network in found.wanted.networks:
        if network.external or (network.name in found.networks and network.name not in leaving):
            continue
        for name, live in found.networks.items():
            if name not in leaving and name != network.name and overlap(network.subnet, live.spec.subnet):
                yield Refusal(
                    f"network {network.name}",
                    f"its subnet {network.subnet} overlaps {live.spec.subnet} of the network {name}",
                    f"choose another subnet in the lab {network.labels[LAB]}, or remove {name} first",
                )


def _ports(found: Survey) -> Iterator[Refusal]:
    for service, port, holder in blocked_ports(found):
        yield Refusal(
            f"service {service}",
            f"its port {port} is published by the service {holder.spec.name}",
            f"publish another port, or remove {holder.spec.name} first",
        )
