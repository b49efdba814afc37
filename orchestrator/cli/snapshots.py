"""``lab snapshot`` and ``lab restore``: a whole running cluster, saved and brought back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import DEFAULT_INVENTORY, InventoryOption, Output, OutputOption
from orchestrator.cli.output import carry_out

if TYPE_CHECKING:
    from orchestrator.model.outcome import RestoreOutcome
    from orchestrator.model.snapshot import Export, SnapshotSummary
    from orchestrator.runtime.context import Context
    from orchestrator.runtime.snapshots import Snapshot

snapshot_app = typer.Typer(
    help="Save whole running clusters (provider vm), list them, move them to other machines.",
    no_args_is_help=True,
    add_completion=False,
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The snapshot's name.")]


@snapshot_app.command("save")
def save(
    name: NameArgument, inventory: InventoryOption = DEFAULT_INVENTORY, output: OutputOption = Output.TEXT
) -> None:
    """Save memory and disks of all nodes; the cluster runs on."""
    from orchestrator.cli.presentations import SAVED

    carry_out(lambda context: _save(context, name, inventory), SAVED, output)


@snapshot_app.command("ls")
def ls(output: OutputOption = Output.TEXT) -> None:
    """List all snapshots, of all clusters."""
    from orchestrator.cli.presentations import SNAPSHOTS

    def work(_context: Context) -> list[SnapshotSummary]:
        from orchestrator.usecases.snapshot import summaries

        return summaries()

    carry_out(work, SNAPSHOTS, output)


@snapshot_app.command("show")
def show(name: NameArgument, output: OutputOption = Output.TEXT) -> None:
    """Show what is in a snapshot, and whether it fits this machine."""
    from orchestrator.cli.presentations import SNAPSHOT

    carry_out(lambda context: _show(context, name), SNAPSHOT, output)


@snapshot_app.command("rm")
def rm(name: NameArgument, output: OutputOption = Output.TEXT) -> None:
    """Delete a snapshot."""
    from orchestrator.cli.presentations import SNAPSHOT_REMOVED

    def work(_context: Context) -> str:
        from orchestrator.usecases.snapshot import remove

        remove(name)
        return name

    carry_out(work, SNAPSHOT_REMOVED, output)


@snapshot_app.command("export")
def export(
    name: NameArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write (mode 0600); it must not exist.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Write a snapshot into one compressed file. All keys and secrets of the cluster are in it."""
    from orchestrator.cli.presentations import EXPORTED

    def work(context: Context) -> Export:
        from orchestrator.usecases.moving import export as carry

        return carry(context, name, file)

    carry_out(work, EXPORTED, output)


@snapshot_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `lab snapshot export` has written.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Take a snapshot over from a file. It runs here with all that is in it: take none from strangers."""
    from orchestrator.cli.presentations import SNAPSHOT

    def work(context: Context) -> SnapshotSummary:
        from orchestrator.usecases.moving import import_file

        return _shown(context, import_file(context, file))

    carry_out(work, SNAPSHOT, output)


def restore(
    name: NameArgument, inventory: InventoryOption = DEFAULT_INVENTORY, output: OutputOption = Output.TEXT
) -> None:
    """Bring a whole cluster back as it was saved, in the place of what runs now."""
    from orchestrator.cli.presentations import RESTORED

    carry_out(lambda context: bring_back(context, name, inventory, replacing=True), RESTORED, output)


def bring_back(context: Context, name: str, file: Path, *, replacing: bool) -> RestoreOutcome:
    """Restore a snapshot; ``replacing`` machines that are there, or only where there are none."""
    from orchestrator.providers import make_provider
    from orchestrator.runtime.lock import locked
    from orchestrator.runtime.paths import state_dir
    from orchestrator.runtime.snapshots import load_snapshot
    from orchestrator.usecases.snapshot import require_nothing_runs, restore

    snapshot = load_snapshot(name)
    cluster = snapshot.state.name
    with locked(cluster, f"lab restore {name}" if replacing else f"lab up --from {name}"):
        provider = make_provider(snapshot.state.inventory, state_dir(cluster))
        if not replacing:
            require_nothing_runs(provider, name)
        return restore(context, snapshot, file, provider)


def _save(context: Context, name: str, file: Path) -> SnapshotSummary:
    from orchestrator.errors import UsageError
    from orchestrator.providers import make_provider
    from orchestrator.runtime.lock import locked
    from orchestrator.runtime.paths import state_dir
    from orchestrator.usecases.locate import require_existing
    from orchestrator.usecases.snapshot import save as carry
    from orchestrator.usecases.snapshot import summary

    existing = require_existing(file, os.environ)
    for warning in existing.warnings:
        context.notice(warning, level="warning")
    state = existing.state
    if state is None:
        raise UsageError(f"the cluster {existing.inventory.name} is not up", hint="bring it up with: lab up")
    with locked(state.name, f"lab snapshot save {name}"):
        return summary(carry(context, name, state, make_provider(state.inventory, state_dir(state.name))))


def _show(context: Context, name: str) -> SnapshotSummary:
    from orchestrator.runtime.snapshots import load_snapshot

    return _shown(context, load_snapshot(name))


def _shown(context: Context, snapshot: Snapshot) -> SnapshotSummary:
    """A snapshot, and whether it fits this machine."""
    from orchestrator.planning.snapshot import misfits
    from orchestrator.usecases.moving import freezer_of
    from orchestrator.usecases.snapshot import summary

    here = freezer_of(snapshot).surroundings(context, snapshot.machines)
    return summary(snapshot, misfits(snapshot.machines, here))
