"""Whether one place reaches another, or must not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from orchestrator.checks.base import Check, Item, Names, Replies, of_kind
from orchestrator.checks.endpoints import EndpointsField, absent, members_of, silent, unknown_endpoints
from orchestrator.checks.topology import Member, Topology
from orchestrator.config.fields import Text
from orchestrator.model.probe import Observation, Outcome
from orchestrator.model.question import Fetch, Fetched
from orchestrator.model.verdict import CheckResult
from orchestrator.planning.tally import WORDS

FAILURES = {
    "refused": (Outcome.REFUSED,),
    "time-out": (Outcome.TIMEOUT,),
    "unreachable": (Outcome.UNREACHABLE,),
    "no-way": (Outcome.TIMEOUT, Outcome.UNREACHABLE),
}
"""What each expectation accepts; ``no-way`` is for packets that are dropped here and rejected there."""


@dataclass(frozen=True)
class _Way:
    """Who asks whom; ``task`` is the task that has to answer ("" where answers are not told apart)."""

    asker: Member
    target: Member


class ReachCheck(Check):
    """Every container (or node) of one place reaches every one of another over TCP, or fails for the right reason.

    `expect: answer` wants HTTP, from just that task where the answer names one. `refused`, `time-out` and `unreachable`
    want exactly that failure, `no-way` either of the last two: a reason that is not the right one fails the check.
    With `vip: true` the virtual address of a service is asked, and any of its tasks may answer.
    """

    kind: Literal["reach"]
    seen_from: EndpointsField = Field(alias="from", description="Who asks.")
    to: EndpointsField = Field(description="Who is asked.")
    port: int = Field(default=80, ge=1, le=65535, description="TCP port that is asked. Default: 80.")
    network: Text | None = Field(
        default=None, description="Key of the network (or bridge) whose addresses are asked. Needed unless nodes are."
    )
    vip: bool = Field(default=False, description="Ask the service's virtual address. Default: each task's own.")
    expect: Literal["answer", "refused", "time-out", "unreachable", "no-way"] = Field(
        default="answer", description="What shall come of it."
    )

    def plan(self, topology: Topology) -> Sequence[Item]:
        """One item for each pair; nobody asks himself."""
        askers, targets = members_of(topology, self.seen_from), self._targets(topology)
        for place, found in ((self.seen_from, askers), (self.to, targets)):
            if not found:
                return [absent(f"{self.seen_from} → {self.to}", place)]
        return [item for asker in askers for item in self._items(asker, targets, topology)]

    def _targets(self, topology: Topology) -> Sequence[Member]:
        if not self.vip:
            return members_of(topology, self.to)
        network, address = topology.network_name(self.network or ""), topology.vip(self.to.name, self.network or "")
        return [Member(f"the virtual address of {self.to.name}", "", "", {network: address}, None)] if address else []

    def _items(self, asker: Member, targets: Sequence[Member], topology: Topology) -> Iterator[Item]:
        network = "" if self.to.kind == "node" else topology.network_name(self.network or "")
        for target in targets:
            if (target.node, target.container) == (asker.node, asker.container):
                continue
            subject = f"{asker.label} → {target.label}"
            address = target.addresses.get(network, "")
            if asker.vantage is None:
                yield silent(subject, asker)
            elif not address:
                yield Item(subject, problem=f"{target.label} has no address on {network}", nodes=(target.node,))
            else:
                yield Item(subject, (Fetch(asker.vantage, address, self.port),), _Way(asker, target))

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """What came back must be what was expected."""
        seen, way = of_kind(replies[item.questions[0]], Fetched).seen[0], item.about
        nodes = [node for node in (way.target.node, way.asker.node) if node]
        said = WORDS[seen.outcome] + (f" ({seen.error})" if seen.error else "")
        if self.expect == "answer":
            return self._answer(item, seen, said, way, nodes)
        if seen.outcome in FAILURES[self.expect]:
            return self.passed(item, said)
        return self.failed(item, f"expected {self.expect}, got {said}", _WRONG, nodes)

    def _answer(self, item: Item, seen: Observation, said: str, way: _Way, nodes: Sequence[str]) -> CheckResult:
        if seen.outcome is not Outcome.ANSWERED:
            return self.failed(item, f"no answer: {said}", _SILENT, nodes)
        if way.target.task and seen.answer.task not in {"", way.target.task}:
            reason = f"another task answered ({seen.answer.task} on {seen.answer.node})"
            return self.failed(item, reason, "is its address given twice?", nodes)
        return self.passed(item)

    def problems(self, names: Names) -> Iterable[str]:
        """Places and network must exist."""
        yield from filter(None, (unknown_endpoints(place, names) for place in (self.seen_from, self.to)))
        if self.to.kind != "node" and self.network is None:
            yield "network is missing: expected the key of the network whose addresses are asked"
        if self.network is not None and self.network not in names.networks:
            yield f"there is no network {self.network!r} in this lab"
        if self.vip and self.to.kind != "service":
            yield "only a service has a virtual address; expected to: service:KEY"


_SILENT = "does the process listen there? between nodes: does the data path pass (UDP 4789)?"
_WRONG = "what must fail must fail for the right reason: look at the networks of both (`docker inspect`)"
