"""Whether datagrams are answered, and by whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import Field

from orchestrator.checks.base import Check, Item, Names, Replies, of_kind
from orchestrator.checks.endpoints import EndpointsField
from orchestrator.checks.topology import Topology
from orchestrator.checks.ways import Way, paired, way_problems
from orchestrator.config.fields import Text
from orchestrator.model.question import Datagram, Echo, Echoed, Question
from orchestrator.model.verdict import CheckResult

WORDS = {
    Echo.ANSWERED: "an answer",
    Echo.SILENT: "silence",
    Echo.REFUSED: "refused (ICMP port unreachable)",
    Echo.UNREACHABLE: "unreachable",
}
"""Outcomes for a sentence."""


@dataclass(frozen=True)
class _About:
    """A way, and the ids of the tasks of which one has to answer (none given: whoever answers will do)."""

    way: Way
    tasks: frozenset[str]


class UdpCheck(Check):
    """A UDP datagram from every container (or node) of one place to every one of another is answered, or is not.

    An answer must come from just the task that was asked, where the answer names one. Where nodes are asked on a
    published port, `service` tells whose: the answer must then name a running task of that service.
    """

    kind: Literal["udp"]
    seen_from: EndpointsField = Field(alias="from", description="Who sends.")
    to: EndpointsField = Field(description="Who is sent to.")
    port: int = Field(ge=1, le=65535, description="UDP port that is sent to.")
    network: Text | None = Field(
        default=None, description="Key of the network (or bridge) whose addresses are sent to. Needed unless nodes are."
    )
    service: Text | None = Field(
        default=None, description="Key of the service that answers on a published port. Default: whoever answers."
    )
    expect: Literal["answer", "no-answer"] = Field(default="answer", description="What shall come of it.")

    def plan(self, topology: Topology) -> Sequence[Item]:
        """One item for each pair."""
        tasks = frozenset(task.task for task in topology.tasks(self.service)) if self.service else frozenset()
        if self.service and not tasks:
            return [Item(f"{self.seen_from} → {self.to}", problem=f"service:{self.service}: no task of it runs")]
        found = paired(topology, self.seen_from, self.to, self.network, self._questions)
        return [_with_tasks(item, tasks) for item in found]

    def _questions(self, way: Way) -> tuple[Question, ...]:
        return (Datagram(way.vantage, way.address, self.port),)

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """Silence and answers must be where they belong."""
        echo, about = of_kind(replies[item.questions[0]], Echoed), item.about
        if self.expect == "no-answer":
            if echo.outcome is not Echo.ANSWERED:
                return self.passed(item, WORDS[echo.outcome])
            return self.failed(item, f"expected no answer, got {_who(echo)}", _ANSWERED, about.way.nodes)
        if echo.outcome is not Echo.ANSWERED:
            return self.failed(item, f"no answer: {WORDS[echo.outcome]}", _SILENT, about.way.nodes)
        if about.tasks and echo.answer.task not in about.tasks and (self.service or echo.answer.task):
            reason = f"{_who(echo)}, which is not from {_wanted(self.service, about.way)}"
            return self.failed(item, reason, "`lab status` shows who runs where", about.way.nodes)
        return self.passed(item)

    def problems(self, names: Names) -> Iterable[str]:
        """Places, network and service must exist."""
        yield from way_problems(names, self.seen_from, self.to, self.network)
        if self.service is not None and self.service not in names.services:
            yield f"there is no service {self.service!r} in this lab"
        if self.service is not None and self.expect == "no-answer":
            yield "service says who answers; expected it without expect: no-answer"


_SILENT = "does the process listen there? between nodes: `tcpdump -ni any udp` on both, do datagrams go and come?"
_ANSWERED = "who listens there? `ss -lun` in its namespace, and the published ports of all services"


def _with_tasks(item: Item, tasks: frozenset[str]) -> Item:
    """The item with what its judgement needs; without a service it is the task itself that has to answer."""
    if not isinstance(item.about, Way):
        return item
    own = frozenset(filter(None, [item.about.target.task]))
    return replace(item, about=_About(item.about, tasks or own))


def _who(echo: Echoed) -> str:
    answer = echo.answer
    if not answer.task:
        return f"an answer that names no task ({echo.text.strip()[:60]!r})"
    return f"an answer of task {answer.slot} ({answer.task}) of {answer.service or '?'} on {answer.node or '?'}"


def _wanted(service: str | None, way: Way) -> str:
    return f"a running task of {service}" if service else way.target.label
