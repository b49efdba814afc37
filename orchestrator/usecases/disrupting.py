"""The check ``disruption``: let something happen to a service under steady traffic, watch, and take it back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from orchestrator.apply.alter import force_update, set_availability
from orchestrator.apply.site import Job, Manager, Raw, Site
from orchestrator.checks.base import Item
from orchestrator.checks.disruption import MACHINES, DisruptionCheck, Scene
from orchestrator.checks.timeline import failed
from orchestrator.checks.topology import Topology
from orchestrator.errors import LabError, NodeError
from orchestrator.model.inventory import Availability, NodeConfig
from orchestrator.model.lab import Lab
from orchestrator.model.observed import SwarmNode
from orchestrator.model.timeline import Sample, Timeline
from orchestrator.model.verdict import CheckReport, CheckResult, Verdict
from orchestrator.observe import observe
from orchestrator.planning.tally import WORDS
from orchestrator.providers.base import Breakable
from orchestrator.runtime.context import Context
from orchestrator.runtime.retry import NotYet, until
from orchestrator.transport.engine_errors import engine_errors
from orchestrator.transport.traffic import Traffic
from orchestrator.usecases.connect import Hosts, connections
from orchestrator.usecases.experiments import Ground, answering_again, failure, judged_unasked, report, taking_back

LEAD = 3.0
"""Seconds of traffic without a failure before anything happens."""

LEADS = 20
"""How often so many seconds are waited for: what happened before may still be felt for a while."""

LOOK = 0.25
"""Seconds between two looks at the tasks."""

REJOIN = 180.0
"""Seconds that a node may take to be a ready member again, and as long again for the service to be whole."""


@dataclass(frozen=True)
class _Act:
    """What happens, and how it is taken back; ``undone`` says that in words."""

    do: Callable[[], None]
    undo: Callable[[Context], None]
    undone: str


def disrupt(ground: Ground, lab: Lab, check: DisruptionCheck) -> CheckReport:
    """Carry out a check of the kind ``disruption``."""
    if check.does in MACHINES and not isinstance(ground.provider, Breakable):
        reason = f"{check.does} needs machines of lab's own (provider vm); these hosts are somebody's"
        hint = "drain and restart-engine work on any host"
        return report(lab, check, [CheckResult(check.kind, check.does, Verdict.INCONCLUSIVE, reason, hint)])
    with connections(ground.context, ground.provider, ground.inventory.nodes) as hosts:
        topology = ground.topology(hosts, lab)
        (item,) = check.plan(topology)
        if hindered := judged_unasked(check, [item]):
            return report(lab, check, hindered)
        scene: Scene = item.about
        with ground.context.step(f"{check.does} {scene.service}", item.subject, node=scene.node):
            timeline = _watched(ground, hosts, check, item, _act(ground, hosts, topology, check, scene))
    whole = _whole_again(ground, check, scene)
    results = [*check.results(item, timeline), whole]
    return report(lab, check, results, check.drawing(item, timeline), check.measured(item, timeline))


def _act(ground: Ground, hosts: Hosts, topology: Topology, check: DisruptionCheck, scene: Scene) -> _Act:
    site = ground.site(ground.context, hosts)
    if check.does == "update":
        return _Act(lambda: force_update(site, scene.service), lambda _: None, "the update")
    place = next(place for place in topology.nodes if place.name == scene.node)
    if check.does == "drain":
        return _drain(ground, site, place.member)
    if check.does == "restart-engine":
        return _restart(ground, site, scene.node)
    return _break(ground, check.does, place.config)


def _drain(ground: Ground, site: Site, member: SwarmNode | None) -> _Act:
    assert member is not None  # noqa: S101 (a task runs there)
    return _Act(
        lambda: set_availability(site, member.id, Availability.DRAIN),
        lambda context: set_availability(ground.afresh(context), member.id, member.availability),
        f"setting {member.hostname} to {member.availability.value} again",
    )


def _restart(ground: Ground, site: Site, node: str) -> _Act:
    def call(site: Site, *words: str) -> None:
        result = site.host(node).run(("systemctl", *words, "docker"), timeout=120, root=True)
        if result.exit_code:
            said = result.stderr.strip() or f"exit code {result.exit_code}"
            raise NodeError(f"`systemctl {' '.join(words)} docker` failed: {said}", node=node)

    return _Act(
        lambda: call(site, "--no-block", "restart"),
        lambda context: call(ground.afresh(context), "start"),
        f"starting the engine of {node}",
    )


def _break(ground: Ground, does: str, node: NodeConfig) -> _Act:
    provider = ground.provider
    assert isinstance(provider, Breakable)  # noqa: S101 (looked at before)

    def boot(context: Context) -> None:
        ground.provider.ensure(context)

    if does == "kill-machine":
        return _Act(lambda: provider.cut_power(node), boot, f"booting {node.name}")
    return _Act(
        lambda: provider.set_link(node, up=False),
        lambda _: provider.set_link(node, up=True),
        f"plugging the cable of {node.name} in again",
    )


def _watched(ground: Ground, hosts: Hosts, check: DisruptionCheck, item: Item, act: _Act) -> Timeline:
    """What was seen of the event; afterwards it has been taken back.

    Where taking back fails, what was seen is worth telling all the same: that not all is whole again shows next.
    """
    seen: list[Timeline] = []
    try:
        with taking_back(ground, act.undone, act.undo):
            seen.append(_stream(ground, hosts, check, item.about, act))
    except LabError:
        ground.context.check()
        if not seen:
            raise
    return seen[0]


def _stream(ground: Ground, hosts: Hosts, check: DisruptionCheck, scene: Scene, act: _Act) -> Timeline:
    """Traffic, the event in the midst of it, and what was seen until all is over."""
    site = ground.site(ground.context, {name: host for name, host in hosts.items() if name != scene.node})
    watch = _Watch(site.manager(), scene)
    asked = {name: ground.site(ground.context, hosts).host(name) for name in scene.entries}
    with Traffic(asked, scene.port, check.traffic_every) as traffic:
        _await_calm(ground.context, traffic)
        event = time.monotonic()
        act.do()
        while True:
            watch.look(event)
            shots = tuple(shot for shot in traffic.shots(event) if shot.at >= -LEAD)
            timeline = Timeline(scene.entries, shots, tuple(watch.samples), time.monotonic() - event)
            if check.over(scene, timeline):
                return timeline
            ground.context.wait(LOOK)


def _await_calm(context: Context, traffic: Traffic) -> None:
    """Let traffic flow until none of it fails for ``LEAD`` seconds. Raises ``NodeError`` where that does not come."""
    for _ in range(LEADS):
        context.wait(LEAD)
        wrong = [shot for shot in traffic.shots(time.monotonic()) if shot.at >= -LEAD and failed(shot)]
        if not wrong:
            return
    raise NodeError(
        f"{len(wrong)} of the last requests failed before anything was done: {WORDS[wrong[-1].outcome]}",
        node=wrong[-1].entry,
        hint="`lab verify --look-only` says what is wrong",
    )


@dataclass
class _Watch:
    """A manager that is asked again and again."""

    manager: Manager
    scene: Scene
    samples: list[Sample] = field(default_factory=list)

    def look(self, event: float) -> None:
        """One sample; none where the manager does not answer just now (it may be electing a leader)."""
        engine, service = self.manager.engine, self.scene.service
        try:
            with engine_errors(self.manager.name, f"look at service {service}"):
                at = time.monotonic() - event
                tasks = engine.tasks(filters={"service": service})
                nodes = engine.nodes()
                update = str((engine.inspect_service(service).get("UpdateStatus") or {}).get("State") or "")
        except NodeError:
            return
        running = frozenset(task["ID"] for task in tasks if _runs(task))
        states = {node["Description"]["Hostname"]: str(node["Status"]["State"]) for node in nodes}
        self.samples.append(Sample(at, running, states.get(self.scene.node, ""), update))


def _runs(task: Raw) -> bool:
    return bool(task["DesiredState"] == "running" and task["Status"]["State"] == "running")


def _whole_again(ground: Ground, check: DisruptionCheck, scene: Scene) -> CheckResult:
    """After it was taken back every member must be ready, and the service whole, without anybody's help."""
    subject = f"{scene.service} is whole again"
    try:
        with (
            ground.context.step(f"after {check.does}", f"wait until {subject}", node=scene.node) as progress,
            connections(ground.context, ground.provider, ground.inventory.nodes) as hosts,
        ):
            site = ground.site(ground.context, hosts, REJOIN)
            until(ground.context, lambda: _members_ready(ground, hosts), deadline=REJOIN, pause=1.0)
            answering_again(ground, Job(site, progress), hosts, scene.service)
    except NotYet as late:
        reason = f"not within {REJOIN:.0f} s: {late}"
        return CheckResult(check.kind, subject, Verdict.FAIL, reason, "`lab up` repairs the cluster")
    except NodeError as error:
        return replace(failure(check, subject, error), hint="`lab up` repairs the cluster")
    return CheckResult(check.kind, subject, Verdict.PASS)


def _members_ready(ground: Ground, hosts: Hosts) -> None:
    swarm = observe(ground.context, hosts, ()).swarm
    waiting = [member.hostname for member in swarm.nodes if member.state != "ready"] if swarm else ["a manager"]
    if waiting:
        raise NotYet(f"{', '.join(waiting)} not ready")
