"""What every command does alike: run a use case, show what came of it, turn errors into exit codes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

import typer

from orchestrator.cli.options import Output
from orchestrator.errors import ExitCode, LabError, without_secrets

if TYPE_CHECKING:
    from rich.console import RenderableType

    from orchestrator.report.documents import Document
    from orchestrator.report.journal import Journal
    from orchestrator.report.sinks import Sink
    from orchestrator.runtime.context import Context

Value = TypeVar("Value")


def _success(_value: object) -> ExitCode:
    return ExitCode.OK


@dataclass(frozen=True)
class Presentation(Generic[Value]):
    """How a use case's outcome is shown: as text for so many columns, as a document, as an exit code."""

    text: Callable[[Value, Journal, int], list[RenderableType]]
    document: Callable[[Value, Journal], Document]
    exit_code: Callable[[Value], ExitCode] = _success


def carry_out(work: Callable[[Context], Value], presentation: Presentation[Value], output: Output) -> NoReturn:
    """Run ``work`` with progress on stderr, show its outcome on stdout and end with its exit code."""
    with reporting(output):
        from orchestrator.cli.session import run
        from orchestrator.report.journal import Journal

        journal = Journal()
        value = run(work, [journal, *progress_sinks(output)])
        if output is Output.JSON:
            print_document(presentation.document(value, journal))
        else:
            print_text(lambda width: presentation.text(value, journal, width))
        raise typer.Exit(int(presentation.exit_code(value)))
    raise AssertionError("unreachable: the block above always leaves")


@contextmanager
def reporting(output: Output) -> Iterator[None]:
    """Show what the body raises as a person's error, or as a bug of this program, and end with its exit code."""
    try:
        yield
    except (typer.Exit, BrokenPipeError):
        raise
    except LabError as error:
        show_error(error, output)
        raise typer.Exit(int(error.exit_code)) from None
    except Exception as error:
        show_error(bug(error), output)
        raise typer.Exit(int(ExitCode.ENVIRONMENT)) from None


def bug(error: Exception) -> LabError:
    """An error that no user can have made; its traceback is written to a file."""
    from orchestrator.runtime.paths import state_root, write_atomic

    text = without_secrets("".join(traceback.format_exception(error)))
    place = state_root() / f"crash-{datetime.now().astimezone():%Y%m%d-%H%M%S}.txt"
    try:
        write_atomic(place, text.encode(errors="backslashreplace"))
        hint = f"the traceback is in {place}; please report it"
    except LabError:
        hint = f"the traceback could not be written to {place}:\n{text}"
    return LabError(f"this is a bug in lab: {type(error).__name__}: {error}", hint=hint)


def show_error(error: LabError, output: Output) -> None:
    """An error as text on stderr, or as a document on stdout."""
    if output is Output.JSON:
        from orchestrator.report.documents import error_document

        print_document(error_document(error))
        return
    from orchestrator.report.errors import render_error

    sys.stderr.write(render_error(error))


def print_document(document: Document) -> None:
    """One JSON document on stdout; what a terminal would obey is escaped in it."""
    import json

    from orchestrator.report.words import steering

    text = json.dumps(document, indent=2, ensure_ascii=False)
    for character in steering(text):
        text = text.replace(character, json.dumps(character)[1:-1])
    sys.stdout.write(f"{text}\n")


def print_text(render: Callable[[int], list[RenderableType]]) -> None:
    """Text on stdout; ``render`` is told the width in columns."""
    from rich.text import Text

    from orchestrator.report.console import make_console

    console = make_console(sys.stdout)
    for part in render(console.width):
        # A sentence is wrapped by the terminal, if at all: it can be searched and copied whole.
        console.print(part, soft_wrap=isinstance(part, Text))


def progress_sinks(output: Output) -> list[Sink]:
    """The sink for progress on stderr: moving on a terminal, lines elsewhere, nothing for programs."""
    if output is Output.JSON:
        return []
    from orchestrator.report.console import make_console

    console = make_console(sys.stderr)
    if console.is_terminal and not console.is_dumb_terminal:
        from orchestrator.report.live import LiveSink

        return [LiveSink(console)]
    from orchestrator.report.plain import PlainSink

    return [PlainSink(sys.stderr)]
