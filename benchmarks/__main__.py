"""``python -m benchmarks [NAME…]``: measure, show, and write down."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import cluster, commands, fanout, labs, machines, peers, scale, traffic
from benchmarks.figures import ASKED_FOR, BENCHMARKS, GROUPS, MOST, STEP, results
from benchmarks.machine import describe
from benchmarks.report import Run, document, markdown, table
from benchmarks.workspace import Bench, Options, bench
from orchestrator.cli.options import Output
from orchestrator.cli.output import progress_sinks, reporting
from orchestrator.cli.session import run
from orchestrator.errors import EnvironmentProblem, UsageError
from orchestrator.report.console import make_console
from orchestrator.runtime.context import Context

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


MAKES_LABS = frozenset({*cluster.GROUPS, *peers.GROUPS, "resume", "traffic", "scale", "labs"})
"""The groups for which machines are started."""


@app.command()
def main(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help=f"Which: {', '.join(GROUPS)}. Default: all but {', '.join(sorted(ASKED_FOR))}."
        ),
    ] = None,
    runs: Annotated[int, typer.Option("--runs", metavar="N", min=1, max=100, help="How often each is measured.")] = 3,
    restores: Annotated[
        int, typer.Option("--restores", metavar="N", min=1, max=1000, help="How often each snapshot is restored.")
    ] = 3,
    nodes: Annotated[
        int, typer.Option("--nodes", metavar="N", min=STEP, max=MOST, help="How far the cluster of `scale` may grow.")
    ] = 6,
    everything: Annotated[bool, typer.Option("--all", help="Measure everything (an hour or more).")] = False,
    image: Annotated[bool, typer.Option("--image", help="Measure building the node image too (minutes).")] = False,
    file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all values there.", dir_okay=False)
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
) -> None:
    """Measure speed and size in a state folder of its own; nothing is left behind, also after Ctrl-C."""
    with reporting(Output.TEXT):
        wanted = set(GROUPS) if everything else chosen(names or [], image=image)
        options = Options(runs, restores, nodes)
        found = run(lambda context: measure(context, wanted, options), progress_sinks(Output.TEXT))
        if file is not None:
            taken = datetime.now().astimezone().isoformat(timespec="seconds")
            file.write_text(json.dumps(document(found, taken), indent=2, ensure_ascii=False) + "\n")
        if as_markdown:
            sys.stdout.write(markdown(found))
        else:
            make_console(sys.stdout).print(table(found))
        if found.failures:
            raise EnvironmentProblem(
                f"{len(found.failures)} parts of the run failed and are not in its results",
                details=found.failures,
                hint="measure these again, alone",
            )


def chosen(names: Collection[str], *, image: bool) -> set[str]:
    """The groups to measure. Raises ``UsageError`` for a name that is none."""
    strange = [name for name in names if name not in GROUPS]
    if strange:
        raise UsageError(f"there is no benchmark {', '.join(strange)}", hint=f"there are: {', '.join(GROUPS)}")
    return set(names or set(GROUPS) - ASKED_FOR) | ({"image"} if image else set())


def measure(context: Context, wanted: Collection[str], options: Options) -> Run:
    """Carry out the groups that are wanted, one running lab for as many as possible."""
    with bench(context, options) as work:
        if "cli" in wanted:
            with work.part("cli"):
                commands.measure_start(work)
        if fanout.GROUP in wanted:
            with work.part(fanout.GROUP):
                fanout.measure(work)
        if MAKES_LABS.intersection(wanted):
            _measure_labs(work, wanted)
        if "image" in wanted:
            with work.part("image"):
                commands.measure_image(work)
        asked = [benchmark for benchmark in BENCHMARKS if benchmark.group in wanted]
        machine = describe(context, machines=bool(MAKES_LABS.intersection(wanted)))
        return Run(list(results(asked, work.samples)), machine, dict(work.notes), list(work.failures))


def _measure_labs(work: Bench, wanted: Collection[str]) -> None:
    golden = machines.prepare(work)
    for _ in range(work.runs if "resume" in wanted else 0):
        with work.part("resume"):
            machines.resume_and_boot(work)
    if cluster.GROUPS.intersection(wanted):
        cluster.measure(work, golden, wanted)
    if "traffic" in wanted:
        with work.part("traffic"):
            traffic.measure(work)
    if labs.GROUP in wanted:
        labs.measure(work)
    if peers.GROUPS.intersection(wanted):
        with work.part("peers"):
            peer = work.on(peers.inventory(wanted))
            machines.prepare(peer)
            peers.measure(peer, wanted)
    if scale.GROUP in wanted:
        with work.part(scale.GROUP):
            scale.measure(work)


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
