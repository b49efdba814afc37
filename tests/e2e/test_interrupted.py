"""Interrupted runs: the next ``up`` finishes the rest, ``down`` leaves nothing."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.providers.vm import lan_switch
from orchestrator.providers.vm.machine import QEMU
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


@pytest.fixture
def without_vde(tmp_path: Path) -> str:
    """A PATH on which this machine's QEMU says that it knows no VDE, as Ubuntu's does."""
    real = shutil.which(QEMU)
    (tmp_path / QEMU).write_text(f'#!/bin/sh\n[ "$1" = -netdev ] && exec echo stream\nexec {real} "$@"\n')
    (tmp_path / QEMU).chmod(0o755)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.usefixtures("cluster")
def test_interrupted_again_and_again_then_up_then_down(workshop: Path, without_vde: str) -> None:
    lab = replace(make_lab(workshop, "again"), path=without_vde)
    try:
        assert lab.interrupt(("up",), "n[23]: resume a new machine", signal.SIGINT).code == 130
        lab.interrupt(("up",), "start the swarm on n1", signal.SIGKILL)
        assert lab.interrupt(("up",), "join n[23] as worker", signal.SIGINT).code == 130
        lab.interrupt(("up",), "wait until the tasks", signal.SIGKILL)
        lab.run("up").ok()
        assert any(lan_switch.__name__ in line for line in lab.processes())
        lab.run("verify", "--requests", "4").ok()
        assert lab.json("up")["steps"] == []
        lab.inventory.unlink()
    finally:
        lab.run("down", "--name", "again").ok()
    nothing_left(lab)
    lab.run("down", "--name", "again").ok()
