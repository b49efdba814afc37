"""``lab down``: take away exactly what we made, by labels and state, never by the lab files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.apply.execute import apply_plan
from orchestrator.errors import EnvironmentProblem, NodeError
from orchestrator.model.inventory import Inventory, ProviderKind
from orchestrator.model.observed import ClusterView, SwarmState
from orchestrator.model.outcome import DownOutcome, LeftBehind
from orchestrator.model.plan import LeaveSwarm, Plan
from orchestrator.observe import observe
from orchestrator.planning.cluster import why_unreachable
from orchestrator.planning.diff import plan_down, plan_remove_labs
from orchestrator.providers.base import Provider
from orchestrator.runtime.context import Context
from orchestrator.runtime.snapshots import sweep
from orchestrator.runtime.state import ClusterState, remove_state, save_state, state_file
from orchestrator.usecases.connect import PATIENCE, Hosts, connected
from orchestrator.usecases.leasing import Leasing
from orchestrator.usecases.memory import swarm_is_ours, with_swarm, without_labs
from orchestrator.usecases.verify import check_labs, labs_up


def down(context: Context, inventory: Inventory, state: ClusterState | None, provider: Provider) -> DownOutcome:
    """Take the whole cluster away; safe to repeat, and right after a crash at any point."""
    plan, left = Plan(), tuple[LeftBehind, ...]()
    if inventory.provider is ProviderKind.SSH:
        # The swarm of vm nodes needs no care: it goes with its machines.
        plan, left = _clean_hosts(context, inventory, state, provider)
    with context.phase("machines", "Take away the machines") as phase:
        removed = tuple(provider.destroy(context))
        sweep(inventory.name)
        phase.summary = ", ".join(removed) or "nothing to take away"
    if not left:
        remove_state(inventory.name)
    return DownOutcome(inventory.name, (), plan, removed, left)


def down_labs(
    context: Context, inventory: Inventory, state: ClusterState | None, labs: Sequence[str], provider: Provider
) -> DownOutcome:
    """Take single labs away; the swarm and the machines stay.

    Raises :class:`UsageError` for a lab that is neither up nor remembered, :class:`NodeError` where no manager
    answers.
    """
    with connected(context, provider, inventory.nodes) as hosts:
        view = _look(context, hosts)
        if view.swarm is None:
            raise NodeError("no manager of the swarm answers", hint="`lab status` shows every node")
        records = state.labs if state else ()
        check_labs(labs, labs_up(view, inventory.name) | {record.name for record in records})
        plan = plan_remove_labs(inventory.name, view, labs)
        with Leasing(context, inventory, provider, "lab down") as lease:
            _apply(context, plan, hosts, view, lease)
    if state is not None:
        save_state(without_labs(state, labs))
    return DownOutcome(inventory.name, tuple(labs), plan)


def _clean_hosts(
    context: Context, inventory: Inventory, state: ClusterState | None, provider: Provider
) -> tuple[Plan, tuple[LeftBehind, ...]]:
    """Clean the hosts that can be reached; what was done, and which hosts could not be cleaned."""
    with connected(context, provider, inventory.nodes, patience=PATIENCE) as hosts:
        view = _look(context, hosts)
        if state is not None:
            state = _note_members(context, state, view, late=not all(node.reachable for node in view.nodes))
        ours = swarm_is_ours(view, inventory.name, state)
        plan = plan_down(inventory.name, view, own_swarm=ours, nodes=inventory.nodes)
        with Leasing(context, inventory, provider, "lab down") as lease:
            _apply(context, plan, hosts, view, lease)
            if ours:
                lease.dissolved()
    return plan, tuple(_left(inventory.name, view, plan, state))


def _left(cluster: str, view: ClusterView, plan: Plan, state: ClusterState | None) -> Iterator[LeftBehind]:
    """The hosts that could not be looked at, and those that stay in a swarm that may well be ours."""
    going = {step.action.node for step in plan.steps if isinstance(step.action, LeaveSwarm)}
    known = {"", *state.members} if state else set()
    for node in view.nodes:
        if not node.reachable:
            again = f"when it is back, repeat `lab down`; if it is gone for good, delete {state_file(cluster)}"
            yield LeftBehind(node.name, why_unreachable(node), again)
        elif node.swarm is not SwarmState.INACTIVE and node.name not in going and node.node_id in known:
            hint = f"repeat `lab down`; if `docker info` there tells of another swarm, delete {state_file(cluster)}"
            yield LeftBehind(node.name, f"it is still in a swarm (its state there: {node.swarm}), maybe ours", hint)


def _note_members(context: Context, state: ClusterState, view: ClusterView, *, late: bool) -> ClusterState:
    """Remember who is in our swarm: after this run there may be no manager left to tell whose worker a late host is.

    Where no host is late, a full disk is no reason to leave anything standing.
    """
    known = with_swarm(state, view)
    try:
        if known != state:
            save_state(known)
    except EnvironmentProblem as error:
        if late:
            raise
        context.notice(f"{error.message}; every host is in reach, so nothing has to be remembered", level="warning")
    return known


def _look(context: Context, hosts: Hosts) -> ClusterView:
    with context.phase("observe", "Look at what is there"):
        return observe(context, hosts, ())


def _apply(context: Context, plan: Plan, hosts: Hosts, view: ClusterView, lease: Leasing) -> None:
    if not plan.steps:
        return
    manager = view.swarm.seen_by if view.swarm else lease.inventory.managers[0].name
    lease.take(hosts, view)
    with context.phase("apply", "Take away what is ours") as phase:
        apply_plan(context, plan, hosts, images={}, manager=manager, fence=lease.fence)
        phase.summary = f"steps done: {len(plan.steps)}"
