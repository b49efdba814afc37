"""``lab verify``: ask every published port from everywhere and judge the answers.

Changes nothing, except for a while where the file of a lab asks for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.checks.derived import attached_labs, deployed_lab, derived_checks
from orchestrator.config.compose import load_lab
from orchestrator.errors import ConfigError, UsageError
from orchestrator.model.inventory import Inventory
from orchestrator.model.lab import Lab
from orchestrator.model.labels import LAB, owned_by
from orchestrator.model.observed import ClusterView
from orchestrator.model.outcome import Route, VerifyOutcome
from orchestrator.model.probe import Pairs, Sample
from orchestrator.model.verdict import CheckResult, Verdict, VerifyReport
from orchestrator.observe import observe
from orchestrator.planning.attach import without_jobs
from orchestrator.planning.cluster import all_labels, ending
from orchestrator.planning.judge import judge
from orchestrator.planning.probes import plan_probes
from orchestrator.planning.tally import MANY, enumerate_names
from orchestrator.providers.base import Provider
from orchestrator.runtime.context import Context
from orchestrator.runtime.retry import NotYet, until
from orchestrator.runtime.state import ClusterState
from orchestrator.usecases.altering import altering, run_altering
from orchestrator.usecases.answering import operator_routes, targets
from orchestrator.usecases.asking import ask
from orchestrator.usecases.attach import attach
from orchestrator.usecases.checking import run_checks
from orchestrator.usecases.connect import Hosts, connected, unreachable
from orchestrator.usecases.experiments import Ground

REPORTING = 5.0
"""Seconds beside its stop grace period until the managers have heard that a task has ended."""


def verify(
    context: Context,
    inventory: Inventory,
    provider: Provider,
    *,
    state: ClusterState | None = None,
    labs: Sequence[str] = (),
    requests: int = 20,
    tolerance: float = 0.2,
    deadline: float = 5.0,
    look_only: bool = False,
    pairs: Pairs | None = None,
    seed: int = 0,
    attached: bool = False,
) -> VerifyOutcome:
    """Check the labs that are up (all, or only ``labs``): their published ports, and whatever else their files ask for.

    Where the file of a lab is gone (``state`` remembers its place), its checks are made from what is up. ``deadline``
    is seconds per request, ``tolerance`` the allowed deviation from an even share; ``look_only`` leaves out what
    changes something for a while. ``pairs`` says which nodes ask which (``None``: by their number), and ``seed`` which
    of them in a sample. With ``attached`` the swarm is somebody else's: its stacks and single services are the labs, no
    file is read, and nothing that changes anything is among the checks.

    Raises :class:`UsageError` for a lab that is not up, :class:`RefusedError` for hosts that are not in one swarm.
    """
    started = time.monotonic()
    with connected(context, provider, inventory.nodes) as hosts:
        with context.phase("observe", "Look at the swarm"):
            view = observe(context, hosts, ())
        view = _settled(context, hosts, view)
        view, jobs = without_jobs(attach(view, inventory.name)) if attached else (view, ())
        if view.swarm is None:
            return _no_manager(inventory, hosts, attached=attached)
        chosen = _stacks(view, inventory.name, labs) if attached else _chosen(context, inventory, state, view, labs)
        meshed = [lab.name for lab in chosen if any(check.kind == "mesh" for check in lab.checks)]
        routes = operator_routes(provider, inventory.nodes, view, inventory.name)
        with context.phase("probe", "Ask every published port from everywhere") as phase:
            plan = plan_probes(
                inventory.name,
                inventory.nodes,
                view,
                targets(routes),
                requests=requests,
                deadline=deadline,
                labs=meshed,
                pairs=pairs,
                seed=seed,
                any_protocol=attached,
            )
            if pairs is None and plan.sample and plan.sample.pairs is not Pairs.ALL:
                context.notice(_sampling(plan.sample))
            asked = ask(context, plan.probes, hosts)
            phase.summary = f"requests: {len(asked.made)}"
        with context.phase("checks", "Carry out the checks of the labs") as phase:
            reports, questions = run_checks(context, hosts, inventory.nodes, view, chosen)
            phase.summary = f"questions: {questions}"
    report = VerifyReport(
        cluster=inventory.name,
        ports=judge(plan, asked.counted, view, tolerance=tolerance),
        checks=() if plan.probes or reports or altering(chosen) else (_nothing_to_check(inventory, attached=attached),),
        labs=tuple(report for report in reports if report.kind != "mesh"),
        probes=len(plan.probes) + questions,
        requests=len(asked.made),
        seconds=time.monotonic() - started,
        sample=plan.sample if plan.probes else None,
    )
    notes = [*plan.notes, *jobs, *asked.notes, *_absent(routes)]
    if look_only:
        notes += [f"left out: the check {check.kind} of {lab.name}" for lab, check in altering(chosen)]
    elif altering(chosen):
        further = run_altering(Ground(context, inventory, provider), chosen, report)
        report = replace(report, labs=(*report.labs, *further), seconds=time.monotonic() - started)
    return VerifyOutcome(report, asked.made, tuple(notes))


def _settled(context: Context, hosts: Hosts, view: ClusterView) -> ClusterView:
    """The cluster once no task is about to end any more, or the time that these have for it is over."""
    passing = ending(view)
    if view.swarm is None or not passing:
        return view
    manager = view.swarm.seen_by
    with context.phase("settle", "Wait for tasks that shall end") as phase:

        def look() -> None:
            told = observe(context, {manager: hosts[manager]}, ()).swarm
            if ending(replace(view, swarm=told)):
                raise NotYet

        try:
            until(context, look, deadline=max(passing.values()) + REPORTING)
            phase.summary = "they have ended"
        except NotYet:
            phase.summary = "some still run"
        return observe(context, hosts, ())


def _chosen(
    context: Context, inventory: Inventory, state: ClusterState | None, view: ClusterView, names: Sequence[str]
) -> list[Lab]:
    """The labs to check, each with its checks. Raises :class:`UsageError` for one that is not up."""
    up = labs_up(view, inventory.name)
    check_labs(names, up)
    files = {record.name: record.path for record in state.labs} if state else {}
    return [_with_checks(context, inventory, view, name, files.get(name)) for name in sorted(names or up)]


def _stacks(view: ClusterView, cluster: str, names: Sequence[str]) -> list[Lab]:
    """The stacks and single services of somebody's swarm. Raises :class:`UsageError` for one that is not there."""
    found = {lab.name: lab for lab in attached_labs(cluster, view)}
    check_labs(names, set(found))
    return [found[name] for name in sorted(names or found)]


def _with_checks(context: Context, inventory: Inventory, view: ClusterView, name: str, file: Path | None) -> Lab:
    lab = deployed_lab(inventory.name, view, name)
    if file is not None:
        try:
            lab = load_lab(file, os.environ).value
        except ConfigError as error:
            what = str(error.problems[0]) if error.problems else error.message
            context.notice(f"checking {name} as it is up, for its file cannot be read: {what}", level="warning")
    return lab if lab.checks else replace(lab, checks=tuple(derived_checks(lab)))


def labs_up(view: ClusterView, cluster: str) -> set[str]:
    """Names of our labs of which the swarm or a node holds anything."""
    return {found.get(LAB, "") for found in all_labels(view) if owned_by(found, cluster)} - {""}


def check_labs(asked: Sequence[str], known: set[str]) -> None:
    """Raise :class:`UsageError` for a lab that is not among the known ones."""
    strange = [lab for lab in asked if lab not in known]
    if strange:
        up = f"up are: {', '.join(sorted(known))}" if known else "no lab is up"
        raise UsageError(f"no such lab is up: {', '.join(strange)}", hint=up)


def _sampling(sample: Sample) -> str:
    """That not all pairs are asked, although nobody said so."""
    return (
        f"{sample.entries} nodes are many, so a sample of the pairs is asked ({sample.pairs}: {sample.promise}); "
        "`--pairs all` asks them all"
    )


def _absent(routes: Sequence[Route]) -> list[str]:
    """Why some nodes were not asked from the operator's own machine, once per reason."""
    nodes: dict[str, list[str]] = {}
    for route in routes:
        if route.absent:
            nodes.setdefault(route.absent, []).append(route.node)
    if len(nodes) > MANY:
        every = enumerate_names(name for names in nodes.values() for name in names)
        return [f"not asked from this machine: {every}, each for a reason of its own; the first: {next(iter(nodes))}"]
    return [f"not asked from this machine: {enumerate_names(names)}: {why}" for why, names in nodes.items()]


def _nothing_to_check(inventory: Inventory, *, attached: bool) -> CheckResult:
    what, hint = ("no lab is up", "`lab up` deploys the labs of the inventory")
    if attached:
        what, hint = "the swarm has no service", "`lab status --attach` shows its nodes"
    reason = f"{what}, so there is nothing to check"
    return CheckResult("mesh", f"cluster {inventory.name}", Verdict.INCONCLUSIVE, reason, hint)


def _no_manager(inventory: Inventory, hosts: Hosts, *, attached: bool) -> VerifyOutcome:
    """Nobody can say what ought to answer."""
    lost = unreachable(hosts)
    why = "; ".join(f"{name}: {problem.message}" for name, problem in lost.items())
    check = CheckResult(
        "swarm",
        f"cluster {inventory.name}",
        Verdict.INCONCLUSIVE,
        f"no manager of a swarm answers ({why})" if why else "no node is a manager of a swarm",
        "`lab status --attach` shows every node"
        if attached
        else "`lab status` shows every node; `lab up` builds or repairs the cluster",
        tuple(lost),
    )
    return VerifyOutcome(VerifyReport(inventory.name, (), (check,)))
