"""Files of known keys: which lines hold for a host, and what is added to a file."""

from __future__ import annotations

import subprocess

import paramiko
import pytest
from sshd_support import keygen

from orchestrator.transport import known_hosts
from orchestrator.transport.known_hosts import append, find, fingerprint, line_for, names

BLOB = "AAAAC3NzaC1lZDI1NTE5AAAAIHv1eBgAd3cJBs2UcyFSMQO5AwMB1WZq6fDVPxWVuFzk"


def output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("patterns", "entry", "held"),
    [
        ("web1", "web1", True),
        ("WEB1", "web1", True),
        ("web1,web2", "web2", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com,!b.example.com", "b.example.com", False),
        ("!b.example.com,*.example.com", "b.example.com", False),
        ("web?", "web1", True),
        ("[web1]:2222", "[web1]:2222", True),
        ("[web1]:2222", "web1", False),
        ("web1", "[web1]:2222", False),
        ("[*.example.com]:2222", "[a.example.com]:2222", True),
        ("[ab]", "a", False),
        ("2001:db8::5", "2001:db8::5", True),
        ("|1|broken", "web1", False),
    ],
)
def test_a_line_holds_for_the_hosts_that_it_names(patterns, entry, held):
    assert names(patterns, entry) is held


def test_names_that_ssh_keygen_hashed_are_found(tmp_path):
    file = tmp_path / "known"
    file.write_text(f"[web1]:2222 ssh-ed25519 {BLOB}\n")
    output("ssh-keygen", "-q", "-H", "-f", str(file))
    assert file.read_text().startswith("|1|")
    assert [key.line for key in find([file], "[web1]:2222")] == [1]
    assert find([file], "web1") == []


def test_lines_are_counted_and_nonsense_holds_for_nobody(tmp_path):
    file = tmp_path / "known"
    file.write_text(
        f"# web1 ssh-ed25519 {BLOB}\n\nweb1\nweb1 ssh-ed25519 !!!\n@revoked web1 ssh-ed25519 {BLOB}\n"
        f"web1 ssh-ed25519 {BLOB} comment\n"
    )
    found = find([tmp_path / "none", file], "web1")
    assert [(key.line, key.marker, key.place) for key in found] == [
        (5, "@revoked", f"{file}:5"),
        (6, "", f"{file}:6"),
    ]


def test_a_fingerprint_is_the_one_that_ssh_keygen_shows(tmp_path):
    key = paramiko.PKey.from_path(keygen(tmp_path / "key"))
    shown = output("ssh-keygen", "-lf", f"{tmp_path}/key.pub")
    assert fingerprint(key.asbytes()) in shown.split()


@pytest.mark.parametrize("hashed", [False, True])
def test_what_is_added_is_found_by_us_and_by_openssh(tmp_path, hashed):
    file, key = tmp_path / "new" / "known", paramiko.PKey.from_path(keygen(tmp_path / "key"))
    append(file, [line_for("[web1]:2222", key, hashed=hashed)])
    assert [known.blob for known in find([file], "[web1]:2222")] == [key.asbytes()]
    assert "found: line 1" in output("ssh-keygen", "-F", "[web1]:2222", "-f", str(file))
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert ("web1" in file.read_text()) is not hashed


def test_a_line_is_added_below_one_that_was_not_ended(tmp_path):
    file, key = tmp_path / "known", paramiko.PKey.from_path(keygen(tmp_path / "key"))
    file.write_text(f"old ssh-ed25519 {BLOB}")
    append(file, [line_for("new", key, hashed=False)])
    assert len(find([file], "old")) == 1
    assert [known.line for known in find([file], "new")] == [2]


def test_a_file_that_cannot_be_read_is_no_empty_one(tmp_path):
    with pytest.raises(OSError, match="directory"):
        find([tmp_path], "web1")
    assert known_hosts.find([], "web1") == []
