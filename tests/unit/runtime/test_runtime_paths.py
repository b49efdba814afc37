"""Where files lie, and that writing them is atomic and private."""

import os
import stat
from pathlib import Path

import pytest

from orchestrator.errors import EnvironmentProblem
from orchestrator.runtime import paths


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_environment_overrides_the_platform(tmp_path, monkeypatch):
    assert paths.state_root() == tmp_path / "state"
    assert paths.cache_root() == tmp_path / "cache"
    monkeypatch.delenv("LAB_STATE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert paths.state_root().is_relative_to(tmp_path / "home")
    assert paths.state_root().name == "swarm-mesh-lab"


def test_asking_for_a_folder_creates_nothing(tmp_path):
    assert not paths.state_dir("lab").exists()
    assert not (tmp_path / "state").exists()


def test_folders_and_files_are_private_whatever_the_umask():
    before = os.umask(0)
    try:
        paths.write_atomic(paths.state_dir("lab") / "file", b"x")
    finally:
        os.umask(before)
    assert mode(paths.state_root()) == 0o700
    assert mode(paths.state_dir("lab")) == 0o700
    assert mode(paths.state_dir("lab") / "file") == 0o600


def test_write_replaces_whole_and_leaves_nothing_beside():
    file = paths.state_dir("lab") / "file"
    paths.write_atomic(file, b"a long first content")
    paths.write_atomic(file, b"short")
    assert file.read_bytes() == b"short"
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_a_failed_write_keeps_the_old_file(monkeypatch):
    file = paths.state_dir("lab") / "file"
    paths.write_atomic(file, b"old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentProblem, match="No space left") as caught:
        paths.write_atomic(file, b"new")
    assert "LAB_STATE_DIR" in caught.value.hint
    assert file.read_bytes() == b"old"
    assert [path.name for path in file.parent.iterdir()] == ["file"]


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path):
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(EnvironmentProblem, match="state"):
        paths.private_dir(paths.state_dir("lab"))


def test_what_a_write_that_was_cut_off_left_is_swept_and_nothing_else():
    file = paths.state_dir("lab") / "file"
    paths.write_atomic(file, b"whole")
    for name in (".file.x1", ".file.x2", ".other.x1", "file.x"):
        (file.parent / name).write_bytes(b"half")
    os.utime(file.parent / ".file.x1", (1, 1))
    paths.sweep(file, older=3600.0)
    assert {path.name for path in file.parent.iterdir()} == {"file", ".file.x2", ".other.x1", "file.x"}
    paths.sweep(file)
    assert {path.name for path in file.parent.iterdir()} == {"file", ".other.x1", "file.x"}
