"""Commands on a node, and what closing does to them."""

from __future__ import annotations

import logging
import os
import threading

import pytest
from sshd_support import as_user

from orchestrator.errors import NodeError
from orchestrator.transport.base import ChannelFailed
from orchestrator.transport.ssh import connect


def test_arguments_arrive_as_they_are(host):
    argv = ["printf", "%s\\n", "a b", "$HOME", "it's", "*"]
    assert host.run(argv).stdout == "a b\n$HOME\nit's\n*\n"


def test_a_failing_command_is_a_result(host):
    result = host.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (result.exit_code, result.stdout, result.stderr) == (7, "out\n", "err\n")


def test_megabytes_on_both_streams_do_not_block_each_other(host):
    script = "head -c 5000000 /dev/zero >&2; head -c 6000000 /dev/zero; head -c 5000000 /dev/zero >&2"
    result = host.run(["sh", "-c", script])
    assert (len(result.stdout), len(result.stderr)) == (6_000_000, 10_000_000)


def test_megabytes_of_input_come_back(host):
    data = os.urandom(3_000_000).hex().encode()
    assert host.run(["cat"], stdin=data).stdout.encode() == data


def test_a_command_that_ignores_its_input_does_not_block(host):
    assert host.run(["true"], stdin=b"x" * 5_000_000).exit_code == 0


def test_no_input_means_an_empty_one(host):
    assert host.run(["cat"], timeout=5).stdout == ""


def test_a_timeout_names_node_command_and_time(host):
    with pytest.raises(NodeError, match=r"`sleep 60` did not end within 0\.3 s") as caught:
        host.run(["sleep", "60"], timeout=0.3)
    assert caught.value.kind == "timeout"
    assert caught.value.node == "n1"
    assert host.run(["echo", "still here"]).stdout == "still here\n"


def test_a_killed_command_has_no_exit_code(host):
    with pytest.raises(NodeError, match="ended by a signal"):
        host.run(["sh", "-c", "kill -9 $$"])


FAKE_SUDO = """#!/bin/sh
[ "$1 $2" = "-n --" ] || exit 9
shift 2
if [ "$1" = forbidden ]; then echo "sudo: I'm sorry somebody. I'm afraid I can't do that" >&2; exit 1; fi
AS_ROOT=yes exec "$@"
"""


@pytest.fixture
def with_sudo(make_sshd, tmp_path):
    """A connection whose user counts as an ordinary one, to an sshd on whose PATH a stand-in for sudo comes first."""
    (tmp_path / "sudo").write_text(FAKE_SUDO)
    (tmp_path / "sudo").chmod(0o755)
    host = connect(make_sshd(PATH=f"{tmp_path}:/usr/bin:/bin").address, name="n1")
    yield as_user(host, "somebody")
    host.close()


def test_root_goes_through_sudo(with_sudo):
    result = with_sudo.run(["sh", "-c", "echo $AS_ROOT"], root=True)
    assert (result.stdout, result.argv[0]) == ("yes\n", "sh")
    assert with_sudo.run(["sh", "-c", "echo $AS_ROOT"]).stdout == "\n"


def test_root_as_root_needs_no_sudo(with_sudo):
    host = as_user(with_sudo, "root")
    assert host.run(["sh", "-c", "echo $AS_ROOT"], root=True).stdout == "\n"


def test_a_user_who_may_not_use_sudo_is_told(with_sudo):
    with pytest.raises(NodeError, match="user somebody may not run commands as root: sudo: I'm sorry") as caught:
        with_sudo.run(["forbidden"], root=True)
    assert caught.value.kind == "auth"


def test_closing_from_another_thread_ends_a_running_command_at_once(sshd):
    host = connect(sshd.address, name="n1")
    started = threading.Event()
    caught = []

    def work():
        started.set()
        try:
            host.run(["sleep", "600"], timeout=600)
        except NodeError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    started.wait()
    host.close()
    thread.join(10)
    assert not thread.is_alive()
    assert caught


def test_closing_twice_is_fine_and_nothing_opens_afterwards(sshd):
    host = connect(sshd.address, name="n1")
    host.close()
    host.close()
    assert not host.alive
    with pytest.raises(NodeError, match="could not be started") as caught:
        host.run(["true"])
    assert caught.value.kind == "unreachable"
    with pytest.raises(ChannelFailed) as failed:
        host.open_tcp("127.0.0.1", 1, timeout=1)
    assert failed.value.kind == "dead"


def test_paramiko_keeps_to_itself(host, capfd):
    with pytest.raises(ChannelFailed):
        host.open_tcp("127.0.0.1", 1, timeout=5)
    logging.getLogger("paramiko.transport").error("a thread's complaint")
    assert capfd.readouterr() == ("", "")


def test_a_long_script_is_cut_short_where_it_is_told(host):
    with pytest.raises(NodeError) as caught:
        host.run(["sh", "-c", "sleep 5\necho second line"], timeout=0.2)
    assert "`sh -c 'sleep 5…` did not end within 0.2 s" in caught.value.message
    with pytest.raises(NodeError) as caught:
        host.run(["sleep", "5" + "0" * 500], timeout=0.2)
    assert len(caught.value.message) < 300
