"""Options that several commands share, declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.model.probe import Pairs

DEFAULT_INVENTORY = Path("inventory.yaml")


class Output(StrEnum):
    """``text`` for people (progress on stderr, results on stdout), ``json`` for programs (one document on stdout)."""

    TEXT = "text"
    JSON = "json"


class Kind(StrEnum):
    """Where nodes come from."""

    VM = "vm"
    SSH = "ssh"


class PairsChoice(StrEnum):
    """Which pairs of nodes `lab verify` asks: a plan, or the one that suits their number."""

    AUTO = "auto"
    ALL = "all"
    PATHS = "paths"
    NODES = "nodes"

    @property
    def plan(self) -> Pairs | None:
        """The plan that was chosen; ``None`` where the number of nodes chooses."""
        from orchestrator.model.probe import Pairs

        return None if self is PairsChoice.AUTO else Pairs(self.value)


_INVENTORY_HELP = "The file that names the nodes and the labs; LAB_INVENTORY may name it too."
_OUTPUT_HELP = "text for people, json for programs."

InventoryOption = Annotated[Path, typer.Option("--inventory", "-i", metavar="FILE", help=_INVENTORY_HELP)]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help=_OUTPUT_HELP)]

AttachOption = Annotated[
    bool,
    typer.Option("--attach", help="Look at a swarm that somebody else made, on hosts that exist; changes nothing."),
]

# The same before the command's name. The environment is asked here alone: it must not outdo what was typed here.
EarlyInventoryOption = Annotated[
    Path | None,
    typer.Option("--inventory", "-i", metavar="FILE", envvar="LAB_INVENTORY", show_envvar=False, help=_INVENTORY_HELP),
]
EarlyOutputOption = Annotated[Output | None, typer.Option("--output", "-o", help=_OUTPUT_HELP)]
