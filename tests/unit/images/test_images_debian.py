"""What apt knows becomes mmdebstrap's command, and a long command ends when it is told to."""

from pathlib import Path

import pytest

from orchestrator.errors import EnvironmentProblem, Interrupted
from orchestrator.images.debian import RootTar, debian_mirror, fetch_options, mmdebstrap_command, run_told
from orchestrator.providers.vm import processes
from orchestrator.runtime.context import Context

TARGETS = """Docker|Docker CE|https://download.example/linux/debian/
Debian|Debian-Security|http://security.example/debian-security/
Debian||http://unlabelled.example/
Debian|Debian|
Debian|Debian|http://mirror.example/debian/
Debian|Debian|http://second.example/debian/
"""
DUMP = """APT "";
Acquire "";
Acquire::http "";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::https::Verify-Peer "false";
Acquire::https::CAInfo "/etc/ssl/ca.crt";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
Acquire::cdrom::mount "/media/cdrom";
Acquire::httpfoo "x";
Dir::Cache "var/cache/apt";
"""
TAR = RootTar("trixie", ("nginx-light", "busybox-static"), "extract", ("copy-in x /",), ("/usr/share/doc/*",))


@pytest.fixture
def context():
    return Context(lambda _event: None)


def ignore(_message, _fraction=-1.0):
    """Progress nobody looks at."""


def test_the_mirror_is_the_first_debian_main_archive_that_apt_uses():
    assert debian_mirror(TARGETS) == "http://mirror.example/debian/"


@pytest.mark.parametrize("targets", ["", "Ubuntu|Ubuntu|http://archive.example/ubuntu/\n", "nonsense\n"])
def test_without_a_debian_archive_the_default_is_taken(targets):
    assert debian_mirror(targets) == ""
    assert mmdebstrap_command(TAR, Path("out.tar"), "", (), root=True)[-2:] == ["trixie", "out.tar"]


def test_proxies_and_checks_of_this_machine_are_taken_over():
    assert fetch_options(DUMP)[:1] == ['Acquire::http::Proxy "http://proxy.example:3128"']
    assert {option.split()[0] for option in fetch_options(DUMP)} >= {
        "Acquire::https::Verify-Peer",
        "Acquire::https::CAInfo",
        "Acquire::Retries",
        "Acquire::Check-Valid-Until",
    }
    assert not [option for option in fetch_options(DUMP) if option.startswith(("APT", "Dir", "Acquire::cdrom"))]


def test_the_command_of_root():
    assert mmdebstrap_command(TAR, Path("/c/out.tar"), "http://m/", ['Acquire::Retries "3"'], root=True) == [
        "mmdebstrap",
        "--mode=root",
        "--variant=extract",
        "--format=tar",
        "--include=nginx-light,busybox-static",
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Retries "3"',
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--customize-hook=copy-in x /",
        "trixie",
        "/c/out.tar",
        "http://m/",
    ]


def test_an_ordinary_user_works_in_a_user_namespace():
    root = mmdebstrap_command(TAR, Path("o"), "", (), root=True)
    user = mmdebstrap_command(TAR, Path("o"), "", (), root=False)
    assert [pair for pair in zip(root, user, strict=True) if pair[0] != pair[1]] == [("--mode=root", "--mode=unshare")]


def test_every_line_is_told(context):
    told = []
    run_told(context, ["sh", "-c", "echo 'I: one'; echo two >&2; printf 'a\\rb\\377\\n'"], told.append, hint="")
    assert told == ["one", "two", "a", "b\ufffd"]


def test_a_command_that_fails_shows_the_end_of_what_it_said(context):
    with pytest.raises(EnvironmentProblem, match="sh ended with exit code 3") as told:
        run_told(context, ["sh", "-c", "seq 100; echo E: no mirror >&2; exit 3"], ignore, hint="look here")
    assert told.value.details == (*[str(number) for number in range(90, 101)], "E: no mirror")
    assert told.value.hint == "look here"


def test_a_command_that_is_missing_is_named(context):
    with pytest.raises(EnvironmentProblem, match="cannot start no-such-program: No such file") as told:
        run_told(context, ["no-such-program"], ignore, hint="")
    assert told.value.hint == "run: lab doctor"


def endless(mark):
    """A command with a child, both with the mark among their arguments; it says a line and never ends."""
    child = 'sh -c "while :; do sleep 100; done" sh "$1"'
    return ["sh", "-c", f"{child} & echo ready; wait; :", "sh", mark]


@pytest.mark.timeout(30)
def test_a_cancelled_command_is_gone_with_its_children(context, tmp_path):
    mark, seen = f"{tmp_path}/mark", []

    def cancel(_message, _fraction=-1.0):
        seen.extend(processes.find_users(mark))
        context.cancel()

    with pytest.raises(Interrupted):
        run_told(context, endless(mark), cancel, hint="")
    assert len(seen) >= 1
    assert processes.find_users(mark) == []


@pytest.mark.timeout(30)
def test_a_command_is_not_awaited_when_the_run_was_cancelled_before(context, tmp_path):
    context.cancel()
    with pytest.raises(Interrupted):
        run_told(context, endless(f"{tmp_path}/mark"), ignore, hint="")
    assert processes.find_users(f"{tmp_path}/mark") == []


@pytest.mark.timeout(30)
def test_a_command_ends_when_telling_fails(context, tmp_path):
    def fail(_message, _fraction=-1.0):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_told(context, endless(f"{tmp_path}/mark"), fail, hint="")
    assert processes.find_users(f"{tmp_path}/mark") == []
