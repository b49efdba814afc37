import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def state_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of who tests is read or written."""
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("LAB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LAB_INVENTORY", raising=False)
    monkeypatch.setattr(os, "fsync", lambda _handle: None)  # no test here cuts the power
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state"
