"""Plans, and what came of them, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from orchestrator.model.outcome import DownOutcome, MachineChange, PlanOutcome, Route, UpOutcome
from orchestrator.model.plan import (
    AwaitService,
    Deferral,
    LeaveSwarm,
    Plan,
    RemoveBridge,
    RemoveConfig,
    RemoveContainer,
    RemoveMember,
    RemoveNetwork,
    RemoveService,
    Step,
    UpdateNode,
    UpdateService,
)
from orchestrator.report.journal import Journal
from orchestrator.report.words import count, seconds

REMOVALS = (LeaveSwarm, RemoveBridge, RemoveConfig, RemoveContainer, RemoveMember, RemoveNetwork, RemoveService)
UPDATES = (UpdateNode, UpdateService)
PARTLY = "bold yellow"
STYLES = {"+": "green", "~": "yellow", "-": "red", "…": "dim"}


def symbol(step: Step) -> str:
    """One sign for what a step does: ``+`` makes, ``~`` changes, ``-`` takes away, ``…`` waits."""
    if isinstance(step.action, REMOVALS):
        return "-"
    if isinstance(step.action, UPDATES):
        return "~"
    return "…" if isinstance(step.action, AwaitService) else "+"


def render_plan(outcome: PlanOutcome) -> list[RenderableType]:
    """What ``lab up`` would do, or what stands in its way."""
    lines = [_machine_line(change) for change in outcome.machines]
    lines += _plan_lines(outcome.plan, {})
    lines += _left_lines(outcome.plan.left)
    if outcome.plan.refusals:
        lines.append(Text(f"cluster {outcome.cluster}: refused, nothing would be done", style="bold red"))
    elif outcome.changes:
        changes = len(outcome.machines) + len(outcome.plan.steps)
        lines.append(Text(f"cluster {outcome.cluster}: {count(changes, 'step')}; nothing was done", style="bold"))
    elif outcome.plan.left:
        lines.append(
            Text(f"cluster {outcome.cluster}: nothing can be done now, and not all is as wanted", style=PARTLY)
        )
    else:
        lines.append(Text(f"cluster {outcome.cluster}: nothing to do, everything is as wanted", style="bold green"))
    return list(lines)


def render_up(outcome: UpOutcome, journal: Journal) -> list[RenderableType]:
    """What ``lab up`` changed, how long the phases took, and where to look now."""
    lines = [_machine_line(MachineChange(name, "start")) for name in outcome.machines]
    lines += _plan_lines(outcome.plan, journal.step_seconds)
    lines += phase_lines(journal)
    lines += render_routes(outcome.routes)
    lines += _left_lines(outcome.left)
    changes = len(outcome.machines) + len(outcome.plan.steps)
    if outcome.left:
        done = count(changes, "step") if outcome.changed else "nothing was changed"
        rest = "the rest waits: run `lab up` again"
        lines.append(Text(f"cluster {outcome.cluster} is up in part ({done}); {rest}", style=PARTLY))
    elif outcome.changed:
        lines.append(Text(f"cluster {outcome.cluster} is up ({count(changes, 'step')})", style="bold green"))
    else:
        lines.append(Text(f"cluster {outcome.cluster} is up, nothing was changed", style="bold green"))
    return list(lines)


def render_down(outcome: DownOutcome, journal: Journal) -> list[RenderableType]:
    """What ``lab down`` took away and what it had to leave."""
    lines = _plan_lines(outcome.plan, journal.step_seconds)
    lines += [Text.assemble(("- ", STYLES["-"]), removed) for removed in outcome.removed]
    lines += _left_lines([Deferral(left.node, f"left as it is: {left.reason}", left.hint) for left in outcome.left])
    subject = f"cluster {outcome.cluster}" if outcome.cluster else "no cluster is known here"
    if outcome.labs:
        subject = f"{', '.join(outcome.labs)} of {subject}"
    if outcome.left:
        nodes = count(len(outcome.left), "node")
        lines.append(Text(f"{subject}: {nodes} out of reach; run `lab down` again when back", style="bold yellow"))
    elif outcome.changed:
        lines.append(Text(f"{subject} is gone", style="bold green"))
    else:
        lines.append(Text(f"{subject}: nothing to do", style="bold green"))
    return list(lines)


def render_routes(routes: Sequence[Route]) -> list[Text]:
    """Where to look from this machine: ``n1  http://127.0.0.1:31080`` per service and node."""
    lines: list[Text] = []
    for service, published in dict.fromkeys((route.service, route.published) for route in routes):
        lines.append(Text(f"{service} :{published} from this machine", style="bold"))
        for route in routes:
            if (route.service, route.published) == (service, published):
                where = route.absent or f"http://{route.address}:{route.port}"
                lines.append(Text(f"  {route.node}  {where}", style="dim" if route.absent else ""))
    return lines


def _left_lines(left: Sequence[Deferral]) -> list[Text]:
    lines = []
    for one in left:
        lines.append(Text.assemble(("! ", PARTLY), f"{one.subject}: {one.reason}"))
        if one.hint:
            lines.append(Text(f"    {one.hint}", style="dim"))
    return lines


def _machine_line(change: MachineChange) -> Text:
    return Text.assemble(("+ ", STYLES["+"]), f"{change.change} machine {change.node}")


def _plan_lines(plan: Plan, step_seconds: Mapping[str, float]) -> list[Text]:
    lines = []
    for step in plan.steps:
        sign = symbol(step)
        reason = f"  ({step.reason})" if step.reason else ""
        took = f"  {seconds(step_seconds[step.id])}" if step.id in step_seconds else ""
        lines.append(Text.assemble((f"{sign} ", STYLES[sign]), step.summary, (f"{reason}{took}", "dim")))
    for refusal in plan.refusals:
        lines.append(Text.assemble(("✗ ", "bold red"), f"{refusal.subject}: {refusal.reason}"))
        lines.append(Text(f"    {refusal.hint}", style="dim"))
    lines += [Text.assemble(("· ", "dim"), note) for note in plan.notes]
    return lines


def phase_lines(journal: Journal) -> list[Text]:
    """How long each phase took, in one line."""
    if not journal.phases:
        return []
    parts = ", ".join(f"{record.phase} {seconds(record.seconds)}" for record in journal.phases)
    return [Text(f"phases: {parts}", style="dim")]
