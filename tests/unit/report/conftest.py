"""Reports are compared with files in golden/; LAB_UPDATE_GOLDEN=1 writes them anew."""

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.text import Text

from orchestrator.report.console import make_console

GOLDEN = Path(__file__).parent / "golden"


def _as_text(parts: Sequence[object], width: int) -> str:
    """What a terminal without colours shows."""
    stream = io.StringIO()
    console = make_console(stream, width)
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text))
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


@pytest.fixture
def golden() -> Callable[[str, Sequence[object], int], None]:
    def check(name: str, parts: Sequence[object], width: int = 80) -> None:
        text = _as_text(parts, width)
        file = GOLDEN / f"{name}.txt"
        if os.environ.get("LAB_UPDATE_GOLDEN"):
            file.write_text(text)
        assert text == file.read_text()

    return check


@pytest.fixture
def as_text() -> Callable[[Sequence[object], int], str]:
    return _as_text
