"""A plan as plain text: everything in it, one line per fact. For logs and comparisons."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.model.plan import Plan


def describe(plan: Plan) -> str:
    """The plan line by line; steps by number and id, with their reason and what they wait for."""
    return "".join(f"{line}\n" for line in _lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    if not plan.steps:
        yield "no steps"
    for number, step in enumerate(plan.steps, 1):
        yield f"{number}. [{step.id}] {step.summary}"
        yield f"   because: {step.reason}"
        if step.after:
            yield f"   after: {', '.join(step.after)}"
    for refusal in plan.refusals:
        yield f"refused: {refusal.subject}: {refusal.reason}"
        yield f"   hint: {refusal.hint}"
    for left in plan.left:
        yield f"left: {left.subject}: {left.reason}"
        yield f"   hint: {left.hint}"
    yield from (f"note: {note}" for note in plan.notes)
