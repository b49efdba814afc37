"""Whether one place reaches another, or must not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from orchestrator.checks.base import SILENCE, Check, Item, Names, Replies, of_kind
from orchestrator.checks.endpoints import EndpointsField
from orchestrator.checks.topology import Member, Topology
from orchestrator.checks.ways import Way, paired, way_problems
from orchestrator.config.fields import Text
from orchestrator.model.probe import Observation, Outcome
from orchestrator.model.question import Fetch, Fetched, Question
from orchestrator.model.verdict import CheckResult
from orchestrator.planning.tally import WORDS

FAILURES = {
    "refused": (Outcome.REFUSED,),
    "time-out": (Outcome.TIMEOUT,),
    "unreachable": (Outcome.UNREACHABLE,),
    "no-way": (Outcome.TIMEOUT, Outcome.UNREACHABLE),
}
"""What each expectation accepts; ``no-way`` is for packets that are dropped here and rejected there."""


class ReachCheck(Check):
    """Every container (or node) of one place reaches every one of another over TCP, or fails for the right reason.

    `expect: answer` wants HTTP, from just that task where the answer names one. `refused`, `time-out` and `unreachable`
    want exactly that failure, `no-way` either of the last two: a reason that is not the right one fails the check. An
    answer is waited for 5 s, and 3 s where there must be none.
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
        targets = self._virtual(topology) if self.vip else None
        return paired(topology, self.seen_from, self.to, self.network, self._questions, targets=targets)

    def _questions(self, way: Way) -> tuple[Question, ...]:
        fetch = Fetch(way.vantage, way.address, self.port)
        return (fetch if self.expect == "answer" else replace(fetch, deadline=SILENCE),)

    def _virtual(self, topology: Topology) -> Sequence[Member]:
        network, address = topology.network_name(self.network or ""), topology.vip(self.to.name, self.network or "")
        return [Member(f"the virtual address of {self.to.name}", "", "", {network: address}, None)] if address else []

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """What came back must be what was expected."""
        seen, way = of_kind(replies[item.questions[0]], Fetched).seen[0], item.about
        said = WORDS[seen.outcome] + (f" ({seen.error})" if seen.error else "")
        if self.expect == "answer":
            return self._answer(item, seen, said, way)
        if seen.outcome in FAILURES[self.expect]:
            return self.passed(item, said)
        return self.failed(item, f"expected {self.expect}, got {said}", _WRONG, way.nodes)

    def _answer(self, item: Item, seen: Observation, said: str, way: Way) -> CheckResult:
        if seen.outcome is not Outcome.ANSWERED:
            return self.failed(item, f"no answer: {said}", _SILENT, way.nodes)
        if way.target.task and seen.answer.task not in {"", way.target.task}:
            reason = f"another task answered ({seen.answer.task} on {seen.answer.node})"
            return self.failed(item, reason, "is its address given twice?", way.nodes)
        return self.passed(item)

    def problems(self, names: Names) -> Iterable[str]:
        """Places and network must exist."""
        yield from way_problems(names, self.seen_from, self.to, self.network)
        if self.vip and self.to.kind != "service":
            yield "only a service has a virtual address; expected to: service:KEY"


_SILENT = "does the process listen there? between nodes: does the data path pass (UDP 4789)?"
_WRONG = "what must fail must fail for the right reason: look at the networks of both (`docker inspect`)"
