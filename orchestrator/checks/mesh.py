"""The routing mesh of published ports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from orchestrator.checks.base import Check, Item, Replies
from orchestrator.checks.topology import Topology
from orchestrator.model.verdict import CheckResult


class MeshCheck(Check):
    """Every published TCP port of the lab answers on every node, from every node and from the operator's side.

    All answers come from running tasks of the service, each entry node leads to all of them in even shares, and the
    tasks see the entry node's ingress address. A port in host mode must answer where a task runs and be refused
    elsewhere. These are the checks `mesh`, `publish-mode`, `identity`, `coverage`, `share` and `entry` of the report.
    """

    kind: Literal["mesh"]

    def plan(self, topology: Topology) -> Sequence[Item]:
        """Published ports are asked all together, in a matrix: see :mod:`orchestrator.planning.probes`."""
        del topology
        return []

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """Not called: see :mod:`orchestrator.planning.judge`."""
        raise NotImplementedError
