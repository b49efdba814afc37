"""What every kind of check has in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import Field

from orchestrator.checks.topology import Topology
from orchestrator.config.fields import Duration, Line
from orchestrator.config.validation import StrictModel
from orchestrator.model.lab import PREDEFINED_NETWORKS
from orchestrator.model.question import Question, Reply, Unasked
from orchestrator.model.verdict import CheckResult, Verdict

SILENCE = 3.0
"""Seconds for a request that must not be answered. What answers at all does so much sooner, and one waits for each."""

Replies = Mapping[Question, Reply]
Wanted = TypeVar("Wanted", bound=Reply)


@dataclass(frozen=True)
class Item:
    """One subject of a check: what is asked about it, and what the kind of check needs to judge it (``about``).

    Items are judged one by one, and asked again one by one where a check may wait. ``problem`` says why an item has no
    questions: what it is about is not there. That fails it, on ``nodes``. ``unasked`` says why it cannot be
    asked, which leaves it inconclusive.
    """

    subject: str
    questions: tuple[Question, ...] = ()
    about: Any = None
    problem: str = ""
    unasked: str = ""
    nodes: tuple[str, ...] = ()


class Check(StrictModel):
    """One check of a lab."""

    kind: str
    title: Line | None = Field(default=None, description="What it shows, in one line.")
    claims: list[Annotated[int, Field(ge=1)]] = Field(
        default=[], description="Numbers of the claims (docs/claims.md) that it proves."
    )
    within: Duration = Field(
        default=0.0, description="How long to ask again what has not passed yet. Default: asked once."
    )

    alters: ClassVar[bool] = False
    """Whether carrying it out changes something for a while (a service is scaled, a node drained)."""

    @classmethod
    def tag(cls) -> str:
        """The kind as a tag that no key of a file can look like: keys are printable."""
        (kind,) = get_args(cls.model_fields["kind"].annotation)
        return f"\0{kind}"

    @abstractmethod
    def plan(self, topology: Topology) -> Sequence[Item]:
        """What is asked, about which subjects."""

    @abstractmethod
    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """What the replies to the questions of one item mean; none of them is :class:`Unasked`."""

    def problems(self, names: Names) -> Iterable[str]:
        """What does not fit the rest of the lab file, for the person who wrote it."""
        del names
        return ()

    def passed(self, item: Item, evidence: str = "") -> CheckResult:
        """The item is as it should be; ``evidence`` tells what was seen, where that is worth reading."""
        return CheckResult(self.kind, item.subject, Verdict.PASS, evidence)

    def failed(self, item: Item, reason: str, hint: str = "", nodes: Iterable[str] = ()) -> CheckResult:
        """The item is not as it should be; ``nodes`` are those to look at."""
        return CheckResult(self.kind, item.subject, Verdict.FAIL, reason, hint, tuple(dict.fromkeys(nodes)))

    def inconclusive(self, item: Item, reason: str, hint: str = "", nodes: Iterable[str] = ()) -> CheckResult:
        """The question could not be asked."""
        return CheckResult(self.kind, item.subject, Verdict.INCONCLUSIVE, reason, hint, tuple(dict.fromkeys(nodes)))


@dataclass(frozen=True)
class Names:
    """What a check of a lab file may refer to: keys of services, containers, networks and bridges."""

    services: frozenset[str]
    containers: frozenset[str]
    networks: frozenset[str]
    bridges: frozenset[str] = frozenset()

    @property
    def any_network(self) -> frozenset[str]:
        """Everything that a container can be on: networks and bridges of the lab, and those that every engine has."""
        return self.networks | self.bridges | frozenset(PREDEFINED_NETWORKS)


def verdict_of(check: Check, item: Item, replies: Replies) -> CheckResult:
    """Judge one item; what could not be asked makes it inconclusive, never a failure of the target."""
    if item.problem:
        return check.failed(item, item.problem, "`lab status` shows what is there", item.nodes)
    if item.unasked:
        return check.inconclusive(item, item.unasked, "`lab status` shows every node", item.nodes)
    lost = [(question, reply) for question in item.questions if isinstance(reply := replies[question], Unasked)]
    if lost:
        question, reply = lost[0]
        reason = f"{question.vantage} cannot be asked from: {reply.why}"
        return check.inconclusive(item, reason, "`lab status` shows every node", [question.vantage.node])
    return check.judge(item, replies)


def of_kind(reply: Reply, kind: type[Wanted]) -> Wanted:
    """A reply as the kind that its question has; anything else is a fault of ours."""
    assert isinstance(reply, kind), reply  # noqa: S101 (every kind of question has one kind of reply)
    return reply
