"""Of a known_hosts file only the lines of the host count, and the file is read once as long as it stays the same."""

import os
from pathlib import Path

import paramiko
import pytest

from orchestrator.transport import login
from orchestrator.transport.login import _known_keys
from orchestrator.transport.ssh import connect


@pytest.fixture(scope="module")
def keys():
    return [paramiko.ECDSAKey.generate() for _ in range(3)]


def line(names: str, key: paramiko.PKey) -> str:
    return f"{names} {key.get_name()} {key.get_base64()} a comment\n"


def found(path: Path, entry: str) -> list[str]:
    return [key.get_base64() for key in _known_keys(path, entry)]


def test_lines_count_by_their_names_plain_or_hashed_and_the_first_of_a_kind_wins(tmp_path, keys):
    mine, other, third = keys
    path = tmp_path / "known_hosts"
    hashed = paramiko.HostKeys.hash_host("[10.0.0.9]:2222")
    path.write_text(
        "# n1 is here\n\n@revoked nothing\n"
        + line("n1,10.0.0.1", mine)
        + line("n2", other)
        + line("n1", third)
        + line(hashed, third)
    )
    assert found(path, "n1") == found(path, "10.0.0.1") == [mine.get_base64()]
    assert found(path, "n2") == [other.get_base64()]
    assert found(path, "[10.0.0.9]:2222") == [third.get_base64()]
    assert found(path, "10.0.0.9") == found(path, "n3") == found(path, "#") == []


def test_a_file_is_read_once_and_again_when_it_has_changed(tmp_path, keys, monkeypatch):
    path = tmp_path / "known_hosts"
    path.write_text(line("n1", keys[0]))
    reads = []
    read_text = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self: reads.append(self) or read_text(self))
    assert [found(path, name) for name in ("n1", "n2", "n1")] == [[keys[0].get_base64()], [], [keys[0].get_base64()]]
    assert reads == [path]
    path.write_text(line("n2", keys[1]))
    os.utime(path, ns=(1, 1))
    assert found(path, "n2") == [keys[1].get_base64()]
    assert reads == [path, path]


def test_a_line_of_another_host_that_holds_no_key_harms_nobody(sshd, tmp_path):
    address = sshd.with_known_hosts(
        f"elsewhere ssh-ed25519 !\n[127.0.0.1]:{sshd.address.port} {sshd.public_key}\nn7 ssh-ed25519 AAAA\n"
    )
    connect(address, name="n1").close()


def test_where_no_thread_can_be_started_that_is_told(sshd, monkeypatch):
    def refuse(*_arguments, **_options):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(login, "_handshake", refuse)
    with pytest.raises(login.NodeError, match=r"no thread could be started .* can't start new thread") as caught:
        connect(sshd.address, name="n1")
    assert "ulimit -u" in caught.value.hint
