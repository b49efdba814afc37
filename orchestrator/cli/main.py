"""The command ``lab``. Commands import what they need when they run, so that help and completion are quick."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from orchestrator import __version__
from orchestrator.cli import catalogue, files, lifecycle, logs, machine, snapshots, support, trusting
from orchestrator.cli.options import EarlyInventoryOption, EarlyOutputOption, Output
from orchestrator.cli.output import reporting
from orchestrator.errors import ExitCode

app = typer.Typer(
    name="lab",
    help="Build, understand, break, verify and repair the networking of a Docker Swarm.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    lifecycle.up,
    lifecycle.verify,
    lifecycle.down,
    lifecycle.status,
    logs.logs,
    catalogue.labs,
    catalogue.checks,
    snapshots.restore,
    machine.ssh,
    trusting.trust,
    machine.doctor,
    support.support,
    files.init,
    files.schema,
):
    app.command()(command)
app.add_typer(machine.image_app, name="image")
app.add_typer(snapshots.snapshot_app, name="snapshot")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lab {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    inventory: EarlyInventoryOption = None,
    output: EarlyOutputOption = None,
    version: Annotated[  # noqa: ARG001 (its callback does it all)
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that stand before the command's name; those of the commands outdo them."""
    given = {"inventory": inventory, "output": output}
    context.default_map = _defaults(context.command, {name: value for name, value in given.items() if value})


def _defaults(command: object, chosen: dict[str, Any]) -> dict[str, Any]:
    """Defaults for every command of a group; what a command does not take is ignored."""
    if not isinstance(command, TyperGroup):
        return chosen
    return {name: _defaults(member, chosen) for name, member in command.commands.items()}


def _open_streams() -> None:
    """Outputs that take anything: one that was closed (``>&-``) leads nowhere, one that cannot show ✓ shows ``?``."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 (open to the end)
        getattr(sys, name).reconfigure(errors="replace")


def main() -> None:
    """Entry point of ``lab`` and of ``python -m orchestrator``."""
    _open_streams()
    try:
        with reporting(Output.TEXT):
            app(prog_name="lab")
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone. Nothing may be flushed to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(ExitCode.FAILED))
    except KeyboardInterrupt:
        sys.exit(int(ExitCode.INTERRUPTED))
