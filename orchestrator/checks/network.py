"""What the engines say of a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from orchestrator.checks.base import Check, Item, Names, Replies, of_kind
from orchestrator.checks.endpoints import NodesField, absent, nodes_of
from orchestrator.checks.topology import Topology
from orchestrator.config.fields import Address, Network, Text
from orchestrator.config.hints import did_you_mean, shown
from orchestrator.model.question import Inspect, Inspected
from orchestrator.model.verdict import CheckResult
from orchestrator.planning.cluster import Place

WITH_TASKS = "with-tasks"


def parse_present(value: object) -> object:
    """Whether a network must be there: true, false, or where tasks on it run. Raises ``ValueError``."""
    if not isinstance(value, bool) and value != WITH_TASKS:
        raise ValueError(f"expected true, false or {WITH_TASKS}, got {shown(value)}")
    return value


class NetworkCheck(Check):
    """The engine of each node knows a network, with the driver, scope, subnet and gateway that it should have.

    With `present: false` the network must not be there. With `present: with-tasks` (for overlays) it must be there on
    every node on which something runs on it, and on no other worker; managers know every network of the swarm.
    """

    kind: Literal["network"]
    name: Text = Field(description="Key of a network or bridge of the lab, or bridge, host or none.")
    on: NodesField = Field(description="The nodes whose engines are asked.")
    present: Annotated[bool | Literal["with-tasks"], BeforeValidator(parse_present)] = Field(
        default=True, description="Where it must be. Default: true."
    )
    driver: Literal["bridge", "host", "null", "overlay"] | None = Field(
        default=None, description="Its driver; that of the network none is null, in quotes."
    )
    scope: Literal["local", "swarm"] | None = Field(
        default=None, description="Whether it is the node's or the swarm's."
    )
    subnet: Network | None = Field(default=None, description="Its IPv4 subnet.")
    gateway: Address | None = Field(default=None, description="Address of its gateway.")

    def plan(self, topology: Topology) -> Sequence[Item]:
        """One item for each node."""
        places = nodes_of(topology, self.on)
        return [self._item(topology, place) for place in places] or [absent(f"{self.name} on {self.on}", self.on)]

    def _item(self, topology: Topology, place: Place) -> Item:
        name = topology.network_name(self.name)
        wanted: bool | None = bool(self.present)
        if self.present == "with-tasks" and not _users(topology, place, name):
            wanted = None if place.view.is_manager else False
        question = Inspect(topology.vantage(place.name), "network", name)
        return Item(f"network {name} on {place.name}", (question,), wanted)

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """It must be there or not, and be as every key says."""
        question, wanted = item.questions[0], item.about
        assert isinstance(question, Inspect)  # noqa: S101 (planned above)
        found, nodes = of_kind(replies[question], Inspected).found, [question.vantage.node]
        if found is None:
            if wanted:
                return self.failed(item, f"the engine knows no network {question.name}", _HINT, nodes)
            return self.passed(item, "not there")
        if wanted is False:
            return self.failed(item, f"is there, and should not be: {_seen(found)}", _HINT, nodes)
        faults = list(self._faults(found))
        if faults:
            return self.failed(item, "; ".join(faults), _HINT, nodes)
        unused = " (nothing runs on it here; a manager knows it all the same)" if wanted is None else ""
        return self.passed(item, _seen(found) + unused)

    def _faults(self, found: Any) -> Iterator[str]:  # noqa: ANN401 (what the engine says)
        pools = _pools(found)
        there = {
            "driver": [found.get("Driver", "")],
            "scope": [found.get("Scope", "")],
            "subnet": [pool.get("Subnet", "") for pool in pools],
            "gateway": [pool.get("Gateway", "") for pool in pools],
        }
        for key, values in there.items():
            expected = getattr(self, key)
            if expected is not None and expected not in values:
                yield f"expected {key} {expected}, got {', '.join(filter(None, values)) or 'none'}"

    def problems(self, names: Names) -> Iterable[str]:
        """It must be a network that there can be; one that must be absent has no properties."""
        if self.name not in names.any_network:
            yield f"there is no network {self.name!r} in this lab{did_you_mean(self.name, names.any_network)}"
        given = [key for key in ("driver", "scope", "subnet", "gateway") if getattr(self, key) is not None]
        if self.present is False and given:
            yield f"{', '.join(given)}: a network that must not be there has none; leave it out"
        if self.present == "with-tasks" and self.name not in names.networks:
            yield "present: with-tasks is for overlay networks; expected true or false"


def _users(topology: Topology, place: Place, network: str) -> bool:
    """Whether a task or a plain container runs on the network there."""
    tasks = topology.view.swarm.tasks if topology.view.swarm else ()
    return any(
        topology.node_names.get(task.node_id) == place.name and task.state == "running" and network in task.addresses
        for task in tasks
    ) or any(live.state == "running" and network in live.networks for live in place.view.plain)


def _pools(found: Any) -> list[dict[str, str]]:  # noqa: ANN401 (what the engine says)
    return list((found.get("IPAM") or {}).get("Config") or ())


def _seen(found: Any) -> str:  # noqa: ANN401 (what the engine says)
    subnets = " ".join(f"{pool.get('Subnet', '')}" for pool in _pools(found))
    return " ".join(filter(None, (f"driver {found.get('Driver')}, scope {found.get('Scope')}", subnets)))


_HINT = "`docker network inspect` on that node"
