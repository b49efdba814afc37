"""Options that several commands share, declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_INVENTORY = Path("inventory.yaml")


class Output(StrEnum):
    """``text`` for people (progress on stderr, results on stdout), ``json`` for programs (one document on stdout)."""

    TEXT = "text"
    JSON = "json"


class Kind(StrEnum):
    """Where nodes come from."""

    VM = "vm"
    SSH = "ssh"


InventoryOption = Annotated[
    Path,
    typer.Option(
        "--inventory", "-i", metavar="FILE", envvar="LAB_INVENTORY", help="The file that names the nodes and the labs."
    ),
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="text for people, json for programs.")]
