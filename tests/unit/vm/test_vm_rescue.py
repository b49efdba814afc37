"""Stopped machines run on when whoever stopped them is gone: real processes and sockets, QMP by table."""

import signal
import subprocess
import sys

import pytest

from orchestrator.providers.vm import rescue
from orchestrator.providers.vm.machine import SOCKET


@pytest.fixture
def machine(tmp_path, qmp_server):
    """A machine that is being saved; its migration ends a moment after it was told to."""
    folder = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 5)
    folder.mkdir(parents=True)
    states = iter(["cancelling", "cancelled"])
    answers = {
        "migrate_cancel": lambda _: {},
        "query-migrate": lambda _: {"status": next(states)},
        "cont": lambda _: {},
    }
    server = qmp_server(folder / SOCKET, answers)
    server.folder = folder
    return server


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / ".lab.one.x"
    folder.mkdir()
    (folder / "memory").touch()
    return folder


def test_the_machine_runs_again_and_the_half_snapshot_is_gone_when_the_parent_is_killed(machine, scratch):
    code = (
        "import os, signal; from pathlib import Path; from orchestrator.providers.vm.rescue import rescued\n"
        f"with rescued([Path({str(machine.folder)!r})], Path({str(scratch)!r})):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    # Whoever waits for us holds the other end of this pipe until it has ended.
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert parent.wait(30) == -signal.SIGKILL
    parent.communicate()
    wait_for(lambda: not scratch.exists())
    assert [name for name, _ in machine.asked] == ["migrate_cancel", "query-migrate", "query-migrate", "cont"]


def test_nothing_is_done_where_all_went_well(machine, scratch):
    with rescue.rescued([machine.folder], scratch):
        pass
    assert machine.asked == []
    assert (scratch / "memory").exists()


def test_one_machine_that_is_gone_does_not_keep_the_others_from_running(machine, scratch, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", (tmp_path / "nothing").open("w+"))
    monkeypatch.chdir(tmp_path)
    rescue.main(str(scratch), str(tmp_path / "gone"), str(machine.folder))
    sys.stdin.close()
    assert machine.asked[-1] == ("cont", {})
    assert not scratch.exists()


def test_a_machine_that_refuses_is_told(machine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rescue.release(machine.folder)
    with pytest.raises(ValueError, match="GenericError"):
        rescue.release(machine.folder)


def wait_for(condition) -> None:
    """Until it is so; the test's own time limit is the deadline."""
    from threading import Event

    while not condition():
        Event().wait(0.01)
