"""``lab init`` and ``lab schema``: files for the person to start from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import DEFAULT_INVENTORY, Kind, Output
from orchestrator.cli.output import print_document, reporting
from orchestrator.errors import EnvironmentProblem, UsageError

FIRST_LAB = "labs/ingress-mesh"
"""The lab that a new inventory deploys, where its folder stands beside the file."""


class SchemaName(StrEnum):
    """The files for which there is a JSON Schema."""

    INVENTORY = "inventory"
    LAB = "lab"


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = DEFAULT_INVENTORY,
    provider: Annotated[
        Kind, typer.Option("--provider", help="vm: machines that lab makes; ssh: hosts that exist.")
    ] = Kind.VM,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE if it exists.")] = False,
) -> None:
    """Write a commented inventory to start from."""
    with reporting(Output.TEXT):
        from orchestrator.config.template import inventory_template
        from orchestrator.model.inventory import ProviderKind
        from orchestrator.report.words import visible

        try:
            labs = [FIRST_LAB] if (file.parent / FIRST_LAB).is_dir() else []
            text = inventory_template(ProviderKind(provider.value), labs)
            if file.is_dir():
                raise UsageError(f"{file} is a folder; expected the name of a file to write")
            with file.open("w" if force else "x", encoding="utf-8") as stream:
                stream.write(text)
        except FileExistsError:
            raise UsageError(f"{file} exists", hint="--force overwrites it") from None
        except OSError as error:
            raise EnvironmentProblem(f"cannot write {file}: {error.strerror}") from error
        typer.echo(visible(f"wrote {file}; next: lab up{'' if file == DEFAULT_INVENTORY else f' -i {file}'}"))


def schema(name: Annotated[SchemaName, typer.Argument(metavar="inventory|lab", help="Of which file.")]) -> None:
    """Print the JSON Schema of inventory files or of lab files, for editors."""
    with reporting(Output.TEXT):
        from orchestrator.config.schema import inventory_schema, lab_schema

        print_document(inventory_schema() if name is SchemaName.INVENTORY else lab_schema())
