"""`lab status --attach` and `lab verify --attach` as commands, over a real sshd: what arrives, what is left here."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.main import app
from orchestrator.transport.readonly import allowed
from orchestrator.transport.scripted import ScriptedHost


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An operator's machine with nothing on it, read-only as far as that can be had."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "LAB_STATE_DIR", "LAB_CACHE_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def inventory(tmp_path, sshd, engine_socket) -> Path:
    ScriptedHost("n1", swarm=engine_socket.swarm).engine().init_swarm()
    engine_socket.swarm.changes.clear()
    address = sshd.address
    file = tmp_path / "inventory.yaml"
    file.write_text(
        f"name: theirs\nprovider: ssh\nnodes:\n"
        f"  - name: n1\n    role: manager\n    advertise_addr: 192.168.90.11\n"
        f"    ssh: {{host: 127.0.0.1, port: {address.port}, user: {address.user}, key: {address.key}, "
        f"known_hosts: {address.known_hosts}, docker_socket: {engine_socket.path}}}\n"
    )
    return file


@pytest.mark.parametrize(("command", "code"), [("status", 0), ("verify", 3)])
def test_only_listed_questions_arrive_and_nothing_is_written_here(inventory, home, engine_socket, command, code):
    before = inventory.read_bytes()
    result = CliRunner().invoke(app, [command, "--attach", "-i", str(inventory), "-o", "json"])
    assert result.exit_code == code, result.output
    assert json.loads(result.stdout)["cluster"] == "theirs"
    calls = {request.replace("/v1.45", "") for request in engine_socket.requests}
    assert calls
    assert {call for call in calls if not allowed(call)} == set()
    assert engine_socket.swarm.changes == []
    assert list(home.rglob("*")) == []
    assert inventory.read_bytes() == before


def test_without_a_swarm_it_is_refused_with_what_was_found(inventory, home, engine_socket):
    engine_socket.swarm.engines["n1"].state = "inactive"
    result = CliRunner().invoke(app, ["verify", "--attach", "-i", str(inventory), "-o", "json"])
    assert result.exit_code == 4
    error = json.loads(result.stdout)["error"]
    assert error["kind"] == "RefusedError"
    assert error["details"] == ["n1: in no swarm"]
    assert list(home.rglob("*")) == []
