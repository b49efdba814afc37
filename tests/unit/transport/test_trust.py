"""``lab trust`` and the questions of ``lab``: the command itself on a real terminal, against real sshds."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from sshd_support import keygen
from test_reaching import known, section

ROOT = Path(__file__).parents[3]
PASSPHRASE = "c4nary words"


class Terminal:
    """The command on a terminal of its own; everything that it shows is kept."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.master = master
        self.shown = ""

    def wait_for(self, text: str) -> None:
        """Read until the text is shown, beyond what was waited for before."""
        start = len(self.shown)
        deadline = time.monotonic() + 60
        while text not in self.shown[start:]:
            assert time.monotonic() < deadline, self.shown
            self._read(1.0)

    def type(self, line: str) -> None:
        os.write(self.master, line.encode())

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read(60.0):
            pass
        return self.process.wait(60)

    def _read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False  # nobody has the terminal open any more
        self.shown += data.decode().replace("\r\n", "\n")
        return bool(data)


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".ssh").mkdir(mode=0o700)
    return tmp_path


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SSH_", "LAB_"))}
    folders = {"LAB_STATE_DIR": str(home / "state"), "LAB_CACHE_DIR": str(home / "cache")}
    return kept | folders | {"HOME": str(home), "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "TERM": "dumb"} | more


@contextmanager
def on_terminal(home: Path, *arguments: str):
    """``lab`` with a controlling terminal."""
    master, slave = pty.openpty()
    argv = ["setsid", "-c", "-w", sys.executable, "-m", "orchestrator", *arguments]
    process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, cwd=home, env=environment(home))
    os.close(slave)
    terminal = Terminal(process, master)
    try:
        yield terminal
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)


def lab(home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """``lab`` without any terminal."""
    argv = ["setsid", "-w", sys.executable, "-m", "orchestrator", *arguments]
    env = environment(home, **more)
    return subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=home, env=env, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def servers(make_sshd):
    """Three sshds for all tests here, which never change them."""
    return make_sshd(), make_sshd(), make_sshd()


@pytest.fixture
def chain(servers, home):
    """A node behind one jump host, and one that is reached directly. No key is known yet."""
    gate, inner, outer = servers
    text = section("gate", gate, f"IdentityFile {gate.address.key}")
    text += section("inner", inner, f"IdentityFile {inner.address.key}")
    text += section("outer", outer, f"IdentityFile {outer.address.key}")
    (home / "ssh.conf").write_text(text)
    (home / "inventory.yaml").write_text(
        "name: real\nprovider: ssh\ndefaults:\n  ssh: {config: ssh.conf, known_hosts: known}\nnodes:\n"
        "  - {name: n1, role: manager, advertise_addr: 192.0.2.1, ssh: {host: inner, jump: gate}}\n"
        "  - {name: n2, role: worker, advertise_addr: 192.0.2.2, ssh: {host: outer}}\n"
    )
    return gate, inner, outer


def fingerprints(*servers) -> list[str]:
    argv = ["ssh-keygen", "-lf"]
    found = [subprocess.run([*argv, f"{server.folder}/host_key.pub"], capture_output=True, text=True, check=True)
             for server in servers]  # fmt: skip
    return [one.stdout.split()[1] for one in found]


def test_keys_are_shown_asked_about_and_recorded_those_behind_a_jump_host_too(chain, home):
    gate, inner, outer = fingerprints(*chain)
    with on_terminal(home, "trust") as terminal:
        terminal.wait_for("[yes/no] ")
        assert gate in terminal.shown
        assert outer in terminal.shown
        assert inner not in terminal.shown
        assert not (home / "known").exists()
        terminal.type("yes\n")
        terminal.wait_for("[yes/no] ")
        assert inner in terminal.shown
        terminal.type("yes\n")
        assert terminal.end() == 0
    assert "3 hosts: 3 recorded" in terminal.shown
    assert sorted((home / "known").read_text().splitlines()) == sorted(known(*chain).splitlines())
    assert (home / "known").stat().st_mode & 0o777 == 0o600
    again = lab(home, "trust", "-o", "json")
    assert again.returncode == 0
    assert [(key["host"], key["state"], key["nodes"]) for key in json.loads(again.stdout)["keys"]] == [
        ("gate", "known", ["n1"]),
        ("outer", "known", ["n2"]),
        ("inner", "known", ["n1"]),
    ]


def test_who_does_not_say_yes_has_recorded_nothing(chain, home):
    with on_terminal(home, "trust") as terminal:
        terminal.wait_for("[yes/no] ")
        terminal.type("y\n")
        assert terminal.end() == 4  # the host behind the jump host cannot be asked
    assert "lies behind gate, whose key is not recorded" in terminal.shown
    assert not (home / "known").exists()


def test_without_a_terminal_nothing_is_recorded_but_what_is_named(chain, home):
    gate, inner, outer = fingerprints(*chain)
    looked = lab(home, "trust", "-o", "json")
    document = json.loads(looked.stdout)
    assert [key["state"] for key in document["keys"]] == ["new", "new", "unreachable"]
    assert "--fingerprint" in document["advice"]
    assert not (home / "known").exists()
    some = lab(home, "trust", "--fingerprint", gate, "--fingerprint", inner)
    assert some.returncode == 1
    assert (home / "known").read_text() == known(*chain[:2])
    assert f"! outer port {chain[2].address.port}" in some.stdout
    assert lab(home, "trust", "--fingerprint", outer).returncode == 0


def test_what_is_no_fingerprint_is_a_wrong_usage(home, chain):
    wrong = lab(home, "trust", "--fingerprint", "SHA256:short")
    assert wrong.returncode == 2
    assert "is no fingerprint" in wrong.stderr


def test_a_changed_key_ends_it_and_nothing_is_recorded(chain, home):
    outer = chain[2]
    other = " ".join(Path(f"{keygen(home / 'other')}.pub").read_text().split()[:2])
    before = f"[127.0.0.1]:{outer.address.port} {other}\n"
    (home / "known").write_text(before)
    refused = lab(home, "trust", *(f"--fingerprint={one}" for one in fingerprints(*chain)))
    assert refused.returncode == 4
    assert "has changed" in refused.stderr
    assert f"{home}/known:1 has" in refused.stderr
    assert (home / "known").read_text() == before


@pytest.mark.parametrize("command", [["status"], ["up", "--plan"], ["down"]])
def test_a_changed_key_of_one_host_stops_every_command(chain, home, command):
    gate, inner, outer = chain
    (home / "known").write_text(known(gate, inner).replace(gate.public_key, inner.public_key) + known(outer))
    result = lab(home, *command)
    assert result.returncode == 4
    assert "has changed" in result.stderr
    assert "nothing is done on any host" in result.stderr


def test_a_host_that_does_not_answer_does_not_hide_the_others(chain, home):
    gate, _, outer = fingerprints(*chain)
    config = home / "ssh.conf"
    config.write_text(config.read_text().replace(f"Port {chain[1].address.port}", "Port 1"))
    result = lab(home, "trust", "--fingerprint", gate, "--fingerprint", outer)
    assert result.returncode == 4
    assert "127.0.0.1 port 1 refused the connection" in result.stdout
    assert "3 hosts: 2 recorded, 1 unreachable" in result.stdout


def test_machines_that_lab_makes_need_no_trust(home):
    (home / "inventory.yaml").write_text("name: one\nprovider: vm\nnodes: [{name: n1, role: manager}]\n")
    result = lab(home, "trust")
    assert result.returncode == 2
    assert "knows their host keys" in result.stderr


def test_a_mistake_in_the_configuration_of_openssh_is_told_with_its_line(chain, home):
    with (home / "ssh.conf").open("a") as file:
        file.write("\nProxyJmp gate\n")
    line = len((home / "ssh.conf").read_text().splitlines())
    for command in (["status"], ["up", "--plan"], ["trust"], ["ssh", "n1"]):
        result = lab(home, *command)
        assert result.returncode == 2, command
        assert f"{home}/ssh.conf:{line}: ssh says: Bad configuration option: proxyjmp" in result.stderr


@pytest.fixture
def locked(chain, home):
    """The jump host's key is behind a passphrase, and all hosts are known."""
    (home / "known").write_text(known(*chain))
    path = home / "locked"
    shutil.copy(chain[0].address.key, path)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", PASSPHRASE, "-f", str(path)], check=True)
    config = home / "ssh.conf"
    config.write_text(config.read_text().replace(str(chain[0].address.key), str(path)))
    return path


def test_a_passphrase_is_not_shown_while_it_is_typed(locked, home):
    with on_terminal(home, "trust") as terminal:
        terminal.wait_for(f"Passphrase of the SSH key {locked}: ")
        assert not terminal.echoes()
        terminal.type(f"{PASSPHRASE}\n")
        assert terminal.end() == 0
        assert terminal.echoes()
    assert "3 hosts: 3 known" in terminal.shown
    assert PASSPHRASE not in terminal.shown


def test_ctrl_c_at_a_question_ends_the_command_and_leaves_the_terminal_as_it_was(locked, home):
    with on_terminal(home, "trust") as terminal:
        terminal.wait_for("Passphrase of")
        terminal.type("\x03")
        assert terminal.end() == 130
        assert terminal.echoes()
    assert "interrupted" in terminal.shown


def test_a_passphrase_from_a_program(locked, home):
    program = home / "askpass"
    program.write_text(f'#!/bin/sh\necho "$1" >> {home}/asked\necho "{PASSPHRASE}"\n')
    program.chmod(0o755)
    result = lab(home, "trust", SSH_ASKPASS=str(program))
    assert result.returncode == 0
    assert (home / "asked").read_text() == f"Passphrase of the SSH key {locked}: \n"
    assert PASSPHRASE not in result.stdout + result.stderr


def test_without_anybody_to_ask_it_is_said_what_to_do(locked, home):
    result = lab(home, "trust")
    assert result.returncode == 4
    assert "it is encrypted with a passphrase, and nobody is there to ask for it" in result.stdout
    assert "ssh-add" in result.stdout


def test_lab_ssh_goes_the_same_way_with_the_openssh_client(chain, home):
    (home / "known").write_text(known(*chain))
    result = lab(home, "ssh", "n1", "--", "sh", "-c", "echo $SSH_CONNECTION; echo 100%")
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[3:] == [str(chain[1].address.port), "100%"]


def test_lab_ssh_is_as_strict(chain, home):
    (home / "known").write_text(known(*chain[1:]))
    result = lab(home, "ssh", "n1", "--", "true")
    assert result.returncode == 255
    assert "Host key verification failed" in result.stderr


def test_termination_at_a_question_is_an_interruption(locked, home):
    with on_terminal(home, "trust") as terminal:
        terminal.wait_for("Passphrase of")
        os.kill(terminal.process.pid, signal.SIGTERM)
        assert terminal.end() == 130
