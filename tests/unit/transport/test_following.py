"""The output of a command that goes on, over a real sshd."""

import threading

import pytest

from orchestrator.errors import NodeError


def test_lines_come_as_they_are_printed_errors_among_them(own_host):
    lines = iter(own_host.follow(["sh", "-c", "echo one; echo two >&2; read wait; printf three"]))
    assert {next(lines), next(lines)} == {"one", "two"}


def test_the_end_of_the_command_is_the_end(own_host):
    assert list(own_host.follow(["printf", "a\\nb\\nc"])) == ["a", "b", "c"]


def test_closing_ends_a_reader_that_waits(own_host):
    lines = own_host.follow(["sleep", "600"])
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.extend(lines))
    reader.start()
    lines.close()
    lines.close()
    reader.join(timeout=30)
    assert not reader.is_alive()
    assert read == []


def test_a_connection_that_is_gone_ends_the_reader(own_host):
    lines = own_host.follow(["sleep", "600"])
    own_host.close()
    assert list(lines) == []
    with pytest.raises(NodeError, match="could not be started"):
        own_host.follow(["true"])
