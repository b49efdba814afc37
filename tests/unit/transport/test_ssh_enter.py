"""Network namespaces entered through a real sshd, which is started inside them for the purpose."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from sshd_support import SSHD, as_user, free_port
from test_channels import GOOD, server
from test_engine import ASKING_SUDO

from orchestrator.errors import NodeError
from orchestrator.transport import ssh as ssh_module
from orchestrator.transport.base import ChannelFailed
from orchestrator.transport.secrets import Secrets
from orchestrator.transport.ssh import connect

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("nsenter") is None, reason="entering a namespace takes root and nsenter"
)

OWN = "/proc/self/ns/net"


@pytest.fixture(autouse=True)
def the_same_sshd_inside(sshd, tmp_path, monkeypatch):
    """A node's own sshd reads the node's own configuration; here that is the one of the tests."""
    wrapper = tmp_path / "sshd"
    wrapper.write_text(f'#!/bin/sh\nexec {SSHD} -f {sshd.folder}/sshd_config "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setattr(ssh_module, "SSHD", str(wrapper))


@pytest.fixture
def namespace():
    """A network namespace of its own, in which not even loopback is up."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs unshare")
    process = subprocess.Popen([unshare, "--net", "sh", "-c", "echo ready; exec cat"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    if process.stdout.readline() != b"ready\n":
        process.communicate()
        pytest.skip("no namespace can be made here")
    yield f"/proc/{process.pid}/ns/net"
    process.communicate()


def test_the_nodes_own_network_is_like_any_other(host):
    inside = host.enter(OWN)
    try:
        with server(GOOD) as port:
            stream = inside.open_tcp("127.0.0.1", port, timeout=10)
            stream.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert stream.recv(4) == b"HTTP"
            stream.close()
        assert inside.run(["readlink", OWN]).stdout == host.run(["readlink", OWN]).stdout
    finally:
        inside.close()


def test_what_is_dialled_starts_inside(host, namespace):
    inside = host.enter(namespace)
    try:
        with server(GOOD) as port:
            host.open_tcp("127.0.0.1", port, timeout=10).close()
            with pytest.raises(ChannelFailed) as caught:
                inside.open_tcp("127.0.0.1", port, timeout=10)
        assert caught.value.kind == "unreachable"
        assert inside.run(["readlink", OWN]).stdout.strip() == str(Path(namespace).readlink())
    finally:
        inside.close()


def test_leaving_ends_what_was_started_inside_and_nothing_else(host, own_host):
    inside = own_host.enter(OWN)
    inside.close()
    assert not inside.alive
    with pytest.raises(ChannelFailed) as caught:
        inside.open_tcp("127.0.0.1", free_port(), timeout=10)
    assert caught.value.kind == "dead"
    assert own_host.run(["true"]).exit_code == 0


def test_a_namespace_that_is_gone_is_told_with_what_nsenter_said(host):
    with pytest.raises(NodeError) as caught:
        host.enter("/run/docker/netns/gone", timeout=10)
    assert "the network namespace /run/docker/netns/gone cannot be entered" in caught.value.message
    assert caught.value.hint == ("try it on the node, as root: nsenter --net=/run/docker/netns/gone ip address")


def test_a_node_without_sshd_where_it_is_expected(host, monkeypatch):
    monkeypatch.setattr(ssh_module, "SSHD", "/nowhere/sshd")
    with pytest.raises(NodeError, match="cannot be entered"):
        host.enter(OWN, timeout=10)


def test_a_user_with_sudo_enters_with_the_password(make_sshd, namespace, tmp_path, monkeypatch):
    """The sshd inside takes the same login; sudo is a stand-in that wants a password."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sudo").write_text(ASKING_SUDO.format(password="c4nary"))
    (programs / "sudo").chmod(0o755)
    server = make_sshd(PATH=f"{programs}:/usr/sbin:/usr/bin:/bin")
    inner = tmp_path / "inner-sshd"
    inner.write_text(f'#!/bin/sh\nexec {SSHD} -f {server.folder}/sshd_config "$@"\n')
    inner.chmod(0o755)
    monkeypatch.setattr(ssh_module, "SSHD", str(inner))
    questions = []
    outer = connect(server.address, name="n1")
    # Not root by name, so that sudo is used; the login itself stays whose key we have.
    host = as_user(outer, "somebody", secrets=Secrets(lambda question: questions.append(question) or "c4nary"))
    host._route = outer._route
    for _ in range(2):
        inside = host.enter(namespace)
        assert inside.run(["readlink", OWN]).stdout.strip() == str(Path(namespace).readlink())
        inside.close()
    assert len(questions) == 1
    outer.close()
