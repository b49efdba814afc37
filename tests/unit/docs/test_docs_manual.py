"""What the pages tell people to type exists, and what they link to is there."""

import re
import shlex

import pytest
import typer
from manual import PAGES, ROOT, anchors, calls_of_lab, calls_of_make, links, name

from orchestrator.cli.main import app
from orchestrator.doctor import PROGRAMS
from orchestrator.errors import ExitCode
from orchestrator.planning.localise import DROPPED_HINT

TEXTS = {name(page): page.read_text() for page in PAGES}
README = TEXTS["README.md"]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z]+):.* ## ", MAKEFILE, re.MULTILINE))
CALLS = [(page, call) for page, text in {**TEXTS, "Makefile": MAKEFILE}.items() for call in calls_of_lab(text)]
LAB = typer.main.get_command(app)
COMPLETION = {"--install-completion", "--show-completion"}


def packages(text):
    return set(text.replace("\\\n", " ").split())


def parse(line):
    """Read a command line as ``lab`` does, without carrying it out; raises where it makes no sense."""
    command, name, args, parent = LAB, "lab", shlex.split(line), None
    # Typer installs a completion as soon as it reads the option: here it would do so in the home of who tests.
    assert not COMPLETION & set(args)
    while True:
        try:
            context = command.make_context(name, args, parent=parent)
        except typer.Exit:
            return  # --version and --help
        if not hasattr(command, "resolve_command"):
            return
        name, command, args = command.resolve_command(context, [*context._protected_args, *context.args])
        parent = context


@pytest.mark.parametrize(("page", "call"), CALLS, ids=[f"{page}: {call}" for page, call in CALLS])
def test_a_command_line_makes_sense_to_lab(page, call):
    if call in COMPLETION:
        assert call in {option for parameter in LAB.params for option in parameter.opts}
    else:
        parse(call)


@pytest.mark.parametrize("line", ["upp", "up --plann", "image", "image lss", "down extra --force", "schema nothing"])
def test_a_command_line_without_sense_would_be_found(line):
    with pytest.raises(Exception, match=r"[Nn]o such|is not one of|[Mm]issing|LAB|Usage") as raised:
        parse(line)
    assert type(raised.value).__name__ in {"UsageError", "NoSuchOption", "BadParameter", "NoArgsIsHelpError"}


def test_the_pages_hold_commands_of_every_kind():
    """A page whose commands were not recognised any more would be tested for nothing."""
    assert {call.split()[0] for _, call in CALLS} >= {
        "up",
        "verify",
        "down",
        "status",
        "ssh",
        "doctor",
        "image",
        "init",
    }
    assert {page for page, _ in CALLS} >= {"README.md", "CONTRIBUTING.md", "docs/quick-start.md", "Makefile"}
    assert "ssh n2 -- iptables -t raw -I PREROUTING -p tcp --dport 8080 -j DROP" in dict(map(reversed, CALLS))


@pytest.mark.parametrize("page", TEXTS)
def test_every_target_of_make_exists(page):
    assert set(calls_of_make(TEXTS[page])) <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page):
    for link in links(page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_the_index_names_every_page():
    pages = {path.name for path in ROOT.glob("docs/*.md")} - {"README.md"}
    assert {link for link in links(TEXTS["docs/README.md"]) if "/" not in link} == pages


def test_the_readme_begins_with_its_two_commands():
    first = re.search(r"```sh\n(.*?)```", README, re.DOTALL)[1]
    assert [line.partition("#")[0].strip() for line in first.splitlines()] == ["make lab", "make test"]


def test_the_readme_has_every_exit_code():
    assert re.findall(r"^\| (\d+) \|", README, re.MULTILINE) == [str(int(code)) for code in ExitCode]


def test_the_readme_shows_the_hint_that_verify_gives():
    assert DROPPED_HINT.format(entry="n2", port=8080) in README


def test_the_same_packages_in_makefile_and_manual():
    made = packages(re.search(r"^PACKAGES := ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)[1])
    manual = TEXTS["docs/install.md"]
    by_hand = packages(re.search(r"apt-get install ((?:.*\\\n)*.*)$", manual, re.MULTILINE)[1])
    rows = re.search(r"^\| package (?:.*\n)+?\n", manual, re.MULTILINE)[0].strip().splitlines()
    table = {package for row in rows for package in re.findall(r"`([^`]+)`", row.split("|")[1])}
    # The Makefile does not install python3 itself: python3-venv brings it.
    assert by_hand == table == made | {"python3"}
    assert made >= set(PROGRAMS.values())
