"""``lab logs``: what the engines of all nodes have logged."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import DEFAULT_INVENTORY, InventoryOption, Output, OutputOption
from orchestrator.cli.output import reporting
from orchestrator.errors import ExitCode, Interrupted

if TYPE_CHECKING:
    from orchestrator.model.outcome import LogsOutcome
    from orchestrator.runtime.context import Context


def logs(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Only this node's. Default: all nodes, merged.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as entries come, until Ctrl-C.")] = False,
    since: Annotated[
        str, typer.Option("--since", metavar="WHEN", help="How long ago (10m, 1h30m), or a date and time.")
    ] = "",
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", metavar="N", min=0, help="The last N of each node. Default: 100.")
    ] = None,
    unit: Annotated[str, typer.Option("--unit", metavar="UNIT", help="The systemd unit.")] = "docker",
    inventory: InventoryOption = DEFAULT_INVENTORY,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show the engine logs of all nodes as one, by time."""
    with reporting(output):
        from orchestrator.cli.session import run
        from orchestrator.providers import make_provider
        from orchestrator.report.logs import LogSink
        from orchestrator.runtime.paths import state_dir
        from orchestrator.usecases.locate import require_existing
        from orchestrator.usecases.logs import Wanted
        from orchestrator.usecases.logs import logs as carry

        existing = require_existing(inventory, os.environ)
        wanted = existing.inventory
        asked = Wanted(unit, since, lines, follow)

        def work(context: Context) -> LogsOutcome:
            for warning in existing.warnings:
                context.notice(warning, level="warning")
            return carry(context, wanted, make_provider(wanted, state_dir(wanted.name)), asked, node=node)

        names = [one.name for one in wanted.nodes]
        try:
            outcome = run(work, [LogSink(sys.stdout, sys.stderr, names, as_json=output is Output.JSON)])
        except Interrupted:
            if not follow:
                raise
            raise typer.Exit(int(ExitCode.OK)) from None  # there is no other way to end it
        raise typer.Exit(int(ExitCode.OK if outcome.read else ExitCode.ENVIRONMENT))
