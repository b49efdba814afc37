"""``lab up``, ``verify``, ``down`` and ``status``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import (
    DEFAULT_INVENTORY,
    AttachOption,
    InventoryOption,
    Output,
    OutputOption,
    PairsChoice,
)
from orchestrator.cli.output import carry_out

if TYPE_CHECKING:
    from orchestrator.model.inventory import Inventory
    from orchestrator.model.outcome import (
        DownOutcome,
        PlanOutcome,
        RestoreOutcome,
        StatusOutcome,
        UpOutcome,
        VerifyOutcome,
    )
    from orchestrator.providers.base import Provider
    from orchestrator.runtime.context import Context
    from orchestrator.usecases.locate import Existing, Wish


def up(
    labs: Annotated[
        list[str] | None,
        typer.Argument(metavar="LAB", help="Labs to deploy: names in labs/, or paths. Default: the inventory's."),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only show what would be done; exit code 1 if it is anything.")
    ] = False,
    snapshot: Annotated[
        str, typer.Option("--from", metavar="NAME", help="Bring the cluster of a snapshot back, from nothing.")
    ] = "",
    inventory: InventoryOption = DEFAULT_INVENTORY,
    output: OutputOption = Output.TEXT,
) -> None:
    """Bring the machines, the swarm and the labs up."""
    if snapshot:
        _up_from(inventory, snapshot, output, alone=not (plan or labs))
    elif plan:
        _plan(inventory, labs or [], output)
    else:
        _up(inventory, labs or [], output)


def verify(
    labs: Annotated[
        list[str] | None, typer.Argument(metavar="LAB", help="Labs to check. Default: all that are up.")
    ] = None,
    requests: Annotated[
        int, typer.Option("--requests", metavar="N", min=1, max=10_000, help="Requests per vantage and target.")
    ] = 20,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance", metavar="F", min=0, max=1, help="Allowed deviation from an even share; 0.2 is 20 %."
        ),
    ] = 0.2,
    deadline: Annotated[
        float, typer.Option("--deadline", metavar="S", min=0.1, max=300, help="Seconds for one request.")
    ] = 5.0,
    look_only: Annotated[
        bool, typer.Option("--look-only", help="Leave out the checks that change something for a while.")
    ] = False,
    pairs: Annotated[
        PairsChoice, typer.Option("--pairs", help="Which nodes ask which; auto: all of up to 20 nodes, else a sample.")
    ] = PairsChoice.AUTO,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Another number asks other pairs of a sample.")
    ] = 0,
    attach: AttachOption = False,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check the labs that are up: every published port from every node and from here, and what else they prove."""
    from orchestrator.cli.presentations import VERIFY

    def work(context: Context) -> VerifyOutcome:
        from orchestrator.usecases.locate import Existing
        from orchestrator.usecases.verify import verify as carry

        existing = Existing(_attached(inventory), None) if attach else _existing(context, inventory)
        return carry(
            context,
            existing.inventory,
            _provider(existing.inventory, look_only=attach),
            state=existing.state,
            labs=labs or [],
            requests=requests,
            tolerance=tolerance,
            deadline=deadline,
            look_only=look_only,
            pairs=pairs.plan,
            seed=seed,
            attached=attach,
        )

    carry_out(work, VERIFY, output)


def down(
    labs: Annotated[
        list[str] | None, typer.Argument(metavar="LAB", help="Take away only these labs. Default: everything.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="The cluster, where its inventory file is gone or another."),
    ] = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    output: OutputOption = Output.TEXT,
) -> None:
    """Take away exactly what `lab up` made. Snapshots stay."""
    from orchestrator.cli.presentations import DOWN

    carry_out(lambda context: _down(context, inventory, name, labs or []), DOWN, output)


def status(
    attach: AttachOption = False,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show machines, nodes and labs, as far as they can be seen."""
    from orchestrator.cli.presentations import STATUS

    def work(context: Context) -> StatusOutcome:
        from orchestrator.usecases.status import status as carry

        cluster = _attached(inventory) if attach else _existing(context, inventory).inventory
        return carry(context, cluster, _provider(cluster, look_only=attach), attached=attach)

    carry_out(work, STATUS, output)


def _plan(file: Path, labs: list[str], output: Output) -> None:
    from orchestrator.cli.presentations import PLAN

    def work(context: Context) -> PlanOutcome:
        from orchestrator.usecases.up import preview

        wish = _wish(context, file, labs)
        return preview(context, wish.inventory, wish.labs, _provider(wish.inventory, wish.subnets))

    carry_out(work, PLAN, output)


def _up(file: Path, labs: list[str], output: Output) -> None:
    from orchestrator.cli.presentations import UP

    def work(context: Context) -> UpOutcome:
        from orchestrator.runtime.lock import locked
        from orchestrator.usecases.up import up as carry

        wish = _wish(context, file, labs)
        with locked(wish.inventory.name, "lab up"):
            return carry(context, wish.inventory, wish.labs, _provider(wish.inventory, wish.subnets))

    carry_out(work, UP, output)


def _up_from(file: Path, snapshot: str, output: Output, *, alone: bool) -> None:
    from orchestrator.cli.presentations import RESTORED

    def work(context: Context) -> RestoreOutcome:
        from orchestrator.cli.snapshots import bring_back
        from orchestrator.errors import UsageError

        if not alone:
            raise UsageError("--from brings back what was saved: it goes with neither labs nor --plan")
        return bring_back(context, snapshot, file, replacing=False)

    carry_out(work, RESTORED, output)


def _down(context: Context, file: Path, name: str | None, labs: list[str]) -> DownOutcome:
    from orchestrator.usecases.locate import find_existing

    cluster = find_existing(file, os.environ, name)
    if cluster is None:
        return _nothing_known(context, name or "", labs)
    _warn(context, cluster)
    from orchestrator.runtime.lock import locked
    from orchestrator.usecases.down import down as carry
    from orchestrator.usecases.down import down_labs

    with locked(cluster.inventory.name, "lab down"):
        provider = _provider(cluster.inventory)
        if labs:
            return down_labs(context, cluster.inventory, cluster.state, labs, provider)
        return carry(context, cluster.inventory, cluster.state, provider)


def _nothing_known(context: Context, name: str, labs: list[str]) -> DownOutcome:
    from orchestrator.model.outcome import DownOutcome
    from orchestrator.model.plan import Plan
    from orchestrator.runtime.state import list_states

    for entry in list_states():
        if entry.problem is not None:
            # It may be the very cluster that is meant: nobody can tell without its inventory.
            context.notice(f"{entry.problem.message}; {entry.problem.hint}", level="warning")
    return DownOutcome(name, tuple(labs), Plan())


def _wish(context: Context, file: Path, labs: list[str]) -> Wish:
    from orchestrator.usecases.locate import read_wish

    wish = read_wish(file, labs, os.environ)
    for warning in wish.warnings:
        context.notice(str(warning), level="warning")
    return wish


def _existing(context: Context, file: Path) -> Existing:
    from orchestrator.usecases.locate import require_existing

    cluster = require_existing(file, os.environ)
    _warn(context, cluster)
    return cluster


def _warn(context: Context, cluster: Existing) -> None:
    for warning in cluster.warnings:
        context.notice(warning, level="warning")


def _attached(file: Path) -> Inventory:
    from orchestrator.usecases.attach import attached_inventory

    return attached_inventory(file, os.environ)


def _provider(inventory: Inventory, subnets: Sequence[str] = (), *, look_only: bool = False) -> Provider:
    from orchestrator.providers import make_provider
    from orchestrator.providers.readonly import ReadOnlyProvider
    from orchestrator.runtime.paths import state_dir

    provider = make_provider(inventory, state_dir(inventory.name), subnets)
    return ReadOnlyProvider(provider) if look_only else provider
