"""``python -m benchmarks.publish FILE``: the results of a run into the documentation, table and plots."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.plots import plots
from benchmarks.report import markdown, read
from orchestrator.cli.options import Output
from orchestrator.cli.output import reporting
from orchestrator.errors import UsageError
from orchestrator.runtime.paths import write_atomic

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- Results: made by `python -m benchmarks.publish`. -->", "<!-- End of the results. -->"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def main(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What --json wrote.", exists=True, dir_okay=False)],
    page: Annotated[Path, typer.Option("--page", metavar="PAGE", help="The page to change.")] = PAGE,
) -> None:
    """Put the table between the marks of the page, and JSON and plots into a folder beside it."""
    with reporting(Output.TEXT):
        publish(json.loads(file.read_text()), page)


def publish(document: Mapping[str, Any], page: Path) -> None:
    """Write everything; plots of former results that have no successor go. Raises ``UsageError`` for other files."""
    try:
        run = read(document)
    except (KeyError, ValueError) as error:
        raise UsageError(f"these are no results of this version: {error}", hint="measure anew, with --json") from error
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    drawn = plots(run)
    for name, svg in drawn.items():
        write_atomic(folder / name, svg.encode())
    text = json.dumps(document, indent=2, ensure_ascii=False)
    write_atomic(folder / "results.json", f"{text}\n".encode())
    images = [f"![{Path(name).stem}]({folder.name}/{name})\n" for name in drawn]
    body = "\n".join([f"Taken {document['taken']}. On {markdown(run)}", *images])
    write_atomic(page, between(page.read_text(), body).encode())


def between(page: str, body: str) -> str:
    """The page with ``body`` between its marks. Raises ``UsageError`` where they are missing. Pure."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError("the page has no marks for the results", hint=f"it needs the lines {BEGIN} and {END}")
    return f"{before}{begin}\n\n{body}\n{end}{after}"


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.publish")
