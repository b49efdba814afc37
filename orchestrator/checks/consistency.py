"""Whether managers, engines and kernels agree on who serves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from orchestrator.checks.base import Check, Item, Names, Replies, of_kind
from orchestrator.checks.ipvs import backends, marks
from orchestrator.checks.topology import INGRESS_SANDBOX, NETNS, Topology
from orchestrator.config.fields import Duration, Text
from orchestrator.model.lab import PublishMode, Service
from orchestrator.model.question import Inspect, Inspected, Read, Told, Vantage
from orchestrator.model.verdict import CheckResult
from orchestrator.planning.cluster import Place, active

INGRESS = "ingress"
"""The network over which published ports lead to tasks; every node is on it."""

_ID_IN_NAME = 9
"""Characters of a network's id in the name of its load balancer's namespace (libnetwork, ``lb_…``)."""


@dataclass(frozen=True)
class _Spot:
    """One network on one node: ``tasks`` are the labels of the running tasks by their addresses there.

    ``balanced`` is what the kernel has to spread over them: the virtual address and, on ingress, ``8080/tcp`` for each
    published port. ``namespace`` is that of the load balancer.
    """

    node: str
    service: str
    tasks: Mapping[str, str]
    balanced: tuple[str, ...]
    namespace: str


class ConsistencyCheck(Check):
    """For a service, three views agree: the managers' running tasks, what engines have heard, where kernels lead.

    On every node where a network of the service is in use, the engine must know exactly the running tasks
    (`docker network inspect --verbose`), and the kernel's load balancer (IPVS) must lead the virtual address, and
    on the ingress network each published port, to exactly their addresses. Backends of weight 0 do not count.

    The three follow each other with a delay: a task that shall end has 10 s for it, and gossip comes after that. So
    what differs is asked again: for as long as `within` says, 15 s where not given.
    """

    kind: Literal["consistency"]
    service: Text = Field(description="Key of the service.")
    within: Duration = Field(default=15.0, description="How long they may take to agree. Default: 15s.")

    def plan(self, topology: Topology) -> Sequence[Item]:
        """One item for each network of the service on each node that uses it."""
        live = topology.live_service(self.service)
        if live is None:
            return [Item(f"service:{self.service}", problem="the swarm does not have it")]
        networks = [attachment.network for attachment in live.spec.networks]
        items = [
            self._item(topology, place, network)
            for network in [*networks, *([INGRESS] if _published(live.spec) else [])]
            for place in topology.nodes
            if _uses(topology, place, network)
        ]
        return items or [Item(f"service:{self.service}", problem="no node uses a network of it")]

    def _item(self, topology: Topology, place: Place, network: str) -> Item:
        spot = self._spot(topology, place, network)
        subject = f"{spot.service} on {network} at {place.name}"
        if not place.view.reachable:
            return Item(subject, unasked=f"{place.name} cannot be asked", nodes=(place.name,))
        inspect = Inspect(topology.vantage(place.name), "network", network, verbose=True)
        if not spot.balanced:
            return Item(subject, (inspect,), spot)
        inside = Vantage(place.name, spot.namespace, f"the load balancer of {network} on {place.name}")
        rules = Read(inside, ("iptables-save", "-t", "mangle"))
        # /proc/net is that of the process, and cat is one that was started in there.
        return Item(subject, (inspect, rules, Read(inside, ("cat", "/proc/net/ip_vs"))), spot)

    def _spot(self, topology: Topology, place: Place, network: str) -> _Spot:
        live = topology.live_service(self.service)
        assert live is not None  # noqa: S101 (planned above)
        address = live.vips.get(network, "")
        tasks = {
            task.addresses[network]: task.label for task in topology.tasks(self.service) if task.addresses.get(network)
        }
        if network == INGRESS:
            return _Spot(place.name, live.spec.name, tasks, tuple(_published(live.spec)), INGRESS_SANDBOX)
        known = topology.live_network(network)
        namespace = f"{NETNS}/lb_{known.id[:_ID_IN_NAME]}" if known else ""
        return _Spot(place.name, live.spec.name, tasks, (address,) if address else (), namespace)

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """All three must be the same."""
        spot: _Spot = item.about
        inspected, *kernel = (replies[question] for question in item.questions)
        wrong = list(_engine(spot, of_kind(inspected, Inspected).found))
        if kernel:
            rules, table = (of_kind(reply, Told) for reply in kernel)
            wrong += _kernel(spot, rules, table)
        if wrong:
            return self.failed(item, "; ".join(wrong), _HINT.format(spot.namespace), [spot.node])
        return self.passed(item, f"{len(spot.tasks)} tasks")

    def problems(self, names: Names) -> Iterable[str]:
        """The service must exist."""
        if self.service not in names.services:
            yield f"there is no service {self.service!r} in this lab"


_HINT = (
    "engines hear of tasks by gossip (7946/tcp and udp): `journalctl -u docker` there; "
    "the kernel's table: `nsenter --net={} ipvsadm -Ln`"
)


def _published(service: Service) -> list[str]:
    """The ports of the routing mesh as they are marked: ``8080/tcp``."""
    return [
        f"{port.published}/{port.protocol}"
        for port in service.ports
        if port.mode is PublishMode.INGRESS and port.published
    ]


def _uses(topology: Topology, place: Place, network: str) -> bool:
    """Whether the node takes part in a network: all are on ingress, others come with something that runs on them."""
    if network == INGRESS:
        return active(place) or not place.view.reachable
    tasks = topology.view.swarm.tasks if topology.view.swarm else ()
    here = (task for task in tasks if topology.node_names.get(task.node_id) == place.name)
    if any(network in task.addresses and task.state == task.desired == "running" for task in here):
        return True
    return any(network in live.networks and live.state == "running" for live in place.view.plain)


def _engine(spot: _Spot, found: Any) -> Iterator[str]:  # noqa: ANN401 (JSON of the Engine API)
    """What the engine has heard that is not so (``GET /networks/{id}?verbose=true``)."""
    if found is None:
        yield f"the engine of {spot.node} does not have the network"
        return
    service = (found.get("Services") or {}).get(spot.service) or {}
    heard = {task["EndpointIP"]: task["Name"] for task in service.get("Tasks") or ()}
    yield from _differences(f"the engine of {spot.node}", "knows", spot.tasks, heard)


def _kernel(spot: _Spot, rules: Told, table: Told) -> Iterator[str]:
    """Where the kernel leads that is not a running task."""
    for told in (rules, table):
        if told.exit_code != 0:
            yield f"its load balancer cannot be read: {told.stderr.strip() or f'exit code {told.exit_code}'}"
            return
    marked, leads = marks(rules.stdout), backends(table.stdout)
    for balanced in spot.balanced:
        if balanced not in marked and spot.tasks:  # Docker takes the mark away with the last backend
            yield f"{spot.node} marks no packets for {balanced}"
            continue
        found = leads.get(marked.get(balanced, 0), frozenset())
        yield from _differences(f"IPVS of {spot.node} for {balanced}", "leads to", spot.tasks, dict.fromkeys(found, ""))


def _differences(who: str, verb: str, tasks: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    missing = [f"{tasks[address]} ({address})" for address in sorted(set(tasks) - set(found))]
    stale = [f"{address} {found[address]}".strip() for address in sorted(set(found) - set(tasks))]
    if missing:
        yield f"{who} lacks {', '.join(missing)}"
    if stale:
        yield f"{who} still {verb} {', '.join(stale)}, where no task runs"
