"""Interrupted runs: the next ``up`` finishes the rest, ``down`` leaves nothing."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.conftest import make_lab
from tests.e2e.lab_command import Lab


def nothing_left(lab: Lab) -> None:
    assert lab.processes() == []
    assert lab.files() == []


@pytest.mark.usefixtures("cluster")
def test_killed_while_machines_are_made_then_down(workshop: Path) -> None:
    lab = make_lab(workshop, "killed")
    lab.interrupt(("up",), "resume a new machine", signal.SIGKILL)
    lab.run("down").ok()
    nothing_left(lab)


@pytest.mark.usefixtures("cluster")
def test_interrupted_again_and_again_then_up_then_down(workshop: Path) -> None:
    lab = make_lab(workshop, "again")
    try:
        assert lab.interrupt(("up",), "n[23]: resume a new machine", signal.SIGINT).code == 130
        lab.interrupt(("up",), "start the swarm on n1", signal.SIGKILL)
        assert lab.interrupt(("up",), "join n[23] as worker", signal.SIGINT).code == 130
        lab.interrupt(("up",), "wait until the tasks", signal.SIGKILL)
        lab.run("up").ok()
        lab.run("verify", "--requests", "4").ok()
        assert lab.json("up")["steps"] == []
        lab.inventory.unlink()
    finally:
        lab.run("down", "--name", "again").ok()
    nothing_left(lab)
    lab.run("down", "--name", "again").ok()
