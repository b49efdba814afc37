"""A known_hosts file is read once as long as it stays the same, and a line of another host harms nobody."""

import os
from pathlib import Path

import pytest
from sshd_support import keygen

from orchestrator.errors import NodeError
from orchestrator.transport.known_hosts import find
from orchestrator.transport.ssh import connect
from orchestrator.transport.wire import Wire


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return [Path(f"{keygen(folder / str(number))}.pub").read_text().split()[1] for number in range(2)]


def test_a_file_is_read_once_and_again_when_it_has_changed(tmp_path, blobs, monkeypatch):
    path = tmp_path / "known_hosts"
    path.write_text(f"n1 ssh-ed25519 {blobs[0]}\n")
    reads = []
    read_text = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, *more: reads.append(self) or read_text(self, *more))
    assert [len(find([path], name)) for name in ("n1", "n2", "n1")] == [1, 0, 1]
    assert reads == [path]
    path.write_text(f"n2 ssh-ed25519 {blobs[1]}\n")
    os.utime(path, ns=(1, 1))
    assert [len(find([path], name)) for name in ("n1", "n2")] == [0, 1]
    assert reads == [path, path]


def test_a_line_of_another_host_that_holds_no_key_harms_nobody(sshd):
    address = sshd.with_known_hosts(
        f"elsewhere ssh-ed25519 !\n[127.0.0.1]:{sshd.address.port} {sshd.public_key}\nn7 ssh-ed25519 AAAA\n"
    )
    connect(address, name="n1").close()


def test_where_no_thread_can_be_started_that_is_told(sshd, monkeypatch):
    def refuse(*_arguments, **_options):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Wire, "start_client", refuse)
    with pytest.raises(NodeError, match=r"no thread could be started .* can't start new thread") as caught:
        connect(sshd.address, name="n1")
    assert "ulimit -u" in caught.value.hint
