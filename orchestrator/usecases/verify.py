"""``lab verify``: ask every published port from everywhere and judge the answers. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence

from orchestrator.errors import UsageError
from orchestrator.model.inventory import Inventory
from orchestrator.model.labels import LAB, owned_by
from orchestrator.model.observed import ClusterView
from orchestrator.model.outcome import Route, VerifyOutcome
from orchestrator.model.verdict import CheckResult, Verdict, VerifyReport
from orchestrator.observe import observe
from orchestrator.planning.judge import judge
from orchestrator.planning.probes import plan_probes
from orchestrator.providers.base import Provider
from orchestrator.runtime.context import Context
from orchestrator.transport.probing import run_probes
from orchestrator.usecases.answering import operator_routes, targets
from orchestrator.usecases.connect import Hosts, connected, unreachable


def verify(
    context: Context,
    inventory: Inventory,
    provider: Provider,
    *,
    labs: Sequence[str] = (),
    requests: int = 20,
    tolerance: float = 0.2,
    deadline: float = 5.0,
) -> VerifyOutcome:
    """Probe the labs that are up (all, or only ``labs``) and judge what came back; nothing is retried.

    ``deadline`` is seconds per request, ``tolerance`` the allowed deviation from an even share. Raises
    :class:`UsageError` for a lab that is not up.
    """
    started = time.monotonic()
    with connected(context, provider, inventory.nodes) as hosts:
        with context.phase("observe", "Look at the swarm"):
            view = observe(context, hosts, ())
        if view.swarm is None:
            return _no_manager(inventory, hosts)
        check_labs(labs, labs_up(view, inventory.name))
        routes = operator_routes(provider, inventory.nodes, view, inventory.name)
        with context.phase("probe", "Ask every published port from everywhere") as phase:
            plan = plan_probes(
                inventory.name, inventory.nodes, view, targets(routes), requests=requests, deadline=deadline, labs=labs
            )
            observations = run_probes(context, plan.probes, hosts)
            phase.summary = f"requests: {len(observations)}"
    report = VerifyReport(
        cluster=inventory.name,
        ports=judge(plan, observations, view, tolerance=tolerance),
        checks=() if plan.probes else (_nothing_published(inventory.name),),
        probes=len(plan.probes),
        requests=len(observations),
        seconds=time.monotonic() - started,
    )
    return VerifyOutcome(report, tuple(observations), (*plan.notes, *_absent(routes)))


def labs_up(view: ClusterView, cluster: str) -> set[str]:
    """Names of our labs of which the swarm holds a service or a node a plain container."""
    labels = [live.spec.labels for live in (view.swarm.services if view.swarm else ())]
    labels += [live.labels for node in view.nodes for live in node.plain]
    return {found.get(LAB, "") for found in labels if owned_by(found, cluster)} - {""}


def check_labs(asked: Sequence[str], known: set[str]) -> None:
    """Raise :class:`UsageError` for a lab that is not among the known ones."""
    strange = [lab for lab in asked if lab not in known]
    if strange:
        up = f"up are: {', '.join(sorted(known))}" if known else "no lab is up"
        raise UsageError(f"no such lab is up: {', '.join(strange)}", hint=up)


def _absent(routes: Sequence[Route]) -> list[str]:
    """Why some nodes were not asked from the operator's own machine, once per reason."""
    nodes: dict[str, list[str]] = {}
    for route in routes:
        if route.absent:
            nodes.setdefault(route.absent, []).append(route.node)
    return [f"not asked from this machine: {', '.join(dict.fromkeys(names))}: {why}" for why, names in nodes.items()]


def _nothing_published(cluster: str) -> CheckResult:
    return CheckResult(
        "mesh",
        f"cluster {cluster}",
        Verdict.INCONCLUSIVE,
        "no service of a lab publishes a TCP port, so there is nothing to ask",
        "`lab up` deploys the labs of the inventory",
    )


def _no_manager(inventory: Inventory, hosts: Hosts) -> VerifyOutcome:
    """Nobody can say what ought to answer."""
    lost = unreachable(hosts)
    why = "; ".join(f"{name}: {problem.message}" for name, problem in lost.items())
    check = CheckResult(
        "swarm",
        f"cluster {inventory.name}",
        Verdict.INCONCLUSIVE,
        f"no manager of a swarm answers ({why})" if why else "no node is a manager of a swarm",
        "`lab status` shows every node; `lab up` builds or repairs the cluster",
        tuple(lost),
    )
    return VerifyOutcome(VerifyReport(inventory.name, (), (check,)))
