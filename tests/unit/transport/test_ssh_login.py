"""Ways into a node and ways to fail: each is told apart, and says what to do."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest
from sshd_support import free_port, keygen

from orchestrator.errors import NodeError
from orchestrator.transport.base import problem_of
from orchestrator.transport.ssh import connect


def failure(address, timeout=5.0) -> NodeError:
    with pytest.raises(NodeError) as caught:
        connect(address, name="n1", timeout=timeout)
    assert caught.value.node == "n1"
    assert caught.value.hint
    return caught.value


def test_a_known_key_lets_us_in(host):
    assert host.run(["echo", "hello world"]).stdout == "hello world\n"


def test_the_alias_is_looked_up_alone(sshd):
    address = replace(sshd.with_known_hosts(f"lab-n1 {sshd.public_key}\n"), host_key_alias="lab-n1")
    connect(address, name="n1").close()


def test_a_wrong_alias_is_an_unknown_host(sshd):
    error = failure(replace(sshd.address, host_key_alias="elsewhere"))
    assert "the host key of elsewhere is not known" in error.message


def test_an_unknown_host_key_shows_fingerprint_and_file_and_is_not_learned(sshd):
    address = sshd.with_known_hosts("# nobody\n")
    error = failure(address)
    assert error.kind == "host-key"
    assert "is not known" in error.message
    assert "ssh-ed25519 SHA256:" in error.message
    assert str(address.known_hosts) in error.message
    assert f"ssh-keyscan -p {address.port} 127.0.0.1" in error.hint
    assert address.known_hosts.read_text() == "# nobody\n"


def test_a_changed_host_key_shows_both_fingerprints(sshd, tmp_path):
    other = " ".join(keygen(tmp_path / "other").with_suffix(".pub").read_text().split()[:2])
    address = sshd.with_known_hosts(f"[127.0.0.1]:{sshd.address.port} {other}\n")
    error = failure(address)
    assert error.kind == "host-key"
    assert "has changed" in error.message
    assert error.message.count("SHA256:") == 2
    assert f"ssh-keygen -R '[127.0.0.1]:{address.port}' -f {address.known_hosts}" in error.hint


def test_a_host_is_asked_for_a_key_that_is_known(make_sshd, tmp_path):
    """It has rsa and would rather show ed25519; we know rsa, and an old ecdsa key that it has no more."""
    rsa, old = (keygen(tmp_path / kind, kind=kind) for kind in ("rsa", "ecdsa"))
    server = make_sshd(f"HostKey {rsa}")
    known = [" ".join(key.with_suffix(".pub").read_text().split()[:2]) for key in (old, rsa)]
    address = server.with_known_hosts("".join(f"[127.0.0.1]:{server.address.port} {key}\n" for key in known))
    connect(address, name="n1").close()


def test_a_known_hosts_file_that_was_named_must_exist(sshd, tmp_path):
    error = failure(replace(sshd.address, known_hosts=tmp_path / "none"))
    assert error.kind == "host-key"
    assert "does not exist" in error.message


def test_a_wrong_key_names_user_and_key(sshd, tmp_path):
    key = keygen(tmp_path / "stranger")
    error = failure(replace(sshd.address, key=key))
    assert error.kind == "auth"
    assert f"user {sshd.address.user}" in error.message
    assert str(key) in error.message


def test_without_a_key_the_users_own_are_tried_and_with_one_only_that(sshd, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519").write_text(sshd.address.key.read_text())
    connect(replace(sshd.address, key=None), name="n1").close()
    error = failure(replace(sshd.address, key=keygen(tmp_path / "stranger")))
    assert error.kind == "auth"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.write_text("not a key\n"), "not a private key"),
        (lambda path: keygen(path, passphrase="long enough"), "encrypted with a passphrase"),
    ],
)
def test_a_key_that_cannot_be_used_says_why(sshd, tmp_path, make, words):
    make(tmp_path / "key")
    error = failure(replace(sshd.address, key=tmp_path / "key"))
    assert error.kind == "auth"
    assert words in error.message
    assert "long enough" not in error.message + error.hint


def test_a_refused_port_is_told(sshd):
    error = failure(replace(sshd.address, port=free_port()))
    assert error.kind == "refused"


def test_an_unknown_name_is_told(sshd):
    error = failure(replace(sshd.address, host="no-such-host.invalid"))
    assert error.kind == "unreachable"
    assert "cannot be resolved" in error.message


def test_silence_is_a_timeout(sshd):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        error = failure(replace(sshd.address, port=listener.getsockname()[1]), timeout=0.3)
    assert error.kind == "timeout"
    assert "does not answer as an SSH server" in error.message


def test_a_web_server_is_not_an_ssh_server(sshd):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        error = failure(replace(sshd.address, port=listener.getsockname()[1]), timeout=2.0)
        thread.join()
    assert error.kind == "unreachable"
    assert "does not answer as an SSH server" in error.message


def test_a_problem_keeps_kind_message_and_hint():
    problem = problem_of(NodeError("no", node="n1", hint="do", kind="auth"))
    assert (problem.kind, problem.message, problem.hint) == ("auth", "no", "do")
    assert problem_of(ValueError("odd")).message == "ValueError: odd"
