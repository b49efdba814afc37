"""What became of a plain container."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import Field

from orchestrator.checks.base import Check, Item, Names, Replies, of_kind
from orchestrator.checks.endpoints import Endpoints, absent, unknown_endpoints
from orchestrator.checks.topology import Topology
from orchestrator.config.fields import Text
from orchestrator.model.question import Inspect, Inspected, Vantage
from orchestrator.model.verdict import CheckResult


class ContainerCheck(Check):
    """A plain container is in the state in which it should be, on every node that shall have it.

    A container that could never be started stays `created`, one whose process has ended is `exited`. With `message`,
    that text must be in the engine's error or in the last 20 lines that the container has written.
    """

    kind: Literal["container"]
    key: Text = Field(description="Key of the container.")
    state: Literal["running", "exited", "created"] = Field(description="Docker's word for its state.")
    message: Text | None = Field(default=None, description="What the engine or the container itself must have said.")

    def plan(self, topology: Topology) -> Sequence[Item]:
        """One item for each node that shall have it."""
        wanted = next((one for one in topology.lab.containers if one.key == self.key), None)
        if wanted is None:
            return [absent(f"container {self.key}", Endpoints("container", self.key))]
        return [self._item(topology.vantage(place.name), wanted.name) for place in topology.placed(wanted.on)]

    def _item(self, vantage: Vantage, name: str) -> Item:
        inspect = Inspect(vantage, "container", name)
        questions = (inspect, Inspect(vantage, "logs", name)) if self.message else (inspect,)
        return Item(f"container {name} on {vantage.node}", questions)

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """The state, and the words."""
        found, *logs = (of_kind(replies[question], Inspected).found for question in item.questions)
        nodes = [item.questions[0].vantage.node]
        if found is None:
            return self.failed(item, "there is no such container", "`lab up` makes it", nodes)
        state, error = found["State"]["Status"], found["State"].get("Error") or ""
        lines = [line for text in logs for line in (text or "").splitlines()]
        seen = _seen(found["State"], error, lines)
        if state != self.state:
            return self.failed(item, f"expected {self.state}, got {seen}", _HINT, nodes)
        if self.message and not any(self.message in text for text in (error, *lines)):
            return self.failed(item, f"{seen}: nowhere the words {self.message!r}", _HINT, nodes)
        said = next((text for text in (error, *lines) if self.message and self.message in text), "")
        return self.passed(item, f"{state}: {said}" if said else seen)

    def problems(self, names: Names) -> Iterable[str]:
        """The container must exist."""
        if unknown := unknown_endpoints(Endpoints("container", self.key), names):
            yield unknown


def _seen(state: Any, error: str, lines: Sequence[str]) -> str:  # noqa: ANN401 (what the engine says)
    """The state with what was said last, for a sentence."""
    code = f" with code {state.get('ExitCode')}" if state["Status"] == "exited" else ""
    last = error or (lines[-1] if lines else "")
    return f"{state['Status']}{code}" + (f" ({last.strip()})" if last.strip() else "")


_HINT = "`docker inspect` and `docker logs` on that node"
