"""``lab snapshot save`` and ``lab restore``: a whole running cluster as files, and back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import NodeError, RefusedError, UsageError
from orchestrator.model.observed import ClusterView
from orchestrator.model.outcome import RestoreOutcome, Route
from orchestrator.model.probe import OPERATOR, Probe
from orchestrator.model.snapshot import Health, SnapshotSummary
from orchestrator.observe import observe
from orchestrator.planning.snapshot import inventory_place, lab_places, misfits
from orchestrator.providers.base import Freezable, Provider
from orchestrator.providers.vm.foundation import prune
from orchestrator.runtime.context import Context
from orchestrator.runtime.retry import NotYet, until
from orchestrator.runtime.snapshots import (
    Snapshot,
    appearing,
    digests,
    list_snapshots,
    remove_snapshot,
    require_free,
    require_whole,
    snapshot_dir,
    write_manifest,
)
from orchestrator.runtime.state import ClusterState, save_state
from orchestrator.transport.probing import run_probes
from orchestrator.usecases.answering import ANSWERS, mesh_probes, operator_routes, tasks_due, wait_until_answering
from orchestrator.usecases.clocks import move_clocks, set_clocks
from orchestrator.usecases.connect import Hosts, connected, unreachable
from orchestrator.usecases.locate import shelf_of

READY_SECONDS = 60.0
"""How long restored members may take until their manager calls them ready."""


def save(context: Context, name: str, state: ClusterState, provider: Provider) -> Snapshot:
    """Save the running cluster; it runs on. The snapshot appears whole or not at all.

    Raises :class:`UsageError` for a name that is taken, :class:`NodeError` where a machine does not run.
    """
    freezer = freezable(provider)
    require_free(name)
    nodes = state.inventory.nodes
    with connected(context, provider, nodes) as hosts, appearing(name, state.name) as folder:
        with context.phase("look", "Look how the cluster is") as phase:
            view = observe(context, hosts, ())
            health = _health(context, provider, state, view, hosts)
            phase.summary = _words(health)
        with context.phase("freeze", "Stop all machines, save them, let them run on"):
            created, started = datetime.now(UTC), time.monotonic()
            machines = freezer.freeze(context, folder)
            health = replace(health, certificates_end=move_clocks(hosts, time.monotonic() - started))
        engines = {node.name: view.node(node.name).engine_version for node in nodes}
        with context.phase("digest", "Note what is in the snapshot") as phase:
            files = digests(folder, context.check)
            snapshot = Snapshot(name, created, state, machines, engines, health, files)
            write_manifest(folder, snapshot)
            phase.summary = f"{snapshot.size / 1e6:.0f} MB"
    return snapshot


def check(context: Context, snapshot: Snapshot, provider: Provider) -> None:
    """Raise where the snapshot cannot be restored here; touches nothing.

    That is :class:`RefusedError` for one that does not fit, and
    :class:`orchestrator.runtime.snapshots.DamagedSnapshot` for one that is not as it was saved.
    """
    with context.phase("check", "Check that the snapshot is whole and fits") as phase:
        reasons = misfits(snapshot.machines, freezable(provider).surroundings(context, snapshot.machines))
        if reasons:
            raise RefusedError(
                f"the snapshot {snapshot.name} does not fit this machine; nothing was touched",
                details=reasons,
                hint="a snapshot can be restored only with the QEMU, the accelerator and the node image of its saving",
            )
        require_whole(snapshot_dir(snapshot.name), snapshot, context.check)
        phase.summary = f"{len(snapshot.files)} files, {snapshot.size / 1e6:.0f} MB"


def restore(context: Context, snapshot: Snapshot, file: Path, provider: Provider) -> RestoreOutcome:
    """Put the snapshot's machines in the place of the cluster's, and wait until it is as well as it was when saved.

    ``file`` is the inventory file by which the cluster will be found, where its own is not on this machine. Raises as
    :func:`check` before anything is touched, and :class:`NodeError` where the restored cluster does not come back.
    """
    check(context, snapshot, provider)
    state = moved(snapshot.state, file)
    if state.inventory.path != file.expanduser().absolute():
        context.notice(f"the cluster {state.name} belongs to {state.inventory.path}: other commands find it with -i")
    save_state(state)  # before machines are made: `lab down` finds them after a crash at any point
    with context.phase("machines", "Put the saved machines in their place") as phase:
        freezable(provider).thaw(context, snapshot_dir(snapshot.name), snapshot.machines)
        phase.summary = ", ".join(node.name for node in snapshot.machines.nodes)
    with connected(context, provider, state.inventory.nodes) as hosts:
        _require_reached(snapshot, hosts)
        with context.phase("clocks", "Set the clocks") as phase:
            current = set_clocks(context, hosts, snapshot.health.certificates_end)
            phase.summary = "now" if current else "as saved"
        with context.phase("ready", "Wait until the swarm is ready"):
            view = _await_ready(context, hosts, snapshot.health)
        routes = _answer(context, provider, state, view, hosts, snapshot.health)
    return RestoreOutcome(state.name, snapshot.name, snapshot.created, current, tuple(routes), snapshot.health)


def require_nothing_runs(provider: Provider, name: str) -> None:
    """Raise :class:`RefusedError` where a machine of the cluster exists: ``lab up --from`` replaces none."""
    there = [machine.name for machine in provider.machines() if machine.state != "absent"]
    if there:
        raise RefusedError(
            f"the cluster is there already ({', '.join(there)}); `lab up --from` replaces no machine",
            hint=f"replace it by the snapshot: lab restore {name}",
        )


def freezable(provider: Provider) -> Freezable:
    """The provider, as one that can save its machines. Raises :class:`UsageError` for hosts that exist."""
    if not isinstance(provider, Freezable):
        raise UsageError(
            "only embedded nodes (provider vm) can be saved and restored", hint="hosts that exist are left as they are"
        )
    return provider


def moved(state: ClusterState, file: Path) -> ClusterState:
    """The state with files that exist here: of the inventory, and of the labs."""
    place = inventory_place(state.inventory.path, file.expanduser().absolute(), Path.exists)
    labs = lab_places({record.name: record.path for record in state.labs}, shelf_of(place), Path.exists)
    return replace(
        state,
        inventory=replace(state.inventory, path=place),
        labs=tuple(replace(record, path=labs[record.name]) for record in state.labs),
    )


def remove(name: str) -> None:
    """Delete a snapshot, and what came with it when it was imported. Raises :class:`UsageError` where there is none."""
    remove_snapshot(name)
    prune()


def summaries() -> list[SnapshotSummary]:
    """Every snapshot there is; one that cannot be read with the reason."""
    return [
        summary(entry.snapshot)
        if entry.snapshot
        else SnapshotSummary(entry.name, problem=entry.problem.message if entry.problem else "")
        for entry in list_snapshots()
    ]


def summary(snapshot: Snapshot, reasons: Sequence[str] = ()) -> SnapshotSummary:
    """A snapshot for people; ``reasons`` say why it cannot be restored here."""
    return SnapshotSummary(
        name=snapshot.name,
        cluster=snapshot.state.name,
        created=snapshot.created,
        size=snapshot.size,
        nodes=tuple(node.name for node in snapshot.machines.nodes),
        labs=tuple(record.name for record in snapshot.state.labs),
        engines=tuple(sorted(set(snapshot.engines.values()) - {""})),
        qemu=snapshot.machines.qemu,
        accel=snapshot.machines.accel,
        health=snapshot.health,
        misfits=tuple(reasons),
    )


def _health(context: Context, provider: Provider, state: ClusterState, view: ClusterView, hosts: Hosts) -> Health:
    routes = operator_routes(provider, state.inventory.nodes, view, state.name)
    probes = mesh_probes(state.name, state.inventory.nodes, view, routes, hosts).probes
    answered = {seen.probe for seen in run_probes(context, probes, hosts) if seen.outcome in ANSWERS}
    silent = tuple(sorted(_way(probe) for probe in probes if probe.id not in answered))
    return Health(_ready(view), len(probes), silent)


def _way(probe: Probe) -> str:
    """A way to a published port, in words that are the same after a restore; the operator's ports are not."""
    address = "" if probe.vantage == OPERATOR else f" {probe.target.address}"
    return f"{probe.service}:{probe.published} {probe.vantage} → {probe.target.entry}{address}"


def _ready(view: ClusterView) -> tuple[str, ...]:
    members = view.swarm.nodes if view.swarm else ()
    return tuple(sorted(member.hostname for member in members if member.state == "ready"))


def _words(health: Health) -> str:
    answer = health.ways - len(health.silent)
    return f"{len(health.ready)} members ready, {answer} of {health.ways} ways answer"


def _require_reached(snapshot: Snapshot, hosts: Hosts) -> None:
    """Raise for a node that cannot be reached although it could be when it was saved."""
    for name, problem in unreachable(hosts).items():
        if snapshot.engines.get(name):
            raise NodeError(problem.message, node=name, hint=f"try again: lab restore {snapshot.name}")


def _await_ready(context: Context, hosts: Hosts, health: Health) -> ClusterView:
    def look() -> ClusterView:
        view = observe(context, hosts, ())
        missing = set(health.ready) - set(_ready(view))
        if missing:
            raise NotYet(", ".join(sorted(missing)))
        return view

    try:
        return until(context, look, deadline=READY_SECONDS)
    except NotYet as error:
        raise NodeError(
            f"members are not ready {READY_SECONDS:.0f} s after they were restored: {error}",
            hint="`lab status` shows every node",
        ) from error


def _answer(
    context: Context, provider: Provider, state: ClusterState, view: ClusterView, hosts: Hosts, health: Health
) -> Sequence[Route]:
    """Wait for the ways that answered when the cluster was saved; where all did, for every task on each of them."""
    with context.phase("answer", "Wait until the mesh answers") as phase:
        routes = operator_routes(provider, state.inventory.nodes, view, state.name)
        plan = mesh_probes(state.name, state.inventory.nodes, view, routes, hosts)
        expected = tuple(probe for probe in plan.probes if _way(probe) not in health.silent)
        due: Mapping[tuple[str, int], Mapping[str, int]] = {} if health.silent else tasks_due(view)
        wait_until_answering(context, hosts, replace(plan, probes=expected), due)
        count = len(plan.probes)
        phase.summary = f"ways that answer: {len(expected)} of {count}" if count else "nothing is published"
    return routes
