"""The docker SDK over a real SSH connection, and what happens where a way to the engine is closed."""

from __future__ import annotations

import socket
import sys
import threading
from dataclasses import replace

import docker.errors
import pytest
from sshd_support import as_user

from orchestrator.errors import NodeError
from orchestrator.transport.engine import agreed_version
from orchestrator.transport.engine_errors import engine_errors, hint_for, status_of
from orchestrator.transport.secrets import Secrets
from orchestrator.transport.ssh import SshHost, connect

DIAL = (
    f"#!{sys.executable} -IS\n"
    """
import os, socket, sys, threading
if sys.argv[1:] != ["-H", "unix://" + {path!r}, "system", "dial-stdio"]: sys.exit("docker: unknown command")
{refuse}
sock = socket.socket(socket.AF_UNIX)
sock.connect({path!r})
def up():
    while data := os.read(0, 65536): sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := sock.recv(65536): os.write(1, data)
"""
)
SUDO = '#!/bin/sh\n[ "$1" = -n ] && shift\n[ "$1" = -- ] && shift\nAS_ROOT=yes exec "$@"\n'
DENIED = "if not os.environ.get('AS_ROOT'): sys.exit('permission denied while trying to connect to the Docker daemon')"
DOWN = "sys.exit('Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?')"


@pytest.fixture
def own_host(sshd, engine_socket):
    """A connection of the test's own, to a node whose engine listens in another place than usual."""
    connection = connect(replace(sshd.address, docker_socket=engine_socket.path), name="n1")
    yield connection
    connection.close()


@pytest.fixture
def fallback(make_sshd, engine_socket, tmp_path):
    """A connection to an sshd without stream-local forwarding; a script stands for `docker` on the node."""
    programs = tmp_path / "bin"
    programs.mkdir()
    hosts = []

    def make(
        refuse: str = "", user: str = "root", script: str = DIAL, sudo: str = SUDO, secrets: Secrets | None = None
    ) -> SshHost:
        for name, text in {"docker": script.format(path=engine_socket.path, refuse=refuse), "sudo": sudo}.items():
            if text:
                (programs / name).write_text(text)
                (programs / name).chmod(0o755)
        server = make_sshd("AllowStreamLocalForwarding no", PATH=f"{programs}:/usr/bin:/bin")
        client = connect(server.address, name="n1")
        hosts.append(client)
        return as_user(client, user, engine_socket.path, secrets)

    yield make
    for host in hosts:
        host.close()


def test_the_sdk_runs_over_the_connection(own_host, engine_socket):
    engine = own_host.engine()
    assert engine.info()["Name"] == "n1"
    assert engine.inspect_image("web:1")["Id"] == "sha256:aa"
    with pytest.raises(docker.errors.ImageNotFound):
        engine.inspect_image("other:1")


def test_a_kept_connection_is_used_again(own_host, engine_socket):
    for _ in range(5):
        own_host.engine().info()
    assert len(engine_socket.connections) == 2  # one to agree on a version, one for all calls


def test_the_version_is_asked_for_once_per_node(own_host, engine_socket):
    def work():
        own_host.engine().info()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine_socket.requests.count("GET /version") == 1
    assert engine_socket.requests.count("GET /v1.45/info") == 5


def test_each_thread_has_its_own_client(own_host, engine_socket):
    clients = [own_host.engine(), own_host.engine()]
    thread = threading.Thread(target=lambda: clients.append(own_host.engine()))
    thread.start()
    thread.join()
    assert clients[0] is clients[1]
    assert clients[0] is not clients[2]


def test_megabytes_go_up(own_host, engine_socket, tmp_path):
    archive = tmp_path / "image.tar"
    archive.write_bytes(b"web:2 sha256:bb" + b" " * 20_000_000)
    with archive.open("rb") as data:
        assert list(own_host.engine().load_image(data)) == [{"stream": "Loaded image: web:2\n"}]
    assert engine_socket.received > 20_000_000
    assert own_host.engine().inspect_image("web:2")["Id"] == "sha256:bb"


def test_a_dropped_connection_is_opened_anew(own_host, engine_socket):
    """dockerd was restarted between two calls: the kept connection has ended."""
    engine = own_host.engine()
    engine.info()
    engine_socket.connections[-1].shutdown(socket.SHUT_RDWR)
    pool = engine.get_adapter("http+docker://ssh").get_connection("")
    kept = pool.pool.get()
    assert kept.sock.recv(1) == b""  # the end has arrived here too
    pool.pool.put(kept)
    assert engine.info()["Name"] == "n1"
    assert len(engine_socket.connections) == 3


def test_where_forwarding_is_off_the_engine_is_dialled_by_command(fallback, engine_socket):
    host = fallback()
    assert host.engine().info()["Name"] == "n1"
    assert host.engine().inspect_image("web:1")["Id"] == "sha256:aa"


def test_where_the_user_may_not_dial_sudo_does(fallback, engine_socket):
    assert fallback(DENIED, user="somebody").engine().info()["Name"] == "n1"


ASKING_SUDO = """#!/bin/sh
[ "$1" = -n ] && {{ echo "sudo: a password is required" >&2; exit 1; }}
[ "$1 $2 $3 $5" = "-k -S -p --" ] || exit 9
printf %s "$4" >&2
read -r answer
[ "$answer" = "{password}" ] || {{ printf %s "$4" >&2; read -r again; exit 1; }}
shift 5
AS_ROOT=yes exec "$@"
"""


def test_where_sudo_wants_a_password_it_is_asked_for_once(fallback, engine_socket):
    questions = []
    secrets = Secrets(lambda question: questions.append(question) or "c4nary")
    host = fallback(DENIED, user="somebody", sudo=ASKING_SUDO.format(password="c4nary"), secrets=secrets)
    assert host.engine().info()["Name"] == "n1"
    assert host.engine().inspect_image("web:1")["Id"] == "sha256:aa"
    assert len(questions) == 1


def test_where_nobody_tells_the_password_the_engine_cannot_be_reached(fallback, engine_socket):
    with pytest.raises(NodeError, match="nobody is there to ask") as caught:
        fallback(DENIED, user="somebody", sudo=ASKING_SUDO.format(password="c4nary")).engine()
    assert caught.value.kind == "auth"


def test_where_the_engine_is_down_its_client_tells(fallback, engine_socket):
    with pytest.raises(NodeError, match="Is the docker daemon running") as caught:
        fallback(DOWN).engine()
    assert caught.value.node == "n1"
    assert "systemctl start docker" in caught.value.hint


def test_where_docker_is_missing_it_is_told(fallback, engine_socket):
    with pytest.raises(NodeError, match="not found") as caught:
        fallback(script="").engine()
    assert "install Docker" in caught.value.hint


def test_a_closed_connection_is_unreachable(sshd, engine_socket):
    host = connect(replace(sshd.address, docker_socket=engine_socket.path), name="n1")
    engine = host.engine()
    host.close()
    with (
        pytest.raises(NodeError, match="GET /info: no connection to the engine") as caught,
        engine_errors("n1", "GET /info"),
    ):
        engine.info()
    assert caught.value.kind == "unreachable"


def test_an_error_of_the_engine_keeps_call_message_status_and_hint(own_host, engine_socket):
    with pytest.raises(NodeError) as caught, engine_errors("n1", "GET /swarm"):
        own_host.engine().inspect_swarm()
    assert caught.value.message.startswith("GET /swarm: the engine says: This node is not a swarm manager.")
    assert caught.value.hint
    assert status_of(caught.value) == 503
    assert status_of(ValueError()) == 0


@pytest.mark.parametrize(
    ("newest", "oldest", "agreed"),
    [("1.41", "1.12", "1.41"), ("1.45", "1.24", "1.45"), ("1.51", "1.24", "1.45"), ("1.60", "1.50", "1.50")],
)
def test_the_version_is_one_that_both_know(newest, oldest, agreed):
    assert agreed_version({"ApiVersion": newest, "MinAPIVersion": oldest}) == agreed


def test_an_unknown_message_has_no_hint():
    assert hint_for("the moon is full") == ""
