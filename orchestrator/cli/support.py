"""``lab support``: one archive with what a bug report needs."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import DEFAULT_INVENTORY, InventoryOption, Output, OutputOption
from orchestrator.cli.output import carry_out
from orchestrator.errors import LabError

if TYPE_CHECKING:
    from orchestrator.model.outcome import SupportOutcome
    from orchestrator.providers.base import Provider
    from orchestrator.runtime.context import Context
    from orchestrator.usecases.locate import Existing


def support(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to write it. Default: lab-support-TIME.tar.gz here.")
    ] = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    output: OutputOption = Output.TEXT,
) -> None:
    """Write an archive with what a bug report needs, secrets removed."""
    from orchestrator.cli.presentations import SUPPORT

    place = file or Path(f"lab-support-{datetime.now().astimezone():%Y%m%d-%H%M%S}.tar.gz")

    def work(context: Context) -> SupportOutcome:
        from orchestrator.usecases.support import support as carry

        existing, trouble = _existing(inventory)

        def make() -> Provider:
            from orchestrator.providers import make_provider
            from orchestrator.runtime.paths import state_dir

            assert existing is not None  # noqa: S101 (asked for only where a cluster is known)
            return make_provider(existing.inventory, state_dir(existing.inventory.name))

        return carry(context, place, existing, make, trouble)

    carry_out(work, SUPPORT, output)


def _existing(file: Path) -> tuple[Existing | None, str]:
    """The cluster, or why none is known: a broken file is no reason to collect nothing."""
    from orchestrator.usecases.locate import require_existing

    try:
        return require_existing(file, os.environ), ""
    except LabError as error:
        return None, "; ".join([error.message, *error.details])
