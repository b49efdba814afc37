from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a command line must not reach the home of who tests, whatever Typer does on the way."""
    monkeypatch.setenv("HOME", str(tmp_path))
