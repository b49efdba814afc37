"""From what is there to what is wanted: the plans of ``lab up`` and ``lab down``."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.model.inventory import Inventory
from orchestrator.model.observed import ClusterView
from orchestrator.model.plan import InitSwarm, Plan
from orchestrator.planning.cluster import places
from orchestrator.planning.container_steps import behind_removals, bridge_steps, container_removals, run_steps
from orchestrator.planning.containers import node_goals
from orchestrator.planning.down import plan_down, plan_remove_labs
from orchestrator.planning.former import NOTHING, Known
from orchestrator.planning.members import plan_members
from orchestrator.planning.objects import image_steps, object_notes, object_steps
from orchestrator.planning.refusals import refusals
from orchestrator.planning.resolve import Wanted
from orchestrator.planning.survey import survey

__all__ = ["Known", "opening", "plan_down", "plan_remove_labs", "plan_up"]


def plan_up(inventory: Inventory, wanted: Wanted, view: ClusterView, known: Known = NOTHING) -> Plan:
    """The steps from ``view`` to the nodes of ``inventory`` in one swarm with everything ``wanted`` running in it.

    A cluster that is as wanted gives an empty plan. Where something that is not ours stands in the way, the plan holds
    only refusals. What cannot be done while nodes are out of reach is in ``left``, and all else is planned. Objects of
    ours whose lab is not among the wanted ones stay as they are: another ``lab up`` may have made them. ``known`` is
    what we remember of the swarm that we made.
    """
    found = survey(inventory.name, wanted, view.swarm)
    stopping = refusals(inventory, found, view, known)
    if stopping:
        return Plan(refusals=stopping)
    members = plan_members(inventory, view, known.members)
    nodes = places(inventory.nodes, view)
    images = tuple(image_steps(wanted, nodes))
    ready = tuple(step.id for step in members.steps)
    goals = node_goals(found, nodes)
    steps = [*members.steps, *images, *container_removals(inventory.name, goals), *bridge_steps(inventory.name, goals)]
    steps += behind_removals(object_steps(found, members.swarm, ready, images), goals)
    steps += run_steps(found, goals, steps)
    return Plan(steps=tuple(steps), notes=(*members.notes, *object_notes(found, view)), left=members.left)


def opening(plan: Plan) -> tuple[Plan, Plan]:
    """A plan in two: the steps that start the swarm, and all others, which can be carried out after those."""
    first = tuple(step for step in plan.steps if isinstance(step.action, InitSwarm))
    done = {step.id for step in first}
    rest = [replace(step, after=tuple(one for one in step.after if one not in done)) for step in plan.steps]
    return Plan(first), replace(plan, steps=tuple(step for step in rest if step.id not in done))
