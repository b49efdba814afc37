"""What the engine refuses to do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import Field

from orchestrator.checks.base import Check, Item, Names, Replies, of_kind
from orchestrator.checks.endpoints import NodesField, absent, nodes_of
from orchestrator.checks.topology import Topology
from orchestrator.config.fields import Text
from orchestrator.model.labels import CLUSTER, ownership
from orchestrator.model.question import EngineCall, Refused
from orchestrator.model.verdict import CheckResult


class RefusalCheck(Check):
    """The engine refuses one call of its API, with the status and the words that it should.

    The call is made. What it creates all the same is removed at once, and the check fails; it carries the labels of the
    lab, so that `lab down` would find it. Names of networks and services in `body` are those in Docker (`LAB_KEY`).
    """

    kind: Literal["refusal"]
    on: NodesField = Field(description="The nodes whose engines are asked; only managers know services.")
    post: Literal["/configs/create", "/containers/create", "/networks/create", "/services/create"] = Field(
        description="Path of the call, without the API's version: one that creates what can be taken away again."
    )
    body: dict[str, Any] = Field(description="What is sent, as in the reference of the Engine API.")
    status: int = Field(ge=400, le=599, description="HTTP status of the refusal.")
    message: Text = Field(description="Words that must be in its message.")
    undo: Literal["/configs", "/containers", "/networks", "/services"] | None = Field(
        default=None, description="Path below which what was created is deleted. Default: post without /create."
    )

    def plan(self, topology: Topology) -> Sequence[Item]:
        """One item for each node."""
        places = nodes_of(topology, self.on)
        if not places:
            return [absent(f"POST {self.post} on {self.on}", self.on)]
        return [self._item(topology, place.name) for place in places]

    def _item(self, topology: Topology, node: str) -> Item:
        subject = f"POST {self.post} on {node}"
        cluster = topology.view.swarm.labels.get(CLUSTER) if topology.view.swarm else None
        if cluster is None:
            return Item(subject, unasked="no manager answers that knows whose the swarm is: nothing may be created")
        labels = {**(self.body.get("Labels") or {}), **ownership(cluster, topology.lab.name)}
        body = json.dumps({**self.body, "Labels": labels})
        undo = self.undo or self.post.removesuffix("/create")
        return Item(subject, (EngineCall(topology.vantage(node), self.post, body, undo),))

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """Refused, with exactly this status and these words."""
        question = item.questions[0]
        reply, nodes = of_kind(replies[question], Refused), [question.vantage.node]
        if reply.created:
            gone = f"could not be removed: {reply.left}" if reply.left else "was removed again"
            hint = "`lab down` finds it by its label" if reply.left else _HINT
            reason = f"not refused (status {reply.status}): it created {reply.created}, which {gone}"
            return self.failed(item, reason, hint, nodes)
        said = f"{reply.status} {reply.message}".strip()
        if _OUT_OF_TIME in reply.message:
            return self.inconclusive(item, f"the managers did not decide in time: {said}", "`lab status`", nodes)
        if reply.status != self.status or self.message not in reply.message:
            return self.failed(item, f"expected {self.status} with {self.message!r}, got {said}", _HINT, nodes)
        return self.passed(item, said)

    def problems(self, names: Names) -> Iterable[str]:
        """What could be created must be found again."""
        del names
        labels = self.body.get("Labels")
        if labels is not None and not isinstance(labels, dict):
            yield "body.Labels: expected a mapping"


_OUT_OF_TIME = "context deadline exceeded"
"""What an engine says, with any status, when it had to give up before it knew the answer (Go, package context)."""

_HINT = "other versions of the engine may say it otherwise: `docker version` on that node"
