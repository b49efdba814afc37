"""``python -m tests.chaos``: try seeded points on real nodes, show what came of them, and write it down."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tests.chaos.ground import host_ground, vm_ground
from tests.chaos.points import draw
from tests.chaos.report import document, table
from tests.chaos.trial import try_point

GROUNDS = {"ssh": host_ground, "vm": vm_ground}


def main(
    points: Annotated[int, typer.Option(help="The number of the last point that is tried.")] = 100,
    first: Annotated[int, typer.Option(help="The number of the first one.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed draws the same points.")] = 1,
    only: Annotated[int, typer.Option(help="Try this point alone.")] = 0,
    ground: Annotated[str, typer.Option(help="ssh: hosts that stay; vm: the provider's own machines.")] = "ssh",
    file: Annotated[Path | None, typer.Option("--json", help="Write every point there.")] = None,
) -> None:
    """Let commands come to grief at random points, and prove that `up` and `down` mend what is left."""
    for number in (signal.SIGINT, signal.SIGTERM):  # whatever ends this run, its machines go with it
        signal.signal(number, signal.default_int_handler)
    results = []
    # Short: UNIX sockets live below it.
    with tempfile.TemporaryDirectory(prefix="c-") as folder, GROUNDS[ground](Path(folder)) as place:
        for number in [only] if only else range(first, points + 1):
            result = try_point(place, draw(seed, number, place.blows, place.commands))
            results.append(result)
            verdict = "; ".join(result.faults) or "well"
            blow = f"struck after {result.at!r}" if result.struck else f"ended before with {result.code}: {result.at!r}"
            print(f"{result.point}; {blow} ({result.seconds:.0f} s): {verdict}", file=sys.stderr, flush=True)
            if result.faults:
                place.scrub()  # or the points that follow would find what this one has left
            if file:
                file.write_text(json.dumps(document(results, seed, ground), indent=2) + "\n")
    print(table(results, seed, ground), end="")
    raise typer.Exit(int(any(result.faults for result in results)))


if __name__ == "__main__":
    typer.run(main)
