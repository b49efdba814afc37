"""A real sshd on loopback, a real UNIX socket with a fake engine behind it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from sshd_support import SSHD, EngineHandler, EngineServer, Sshd, start_sshd, stop_sshd

from orchestrator.transport.fakeswarm import FakeSwarm
from orchestrator.transport.ssh import connect


@pytest.fixture(scope="session")
def make_sshd(tmp_path_factory):
    """Start an sshd with extra options and environment; all of them end with the session."""
    if SSHD is None:
        pytest.skip("needs an sshd (apt install openssh-server)")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    started = []

    def make(*options: str, **environment: str) -> Sshd:
        process, server = start_sshd(tmp_path_factory.mktemp("sshd"), *options, **environment)
        started.append(process)
        return server

    yield make
    for process in started:
        stop_sshd(process)


@pytest.fixture(scope="session")
def sshd(make_sshd) -> Sshd:
    return make_sshd()


@pytest.fixture(scope="session")
def host(sshd):
    """An open connection to the ordinary sshd, for tests that leave it open."""
    connection = connect(sshd.address, name="n1")
    yield connection
    connection.close()


@pytest.fixture
def own_host(sshd):
    """A connection of the test's own."""
    connection = connect(sshd.address, name="n1")
    yield connection
    connection.close()


@pytest.fixture
def engine_socket(tmp_path):
    """A UNIX socket that answers as an engine."""
    path = tmp_path / "docker.sock"
    server = EngineServer(str(path), EngineHandler)
    server.path = str(path)
    server.requests = []
    server.connections = []
    server.received = 0
    server.swarm = FakeSwarm("n1", images={"web:1": "sha256:aa"})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
