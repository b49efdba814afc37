"""``lab labs`` and ``lab checks``: what there is to choose from. No machine is needed."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from orchestrator.cli.options import DEFAULT_INVENTORY, InventoryOption, Output, OutputOption
from orchestrator.cli.output import print_document, print_text, reporting
from orchestrator.errors import ExitCode, UsageError


def labs(
    lab: Annotated[
        str, typer.Argument(metavar="LAB", help="Show this one: a name in labs/, or a path. Default: list all.")
    ] = "",
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print which claim is proved by which lab, as docs/claims.md.")
    ] = False,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the labs in `labs/` beside the inventory, or show what one of them consists of and proves."""
    with reporting(output):
        from orchestrator.report.labs import claims_page, lab_document, render_lab, render_labs
        from orchestrator.report.words import visible
        from orchestrator.usecases.catalogue import find_lab, list_labs

        if lab:
            entry = find_lab(inventory, lab, os.environ)
            if output is Output.JSON:
                print_document(lab_document(entry))
            else:
                print_text(lambda _width: render_lab(entry))
            return
        entries = list_labs(inventory, os.environ)
        if markdown:
            from orchestrator.model.claims import CLAIMS

            typer.echo(visible(claims_page(CLAIMS, entries)), nl=False)
        elif output is Output.JSON:
            print_document({"labs": [lab_document(entry) for entry in entries]})
        else:
            print_text(lambda _width: render_labs(entries))
        if any(entry.problem for entry in entries):
            raise typer.Exit(int(ExitCode.USAGE))


def checks(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Show this kind with its keys. Default: list all.")] = "",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/checks.md.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the kinds of checks that a lab file can name, or show one with its keys."""
    with reporting(output):
        from orchestrator.checks.documentation import kinds
        from orchestrator.report.checks import checks_page, render_kind, render_kinds
        from orchestrator.report.documents import plain

        known = {found.name: found for found in kinds()}
        if kind and kind not in known:
            raise UsageError(f"there is no kind of check {kind!r}", hint=f"the kinds are {', '.join(known)}")
        if markdown:
            typer.echo(checks_page(list(known.values())), nl=False)
        elif output is Output.JSON:
            print_document(plain(known[kind]) if kind else {"kinds": plain(list(known.values()))})
        else:
            print_text(lambda _width: render_kind(known[kind]) if kind else render_kinds(list(known.values())))
