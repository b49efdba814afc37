"""Something happens to a service under steady traffic: what clients notice, and when the replica is back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from orchestrator.checks.base import Check, Item, Names, Replies
from orchestrator.checks.endpoints import Endpoints, unknown_endpoints
from orchestrator.checks.timeline import CALM, Window, down, draw, recovered, replaced, settled, window
from orchestrator.checks.topology import Topology
from orchestrator.config.fields import PositiveDuration, Text, checked
from orchestrator.config.hints import shown
from orchestrator.model.inventory import Role
from orchestrator.model.lab import Protocol, PublishMode, Service
from orchestrator.model.timeline import Timeline
from orchestrator.model.verdict import CheckResult
from orchestrator.planning.cluster import Place
from orchestrator.planning.quorum import holds, managers_of, silent

MACHINES = ("kill-machine", "pull-link")
"""What can only be done to machines of lab's own."""

REPLACES = {"kill-machine": 60.0, "pull-link": 60.0, "drain": 60.0}
"""What makes the swarm run a replica elsewhere, and how long that may take where the lab file does not say so."""

EXPECTED = {
    "kill-machine": "expected: traffic after about 5 s (gossip), node down after 13.5-16.5 s, replica after 18-22 s",
    "pull-link": "expected: traffic after about 5 s (gossip), node down after 13.5-16.5 s, replica after 18-22 s",
    "drain": "expected: few failures or none, replica after a few seconds",
    "restart-engine": "expected: failures until the other nodes have heard that the tasks there ended, a few seconds",
    "update": "expected: few failures or none with start-first, one task after the other",
}
"""What Docker's defaults make one expect, shown beside what was measured and never asserted.

A worker's heartbeat is due every 5 s; its node is down when three were missed, give or take the random share of the
period (swarmkit, ``dispatcher.DefaultHeartBeatPeriod``, ``defaultGracePeriodMultiplier``). The gossip of the data path
(memberlist, as libnetwork's ``networkdb`` sets it up) gives a silent node up after about 5 s, and its tasks with it.
"""


def parse_on(value: object) -> int:
    """The position of a node from ``node:N``, 0 for ``holder``. Raises ``ValueError``."""
    match = re.fullmatch(r"holder|node:([1-9][0-9]*)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected holder or node:N, got {shown(value)}")
    return int(match[1] or 0)


On = Annotated[int, *checked(parse_on, {"type": "string", "pattern": r"^(holder|node:[1-9][0-9]*)$|\$"})]


@dataclass(frozen=True)
class Scene:
    """What a disruption is about, as it was before.

    ``node`` is the one to which it happens ("" for an update), ``entries`` are the nodes that are asked meanwhile on
    ``port``, ``lost`` the ids of the tasks that must be replaced.
    """

    service: str
    port: int
    replicas: int
    node: str
    entries: tuple[str, ...]
    lost: frozenset[str]


class DisruptionCheck(Check):
    """Something happens to a service while every surviving node asks its published port all the time.

    `does` is `kill-machine` (the power is cut), `pull-link` (the cable of the cluster's network), `drain`,
    `restart-engine`, or `update` (every task is replaced by the service's own update policy). Afterwards it is taken
    back. The report draws a timeline per entry; the check passes if nothing failed before, traffic recovered on every
    entry (3 s without a failure) as often as it was disturbed, and the lost replicas ran elsewhere, each in time.
    """

    kind: Literal["disruption"]
    service: Text = Field(description="Key of the service; it needs a TCP port published in ingress mode.")
    does: Literal["kill-machine", "pull-link", "drain", "restart-engine", "update"] = Field(description="What happens.")
    on: On = Field(
        default=0,
        validate_default=False,
        description="To which node: holder (one that runs a task and does not lead the swarm) or node:N. "
        "Default: holder.",
    )
    traffic_every: PositiveDuration = Field(
        default=0.1, description="Time between two requests per entry. Default: 100ms."
    )
    lasts: PositiveDuration = Field(default=60.0, description="How long it is watched at most. Default: 60s.")
    recovers_within: PositiveDuration = Field(
        default=30.0, description="How long requests may go on failing. Default: 30s."
    )
    replaced_within: PositiveDuration | None = Field(
        default=None, description="How long until all replicas run again. Default: 60s, not for update, restart-engine."
    )
    errors_at_most: int | None = Field(
        default=None, ge=0, description="How many requests may fail, on all entries together. Default: any number."
    )

    alters: ClassVar[bool] = True

    def plan(self, topology: Topology) -> Sequence[Item]:
        """One item, about the scene."""
        subject = f"{self.does} under {self.service}"
        tasks, wanted = topology.tasks(self.service), topology.service(self.service)
        if wanted is None or not tasks:
            return [Item(subject, problem=f"no task of {self.service} runs")]
        port = _published(wanted)
        if not port:
            return [Item(subject, problem=f"{self.service} publishes no TCP port in ingress mode that could be asked")]
        node, why = ("", "") if self.does == "update" else self._node(topology)
        if why:
            return [Item(subject, unasked=why)]
        spared = () if self.does in ("drain", "update") else (node,)
        entries = tuple(place.name for place in topology.nodes if place.view.reachable and place.name not in spared)
        if not entries:
            return [Item(subject, unasked="no other node is left that could be asked")]
        lost = frozenset(task.task for task in tasks if not node or task.node == node)
        scene = Scene(wanted.name, port, len(tasks), node, entries, lost)
        return [Item(subject, about=scene, nodes=(node,) if node else ())]

    def _node(self, topology: Topology) -> tuple[str, str]:
        """The node to which it happens, or "" and why there is none."""
        managers = [p for p in topology.nodes if p.member and p.member.role is Role.MANAGER and p.view.reachable]
        if self.on:
            chosen = next(iter(topology.placed((self.on,))), None)
            if chosen is None or not chosen.view.reachable:
                return "", f"node {self.on} of the inventory does not exist or does not answer"
            if managers == [chosen]:
                return "", f"{chosen.name} is the only manager: without it nobody could tell what happens"
            if not self._spares(topology, chosen):
                return (
                    "",
                    f"without {chosen.name} too few managers are left for a majority, and nobody could tell anything",
                )
            return chosen.name, ""
        holders = {task.node for task in topology.tasks(self.service)}
        possible = [p for p in topology.nodes if p.name in holders and p.view.reachable and not _leads(p, managers)]
        possible = [place for place in possible if self._spares(topology, place)]
        possible.sort(key=lambda place: place in managers)
        if not possible:
            return (
                "",
                f"no task of {self.service} runs on a node that can be spared (a worker, or one of more managers)",
            )
        return possible[0].name, ""

    def _spares(self, topology: Topology, place: Place) -> bool:
        """Whether the managers keep their majority meanwhile; a drained node goes on to manage."""
        swarm = topology.view.swarm
        if self.does == "drain" or place.member is None or swarm is None:
            return True
        return holds(silent(managers_of(swarm), place.member.id))

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """Not called: see :meth:`results`."""
        raise NotImplementedError

    @property
    def replacing(self) -> float | None:
        """How long the replicas may take to run again, in seconds; ``None`` where that is not asked for."""
        return self.replaced_within or REPLACES.get(self.does)

    def over(self, scene: Scene, timeline: Timeline) -> bool:
        """Whether everything that is waited for has come, and it has been calm since."""
        if timeline.end >= self.lasts:
            return True
        calm = settled(self._windows(timeline))
        back = replaced(timeline.samples, scene.lost, scene.replicas)
        busy = timeline.samples[-1].update == "updating" if timeline.samples else True
        return calm is not None and back is not None and not busy and timeline.end >= max(calm, back) + CALM

    def results(self, item: Item, timeline: Timeline) -> Iterator[CheckResult]:
        """The verdicts: on the time before, on each entry, on the replicas, on the number of failures."""
        windows = self._windows(timeline)
        for one in windows:
            yield self._judge_entry(item, one)
        if self.replacing is not None:
            yield self._judge_replicas(item, timeline)
        errors = sum(one.failed for one in windows)
        if self.errors_at_most is not None:
            subject = _about(item, f"{item.subject}: failures")
            found = f"{errors} of {sum(one.asked for one in windows)} requests failed"
            allowed = f"{found}, expected at most {self.errors_at_most}"
            good = errors <= self.errors_at_most
            yield self.passed(subject, found) if good else self.failed(subject, allowed, _ERRORS, item.nodes)

    def _windows(self, timeline: Timeline) -> list[Window]:
        return [window(timeline, entry) for entry in timeline.entries]

    def _judge_entry(self, item: Item, seen: Window) -> CheckResult:
        subject = _about(item, f"{item.subject}: traffic through {seen.entry}")
        story = _story(seen)
        if seen.before:
            reason = f"{seen.before} requests failed before anything was done"
            return self.failed(subject, reason, "`lab verify --look-only` says what is wrong", [seen.entry])
        if not seen.settled and seen.unasked:
            reason = f"{seen.unasked} requests could not be made"
            return self.inconclusive(subject, reason, "`lab status` shows every node", [seen.entry])
        if not seen.settled:
            reason = f"it did not recover within {self.lasts:g} s: {story}"
            return self.failed(subject, reason, _SILENT, [*item.nodes, seen.entry])
        if seen.outage > self.recovers_within:
            reason = f"expected to recover within {self.recovers_within:g} s, not after {seen.outage:.1f} s: {story}"
            return self.failed(subject, reason, _SILENT, [*item.nodes, seen.entry])
        return self.passed(subject, story)

    def _judge_replicas(self, item: Item, timeline: Timeline) -> CheckResult:
        scene: Scene = item.about
        subject = _about(item, f"{item.subject}: replicas")
        back = replaced(timeline.samples, scene.lost, scene.replicas)
        if back is None:
            reason = f"{scene.replicas} tasks did not run again within {self.lasts:g} s"
            return self.failed(subject, reason, _REPLICA, item.nodes)
        if self.replacing is not None and back > self.replacing:
            reason = f"all ran again after {back:.1f} s, expected within {self.replacing:g} s"
            return self.failed(subject, reason, _REPLICA, item.nodes)
        return self.passed(subject, f"all ran again after {back:.1f} s")

    def drawing(self, item: Item, timeline: Timeline) -> tuple[str, ...]:
        """The timeline as text, with what was measured beside what one expects."""
        windows, scene = self._windows(timeline), item.about
        moments = {
            "E": ("the event", 0.0),
            "D": (f"{scene.node} is down for the managers", down(timeline.samples)),
            "R": ("all replicas run again", replaced(timeline.samples, scene.lost, scene.replicas)),
            "C": ("traffic recovered", recovered(windows)),
        }
        seen = {letter: at for letter, (_, at) in moments.items() if at is not None}
        legend = [f"{letter} {what} {at:.1f} s" for letter, (what, at) in moments.items() if at is not None]
        where = f" on {scene.node}" if scene.node else ""
        return (
            f"{self.does}{where}: {'; '.join(legend)}",
            EXPECTED[self.does],
            *draw(timeline, dict(reversed(seen.items()))),
            *(f"{one.entry}: {_story(one)}" for one in windows),
        )

    def measured(self, item: Item, timeline: Timeline) -> dict[str, Any]:
        """The timeline and what follows from it, as data."""
        windows, scene = self._windows(timeline), item.about
        return {
            "scene": scene,
            "recovered": recovered(windows),
            "settled": settled(windows),
            "replaced": replaced(timeline.samples, scene.lost, scene.replicas),
            "down": down(timeline.samples),
            "windows": windows,
            "timeline": timeline,
        }

    def problems(self, names: Names) -> Iterable[str]:
        """The service must exist."""
        problem = unknown_endpoints(Endpoints("service", self.service), names)
        if problem:
            yield problem
        if self.does == "update" and self.on:
            yield "an update happens to the whole service; expected no key `on`"


def _published(service: Service) -> int:
    """The first TCP port on which every node answers for the service, 0 where there is none."""
    meshed = (p.published for p in service.ports if p.protocol is Protocol.TCP and p.mode is PublishMode.INGRESS)
    return next(filter(None, meshed), 0)


def _leads(place: Place, managers: Sequence[Place]) -> bool:
    return managers == [place] or bool(place.member and place.member.leader)


def _about(item: Item, subject: str) -> Item:
    return Item(subject, about=item.about, nodes=item.nodes)


def _story(seen: Window) -> str:
    if seen.first is None or seen.last is None:
        return f"none of {seen.asked} requests failed"
    when = f"between {seen.first:.1f} s and {seen.last:.1f} s"
    spread = f", at most {seen.outage:.1f} s on end" if seen.outage < seen.last - seen.first else ""
    return f"{seen.failed} of {seen.asked} requests failed, {when}{spread}"


_SILENT = "do the other nodes know that the tasks are gone? docker service ps on a manager; ipvsadm -ln in ingress_sbox"
_REPLICA = "look on a manager: docker service ps --no-trunc, docker node ls"
_ERRORS = "does the image end gracefully, and start-first wait for a health check?"
