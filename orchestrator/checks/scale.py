"""A service scaled to nothing and back: nothing of it may be left behind, and all of it must come back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from orchestrator.checks.base import SILENCE, Check, Item, Names, Replies, of_kind
from orchestrator.checks.endpoints import Endpoints, unknown_endpoints
from orchestrator.checks.ipvs import backends
from orchestrator.checks.names import UNKNOWN, NamesCheck
from orchestrator.checks.topology import INGRESS_SANDBOX, Topology
from orchestrator.config.fields import PositiveDuration, Text
from orchestrator.model.lab import Port, Protocol, PublishMode, ServiceMode
from orchestrator.model.probe import Outcome
from orchestrator.model.question import Fetch, Fetched, Lookup, Read, Resolved, Told, Vantage
from orchestrator.model.verdict import CheckResult
from orchestrator.planning.tally import WORDS

INGRESS = "ingress"
"""The name of the network over which the routing mesh sends requests to tasks."""


class ScaleCheck(Check):
    """A service is scaled to 0 and back to what it was; this changes the lab for a while.

    Without a task its published ports must be refused on every node, its name must lead nowhere (asked from the
    tasks of the other services on its networks) and no node's load balancer may keep a backend. Scaled back, every
    entry must lead to every task, and `tasks.NAME` must have them all. `within` holds each way, 60 s where not given.
    """

    kind: Literal["scale"]
    service: Text = Field(description="Key of the service.")
    to: Literal[0] = Field(default=0, description="How many replicas it has meanwhile. Only 0.")
    within: PositiveDuration = Field(default=60.0, description="How long each way may take. Default: 60s.")

    alters: ClassVar[bool] = True

    def plan(self, topology: Topology) -> Sequence[Item]:
        """What is asked while nothing runs, planned from what runs before."""
        wanted = topology.service(self.service)
        subject = f"service {self.service}"
        if wanted is None or not topology.tasks(self.service):
            return [Item(subject, problem=f"no task of {self.service} runs, so there is nothing to scale")]
        if wanted.mode is ServiceMode.GLOBAL:
            return [Item(subject, problem=f"{self.service} is global: it has no number of replicas to change")]
        meshed = [port for port in wanted.ports if port.mode is PublishMode.INGRESS and port.published]
        refused = [port for port in meshed if port.protocol is Protocol.TCP]
        return [*self._refused(topology, refused), *self._unresolved(topology), *self._emptied(topology, meshed)]

    def _refused(self, topology: Topology, ports: Sequence[Port]) -> Iterator[Item]:
        for port in ports:
            for place in topology.nodes:
                for address in ("127.0.0.1", place.address):
                    question = Fetch(topology.vantage(place.name), address, port.published, deadline=SILENCE)
                    yield Item(f"{place.name} {address}:{port.published} is refused", (question,), nodes=(place.name,))

    def _unresolved(self, topology: Topology) -> Iterator[Item]:
        """One task of each other service on a network of this one asks for its name, and its virtual address."""
        wanted = topology.service(self.service)
        networks = {attachment.network for attachment in wanted.networks} if wanted else set()
        for other in topology.lab.services:
            shared = sorted(networks & {attachment.network for attachment in other.networks})
            asker = next((task for task in topology.tasks(other.key) if task.vantage), None)
            if other.key == self.service or not shared or asker is None or asker.vantage is None:
                continue
            vip = topology.vip(self.service, shared[0])
            asked: list[Lookup | Fetch] = [Lookup(asker.vantage, self.service)]
            asked += [Fetch(asker.vantage, vip, 80, deadline=SILENCE)] if vip else []
            yield Item(f"{self.service} leads nowhere from {asker.label}", tuple(asked), nodes=(asker.node,))

    def _emptied(self, topology: Topology, ports: Sequence[Port]) -> Iterator[Item]:
        """The load balancer of the routing mesh on each node has none of the tasks that ran before."""
        former = {
            task.addresses[INGRESS]: task.label for task in topology.tasks(self.service) if INGRESS in task.addresses
        }
        for place in topology.nodes if ports and former else ():
            vantage = Vantage(place.name, INGRESS_SANDBOX, f"the ingress sandbox of {place.name}")
            subject = f"{place.name} has no backend of {self.service}"
            yield Item(subject, (Read(vantage, ("cat", "/proc/net/ip_vs")),), former, nodes=(place.name,))

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """Nothing may be left of the service."""
        first = item.questions[0]
        if isinstance(first, Lookup):
            return self._judge_name(item, replies)
        if isinstance(first, Read):
            return self._judge_backends(item, of_kind(replies[first], Told))
        seen = of_kind(replies[first], Fetched).seen[0]
        if seen.outcome is Outcome.REFUSED:
            return self.passed(item)
        who = f" from task {seen.answer.slot or seen.answer.task}" if seen.answer.task else ""
        return self.failed(item, f"expected refused, got {WORDS[seen.outcome]}{who}", _PORT, item.nodes)

    def _judge_name(self, item: Item, replies: Replies) -> CheckResult:
        said = of_kind(replies[item.questions[0]], Resolved)
        if said.rcode in UNKNOWN or not said.addresses:
            return self.passed(item)
        if len(item.questions) > 1:
            seen = of_kind(replies[item.questions[1]], Fetched).seen[0]
            if seen.outcome is not Outcome.ANSWERED:
                return self.passed(item, f"resolves to {', '.join(said.addresses)}, where nobody answers")
            return self.failed(item, f"{said.addresses[0]} answers: task {seen.answer.task}", _PORT, item.nodes)
        return self.failed(item, f"resolves to {', '.join(said.addresses)}", _NAME, item.nodes)

    def _judge_backends(self, item: Item, told: Told) -> CheckResult:
        if told.exit_code:
            return self.inconclusive(item, f"/proc/net/ip_vs cannot be read: {told.stderr.strip()}", "", item.nodes)
        stale = set[str]().union(*backends(told.stdout).values()) & item.about.keys()
        if not stale:
            return self.passed(item)
        names = ", ".join(f"{address} ({item.about[address]})" for address in sorted(stale))
        return self.failed(item, f"keeps as backend: {names}", _STALE, item.nodes)

    def complete(self, topology: Topology) -> list[NamesCheck]:
        """What else must hold when it is scaled back: the tasks know each other on every network of the lab."""
        wanted = topology.service(self.service)
        keys = {network.name: network.key for network in topology.lab.networks if not network.external}
        known = {"kind": "names", "from": str(Endpoints("service", self.service)), "resolves_to": "tasks"}
        known |= {"name": f"tasks.{self.service}", "of": self.service, "within": f"{self.within:g}s"}
        attached = [keys[one.network] for one in wanted.networks if one.network in keys] if wanted else []
        return [NamesCheck.model_validate({**known, "network": key}) for key in attached]

    def problems(self, names: Names) -> Iterable[str]:
        """The service must exist."""
        problem = unknown_endpoints(Endpoints("service", self.service), names)
        return [problem] if problem else []


_PORT = "does something else publish the port? look on that node: docker service ls, ss -tlnp"
_NAME = "the node's name server keeps a record of a task that is gone: restart its engine, and report it"
_STALE = "the node has not heard that the task is gone: is port 7946 (tcp and udp) open between the nodes?"
