"""PURE: what came of all points, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

from tests.chaos.trial import Result


def document(results: list[Result], seed: int, ground: str) -> dict:
    """Everything, so that any point can be tried again by seed and number."""
    return {
        "seed": seed,
        "ground": ground,
        "points": len(results),
        "struck": sum(result.struck for result in results),
        "faults": sum(bool(result.faults) for result in results),
        "results": [asdict(result) for result in results],
    }


def table(results: list[Result], seed: int, ground: str) -> str:
    """A Markdown table of blows, and a line for each point with a fault."""
    tried = Counter((result.point.blow, result.point.command) for result in results)
    bad = Counter(result.point.blow for result in results if result.faults)
    commands = sorted({command for _, command in tried})
    struck = sum(result.struck for result in results)
    lines = [
        f"seed {seed}, {ground}: {len(results)} points, {struck} struck in time, {sum(bad.values())} with a fault",
        "",
    ]
    lines += [f"| blow | {' | '.join(commands)} | faults |", f"|---|{'---|' * len(commands)}---|"]
    for blow in sorted({blow for blow, _ in tried}):
        cells = " | ".join(str(tried[blow, command]) for command in commands)
        lines.append(f"| {blow} | {cells} | {bad[blow]} |")
    for result in results:
        lines += [f"- {result.point} (after {result.at!r}): {fault}" for fault in result.faults]
    return "\n".join(lines) + "\n"
