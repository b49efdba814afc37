"""One virtual cable per container: what is plugged into a bridge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import Field

from orchestrator.checks.base import Check, Item, Names, Replies, of_kind
from orchestrator.checks.endpoints import NodesField, absent, nodes_of
from orchestrator.checks.links import enslaved, interfaces
from orchestrator.checks.topology import Topology
from orchestrator.config.fields import Interface, Text
from orchestrator.config.hints import did_you_mean
from orchestrator.model.question import Inspect, Inspected, Read, Told
from orchestrator.model.verdict import CheckResult
from orchestrator.planning.cluster import Place
from orchestrator.planning.tally import enumerate_names

DEFAULT_BRIDGE = "docker0"
"""The bridge device of Docker's network ``bridge``; that of another one is named after the network's id."""

_ID_DIGITS = 12


class VethsCheck(Check):
    """On a bridge there is one veth interface for each running container of its network, and nothing else.

    What is plugged into the bridge is compared with the containers that the node's engine lists on the network.
    """

    kind: Literal["veths"]
    on: NodesField = Field(description="The nodes that are looked at.")
    network: Text = Field(default="bridge", description="bridge, or the key of a bridge of the lab. Default: bridge.")
    bridge: Interface | None = Field(
        default=None, description="Name of the bridge device. Default: docker0, or br- and the network's id."
    )

    def plan(self, topology: Topology) -> Sequence[Item]:
        """One item for each node."""
        places = nodes_of(topology, self.on)
        return [self._item(topology, place) for place in places] or [absent(f"veths on {self.on}", self.on)]

    def _item(self, topology: Topology, place: Place) -> Item:
        name, vantage = topology.network_name(self.network), topology.vantage(place.name)
        device = self._device(place, name)
        subject = f"veths of {name} on {place.name}"
        if device:
            questions = (Read(vantage, enslaved(device)), Inspect(vantage, "network", name))
            return Item(subject, questions, device)
        if not place.view.reachable:
            return Item(subject, unasked=f"{place.name} cannot be reached", nodes=(place.name,))
        return Item(subject, problem=f"there is no bridge {name} on {place.name}", nodes=(place.name,))

    def _device(self, place: Place, network: str) -> str:
        """The bridge's device; "" where the node has no such network, or cannot be asked for its id."""
        if self.bridge:
            return self.bridge
        if self.network == "bridge":
            return DEFAULT_BRIDGE
        ids = [live.id for live in place.view.bridges if live.spec.name == network]
        return f"br-{ids[0][:_ID_DIGITS]}" if ids else ""

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """As many veths as containers."""
        looked, asked = item.questions
        told, inspected = of_kind(replies[looked], Told), of_kind(replies[asked], Inspected)
        nodes, device = [looked.vantage.node], item.about
        if told.exit_code:
            return self.failed(item, f"there is no bridge {device}: {told.stderr.strip()}", _HINT, nodes)
        if inspected.found is None:
            return self.failed(item, "the engine knows no such network", "`docker network ls` on that node", nodes)
        links = interfaces(told)
        veths = [link.name for link in links if link.kind == "veth"]
        others = [link.name for link in links if link.kind != "veth"]
        containers = _containers(inspected.found)
        plugged = f"{enumerate_names(veths) or 'nothing'} in {device}"
        running = f"running on the network: {enumerate_names(containers) or 'no container'}"
        if others:
            return self.failed(item, f"{', '.join(others)} in {device}: not a veth", _HINT, nodes)
        if len(veths) != len(containers):
            reason = f"{len(veths)} veths for {len(containers)} containers ({plugged}; {running})"
            return self.failed(item, reason, _HINT, nodes)
        return self.passed(item, f"{plugged}; {running}")

    def problems(self, names: Names) -> Iterable[str]:
        """Only bridges have such devices on a node."""
        known = names.bridges | {"bridge"}
        if self.network not in known:
            yield f"there is no bridge {self.network!r} in this lab{did_you_mean(self.network, known)}"


def _containers(network: Any) -> list[str]:  # noqa: ANN401 (what the engine says)
    return sorted(found["Name"] for found in (network.get("Containers") or {}).values())


_HINT = "`ip -d link show master DEVICE` and `docker network inspect NETWORK` on that node"
