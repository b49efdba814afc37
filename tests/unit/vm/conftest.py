"""Real processes, programs that stand in for QEMU and the switch, and a QMP server on a real socket."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from vm_standins import QmpServer

from orchestrator.providers.vm import processes
from orchestrator.runtime.context import Context


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("LAB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "fsync", lambda _handle: None)  # no test here cuts the power
    return tmp_path


@pytest.fixture
def context() -> Context:
    return Context(lambda _event: None)


@pytest.fixture
def spawn():
    """Start a process that waits for ever and has these arguments; all of them are gone after the test."""
    started = []

    def start(*arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(["sh", "-c", "read line", "sh", *arguments], stdin=subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a shell script of that name first in the search path; what it started is gone after the test."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def make(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    yield make
    processes.end(processes.find_users(f"{folder}/"))


@pytest.fixture
def qmp_server():
    """Start a QMP server on a socket; ``answers`` maps commands to functions of their arguments."""
    servers = []

    def start(path: Path, answers) -> QmpServer:
        servers.append(QmpServer(path, answers))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
