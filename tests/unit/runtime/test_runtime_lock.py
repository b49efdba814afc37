"""The lock of a cluster, held by a real second process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator.errors import LockedError
from orchestrator.runtime import paths
from orchestrator.runtime.lock import locked

HOLD = """
import sys
from orchestrator.runtime.lock import locked
with locked("lab", "lab up"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process() -> Iterator[subprocess.Popen]:
    """A process that holds the lock until its standard input ends."""
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_told_who_holds_it():
    with another_process() as process:
        with pytest.raises(LockedError) as caught, locked("lab", "lab down"):
            pytest.fail("the lock was given twice")
        assert f"pid {process.pid}" in caught.value.message
        assert "`lab up`" in caught.value.message
        assert "since 2" in caught.value.message


def test_the_lock_is_free_when_its_holder_was_killed():
    with another_process() as process:
        process.kill()
        process.wait()
        with locked("lab", "lab down"):
            pass


def test_the_lock_is_free_after_its_holder_ended():
    with another_process() as process:
        process.communicate()
        with locked("lab", "lab down"):
            pass


def test_other_clusters_are_not_locked():
    with another_process(), locked("other", "lab up"):
        pass


def test_a_holder_that_has_not_written_its_name_yet(state_root):
    with another_process():
        (state_root / "lab.holder").unlink()
        with pytest.raises(LockedError, match="another process"), locked("lab", "lab down"):
            pytest.fail("the lock was given twice")


def test_nothing_is_left_behind_after_success_or_failure(state_root):
    with locked("lab", "lab up"):
        assert os.listdir(state_root)
    with pytest.raises(ZeroDivisionError), locked("lab", "lab up"):
        raise ZeroDivisionError
    assert os.listdir(state_root) == []


def test_a_full_disk_does_not_keep_the_lock_from_being_taken(monkeypatch):
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with locked("lab", "lab down"):
        pass


def test_what_a_killed_holder_left_is_swept(tmp_path):
    with locked("lab", "lab up"):
        (paths.state_root() / ".lab.holder.half").write_text("{")
    assert list(paths.state_root().iterdir()) == []
