"""``lab up``: machines, a swarm and its labs, from whatever is there to what is wanted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.apply.execute import apply_plan
from orchestrator.errors import NodeError, RefusedError
from orchestrator.images import ensure_lab_images
from orchestrator.model.image import LabImage
from orchestrator.model.inventory import Inventory, NodeConfig, ProviderKind
from orchestrator.model.lab import Lab
from orchestrator.model.observed import ClusterView, NodeView
from orchestrator.model.outcome import MachineChange, PlanOutcome, Route, UpOutcome
from orchestrator.model.plan import Deferral, Plan
from orchestrator.observe import observe
from orchestrator.planning.diff import Known, opening, plan_up
from orchestrator.planning.images import as_kept
from orchestrator.planning.resolve import used_images, wanted
from orchestrator.providers.base import Provider
from orchestrator.runtime.context import Context
from orchestrator.runtime.state import load_state, save_state
from orchestrator.usecases.answering import mesh_probes, operator_routes, tasks_due, wait_until_answering
from orchestrator.usecases.connect import NOT_RUNNING, Hosts, connected
from orchestrator.usecases.leasing import Leasing
from orchestrator.usecases.memory import remembered, with_swarm


@dataclass(frozen=True)
class _Goal:
    """What a run is to reach; ``known`` is what we remember of the swarm that we made."""

    inventory: Inventory
    labs: Sequence[Lab]
    images: Mapping[str, LabImage]
    known: Known

    def on(self, view: ClusterView) -> _Goal:
        """The same, with the images as the engines of these nodes know them."""
        return replace(self, images=as_kept(self.images, view.nodes))

    def plan(self, view: ClusterView) -> Plan:
        """What has to be done yet."""
        return plan_up(self.inventory, wanted(self.inventory, self.labs, self.images), view, self.known)


def up(context: Context, inventory: Inventory, labs: Sequence[Lab], provider: Provider) -> UpOutcome:
    """Bring the cluster and its labs up; safe to repeat after any interruption.

    Raises :class:`RefusedError` before anything is changed where something is in the way, and
    :class:`NodeError` where the cluster is not as wanted, or does not answer, at the end.
    """
    state = remembered(load_state(inventory.name), inventory, labs)
    if inventory.provider is ProviderKind.VM:
        save_state(state)  # before machines are made: `lab down` finds them after a crash at any point
    started = _machines(context, provider)
    goal = _Goal(inventory, labs, _images(context, labs), Known(state.cluster_id, state.members))
    with connected(context, provider, inventory.nodes) as hosts:
        view, goal, plan = _look(context, hosts, goal)
        _refuse(plan)
        left = plan.left
        save_state(with_swarm(state, view))
        with Leasing(context, inventory, provider, "lab up") as lease:
            if plan.steps:
                _apply(context, plan, hosts, goal, view, lease)
                view, left = _check(context, hosts, goal)
                save_state(with_swarm(state, view))
            else:
                lease.tidy(hosts, view)
        routes = _answer(context, provider, hosts, inventory, view)
    return UpOutcome(inventory.name, started, plan, routes, left)


def preview(context: Context, inventory: Inventory, labs: Sequence[Lab], provider: Provider) -> PlanOutcome:
    """What :func:`up` would do. Starts nothing, writes no state, changes no node.

    Hosts that exist are examined as :func:`up` does it: raises :class:`NodeError` for what keeps them from being used.
    """
    state = remembered(load_state(inventory.name), inventory, labs)
    if inventory.provider is ProviderKind.SSH:
        with context.phase("machines", "Examine the hosts"):
            provider.ensure(context)  # changes nothing on hosts that exist
    machines = {machine.name: machine.state for machine in provider.machines()}
    missing = [node for node in inventory.nodes if machines.get(node.name) in NOT_RUNNING]
    present = [node for node in inventory.nodes if node not in missing]
    # Where no machine runs there is nothing to compare image ids with, and no image needs to be made for that.
    images = _images(context, labs) if present else {}
    goal = _Goal(inventory, labs, images, Known(state.cluster_id, state.members))
    with connected(context, provider, present) as hosts:
        _, _, plan = _look(context, hosts, goal, missing)
    changes = [MachineChange(node.name, "create" if machines[node.name] == "absent" else "start") for node in missing]
    return PlanOutcome(inventory.name, tuple(changes), plan)


def _machines(context: Context, provider: Provider) -> tuple[str, ...]:
    with context.phase("machines", "Bring up the machines") as phase:
        started = tuple(provider.ensure(context))
        phase.summary = f"started {', '.join(started)}" if started else "all are there"
    return started


def _images(context: Context, labs: Sequence[Lab]) -> dict[str, LabImage]:
    references = used_images(labs)
    with context.phase("images", "Make the images of the labs ready") as phase:
        images = ensure_lab_images(context, references)
        phase.summary = ", ".join(images) or "none of ours is needed"
    return images


def _look(
    context: Context, hosts: Hosts, goal: _Goal, unmade: Collection[NodeConfig] = ()
) -> tuple[ClusterView, _Goal, Plan]:
    """Observe and plan; nodes whose machines are not made yet are taken as they will be."""
    with context.phase("observe", "Look at what is there and plan") as phase:
        seen = observe(context, hosts, goal.images)
        views = {view.name: view for view in seen.nodes}
        views |= {node.name: _fresh(node, goal.images) for node in unmade}
        view = ClusterView(tuple(views[node.name] for node in goal.inventory.nodes), seen.swarm)
        goal = goal.on(view)
        plan = goal.plan(view)
        phase.summary = f"steps to do: {len(plan.steps)}" if plan.steps else "nothing to do"
    return view, goal, plan


def _fresh(node: NodeConfig, images: Mapping[str, LabImage]) -> NodeView:
    """How a machine will look that is not made yet: its node image holds the images that we make."""
    return NodeView(node.name, reachable=True, images={name: image.id for name, image in images.items()})


def _refuse(plan: Plan) -> None:
    """Raise what stands in the way, all at once."""
    if plan.refusals:
        raise RefusedError(
            "something is in the way that is not ours to change; nothing was changed",
            details=[f"{refusal.subject}: {refusal.reason}" for refusal in plan.refusals],
            hint="; ".join(dict.fromkeys(refusal.hint for refusal in plan.refusals if refusal.hint)),
        )


def _apply(context: Context, plan: Plan, hosts: Hosts, goal: _Goal, view: ClusterView, lease: Leasing) -> None:
    """Carry the plan out under the lease. That lies in the swarm: where there is none yet, starting it comes first."""
    manager = view.swarm.seen_by if view.swarm else goal.inventory.managers[0].name

    def carry_out(part: Plan) -> None:
        apply_plan(context, part, hosts, images=goal.images, manager=manager, fence=lease.fence)

    with context.phase("apply", "Build the swarm and its labs") as phase:
        if view.swarm:
            lease.take(hosts, view)
        elif lease.needed:
            start, plan = opening(plan)
            carry_out(start)
            lease.take_first(hosts)
        carry_out(plan)
        phase.summary = f"steps done: {len(plan.steps)}"


def _check(context: Context, hosts: Hosts, goal: _Goal) -> tuple[ClusterView, tuple[Deferral, ...]]:
    """Look and plan once more; a plan that is not empty now means that a step did not do what it said.

    What has to be left for a later run is told with what was seen.
    """
    with context.phase("check", "Look again: nothing may be left to do"):
        view = observe(context, hosts, goal.images)
        plan = goal.plan(view)
        if not plan.empty:
            steps = [f"{step.summary} ({step.reason})" for step in plan.steps]
            refusals = [f"{refusal.subject}: {refusal.reason}" for refusal in plan.refusals]
            raise NodeError(
                "all steps were done, and yet the cluster is not as wanted",
                details=[*steps, *refusals],
                hint="run `lab up` again; if it says the same, look at `lab status` and at the engines' logs",
            )
    return view, plan.left


def _answer(
    context: Context, provider: Provider, hosts: Hosts, inventory: Inventory, view: ClusterView
) -> tuple[Route, ...]:
    """Wait until every published port answers from every node and from here, for every task."""
    with context.phase("answer", "Wait until every published port answers from every node") as phase:
        routes = operator_routes(provider, inventory.nodes, view, inventory.name)
        asked = mesh_probes(inventory.name, inventory.nodes, view, routes, hosts)
        wait_until_answering(context, hosts, asked, tasks_due(view))
        phase.summary = f"ways that answer: {len(asked.probes)}" if asked.probes else "nothing is published"
    return tuple(routes)
