"""sudo that wants a password: asked for once, told to sudo alone, and never to a command or a process list."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil
import pytest
from sshd_support import as_user

from orchestrator.errors import NodeError
from orchestrator.transport.secrets import Secrets
from orchestrator.transport.ssh import SshHost, connect

PASSWORD = "c4nary pass'word"

SUDO = r"""#!/bin/sh
# Asks as sudo does: prompt on stderr, answer on stdin byte by byte, three tries. ENTRIES counts wrong answers.
prompt=; ask=yes; stdin=
while [ $# -gt 0 ]; do
  case $1 in
    -n) ask=no;; -S) stdin=yes;; -k) ;; -p) prompt=$2; shift;; --) shift; break;; *) break;;
  esac
  shift
done
free() {{ case " {free} " in *" $1 "*) return 0;; esac; return 1; }}
if ! free "$1"; then
  if [ $ask = no ]; then echo "sudo: a password is required" >&2; exit 1; fi
  echo "We trust you have received the usual lecture." >&2
  for try in 1 2 3; do
    printf %s "$prompt" >&2
    IFS= read -r answer || {{ echo "sudo: no password was provided" >&2; exit 1; }}
    [ "$answer" = "{password}" ] && break
    echo wrong >> "{folder}/wrong"
    echo "Sorry, try again." >&2
    [ $try = 3 ] && {{ echo "sudo: 3 incorrect password attempts" >&2; exit 1; }}
  done
fi
[ -n "{forbidden}" ] && {{ echo "somebody is not in the sudoers file." >&2; exit 1; }}
AS_ROOT=yes exec "$@"
"""


class Person:
    """Answers what is asked, and remembers the questions."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    def __call__(self, question: str) -> str | None:
        self.questions.append(question)
        return self.answers.pop(0) if self.answers else None


@pytest.fixture
def node(make_sshd, tmp_path):
    """Makes connections of an ordinary user to a host whose sudo wants a password."""
    opened: list[SshHost] = []

    def make(secrets: Secrets | None = None, name: str = "bin", **settings: str) -> SshHost:
        folder = tmp_path / name
        folder.mkdir()
        values = {"password": PASSWORD, "free": "", "forbidden": "", **settings}
        (folder / "sudo").write_text(SUDO.format(folder=folder, **values))
        (folder / "sudo").chmod(0o755)
        host = connect(make_sshd(PATH=f"{folder}:/usr/bin:/bin").address, name="n1")
        opened.append(host)
        return as_user(host, "somebody", secrets=secrets)

    yield make
    for host in opened:
        host.close()


def wrong_answers(folder: Path) -> int:
    file = folder / "wrong"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_the_password_is_asked_for_once_and_commands_run_as_root(node):
    person = Person(PASSWORD)
    host = node(Secrets(person))
    for _ in range(3):
        result = host.run(["sh", "-c", "echo $AS_ROOT; echo err >&2; exit 7"], root=True)
        assert (result.exit_code, result.stdout, result.stderr) == (7, "yes\n", "err\n")
        assert result.argv[0] == "sh"
    assert person.questions == ["Password of somebody for sudo on n1: "]


def test_a_command_s_input_is_its_own(node):
    host = node(Secrets(Person(PASSWORD)))
    data = b"line\n" * 100_000
    assert host.run(["cat"], stdin=data, root=True).stdout.encode() == data
    assert host.run(["cat"], root=True).stdout == ""


def test_a_command_that_wants_no_password_never_gets_it(node):
    """Rights for one command without a password: what it reads is what we sent, also once the password is known."""
    person = Person(PASSWORD)
    host = node(Secrets(person), free="cat")
    assert host.run(["cat"], stdin=b"data", root=True).stdout == "data"
    assert person.questions == []
    host.run(["true"], root=True)
    assert host.run(["cat"], stdin=b"data", root=True).stdout == "data"
    assert len(person.questions) == 1


def test_the_password_is_in_no_process_list_and_no_environment(node):
    host = node(Secrets(Person(PASSWORD)))
    script = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    everything = host.run(["sh", "-c", script], root=True).stdout
    assert script in everything  # the command that looks is seen,
    assert "AS_ROOT=yes" in everything  # and so is what sudo gave it
    assert PASSWORD not in everything
    assert not any(PASSWORD in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


def test_a_slip_of_the_finger_costs_one_try_on_one_host(node, tmp_path):
    secrets = Secrets(person := Person("wrong", PASSWORD))
    hosts = [node(secrets, name=f"bin{number}") for number in range(3)]
    threads = [threading.Thread(target=host.run, args=(["true"],), kwargs={"root": True}) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(person.questions) == 2
    assert sum(wrong_answers(tmp_path / f"bin{number}") for number in range(3)) == 1


def test_a_host_with_a_password_of_its_own_is_asked_about(node):
    secrets = Secrets(person := Person(PASSWORD, "other"))
    one, two = node(secrets), node(secrets, name="other", password="other")
    assert one.run(["true"], root=True).exit_code == 0
    assert two.run(["true"], root=True).exit_code == 0
    assert one.run(["true"], root=True).exit_code == 0
    assert len(person.questions) == 2


def test_three_wrong_passwords_are_an_error_that_shows_none(node):
    host = node(Secrets(Person("a-wrong-one", "b-wrong-one", "c-wrong-one", PASSWORD)))
    with pytest.raises(NodeError, match="none of 3 passwords of somebody") as caught:
        host.run(["true"], root=True)
    assert caught.value.kind == "auth"
    assert "wrong-one" not in caught.value.message + caught.value.hint


def test_where_nobody_can_be_asked_it_is_said_what_to_do(node):
    with pytest.raises(NodeError, match="nobody is there to ask") as caught:
        node().run(["true"], root=True)
    assert caught.value.kind == "auth"
    assert "without a password" in caught.value.hint


def test_a_user_who_may_not_in_spite_of_the_password(node):
    with pytest.raises(NodeError, match="is not in the sudoers file"):
        node(Secrets(Person(PASSWORD)), forbidden="yes").run(["true"], root=True)


def test_a_host_without_sudo(node, tmp_path):
    host = node()
    (tmp_path / "bin" / "sudo").unlink()
    with pytest.raises(NodeError, match="may not run commands as root") as caught:
        host.run(["true"], root=True)
    assert "sudo is not installed" in caught.value.hint


def test_a_slow_command_has_its_time_out(node):
    host = node(Secrets(Person(PASSWORD)))
    host.run(["true"], root=True)
    with pytest.raises(NodeError, match=r"`sleep 60` did not end within 0\.3 s"):
        host.run(["sleep", "60"], root=True, timeout=0.3)


def test_a_sudo_that_asks_for_something_else_is_given_up(node, tmp_path, monkeypatch):
    host = node(Secrets(Person(PASSWORD)))
    monkeypatch.setattr("orchestrator.transport.sudo.ASK_SECONDS", 0.5)
    (tmp_path / "bin" / "sudo").write_text(
        '#!/bin/sh\n[ "$1" = -n ] && { echo "sudo: a password is required" >&2; exit 1; }\n'
        'printf "Your token: " >&2; read answer\n'
    )
    with pytest.raises(NodeError, match=r"neither began nor refused within .*Your token:") as caught:
        host.run(["true"], root=True)
    assert caught.value.kind == "timeout"
