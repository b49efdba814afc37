"""docs/commands.md names every command, argument, option and exit code, and no option that does not exist."""

import re
from pathlib import Path

import pytest
import typer

from orchestrator.cli.main import app
from orchestrator.errors import ExitCode

TEXT = (Path(__file__).parents[3] / "docs" / "commands.md").read_text()


def commands(group, prefix: str = "lab"):
    """Every command with its full name."""
    for name, command in group.commands.items():
        full = f"{prefix} {name}"
        if hasattr(command, "commands"):
            yield from commands(command, full)
        else:
            yield full, command


ALL = dict(commands(typer.main.get_command(app)))


def section(name: str) -> str:
    """The part of the page about one command (`lab image build` is a line in the part about `lab image`)."""
    heading = "## `" + " ".join(name.split()[:2]) + "`"
    assert heading in TEXT
    part = TEXT.split(heading, 1)[1].split("\n## ", 1)[0]
    if len(name.split()) == 2:
        return part
    return next(item for item in part.split("\n- ") if item.startswith(f"`{name}"))


@pytest.mark.parametrize("name", ALL)
def test_a_command_is_described_with_all_it_takes(name):
    part = section(name)
    for parameter in ALL[name].params:
        for option in parameter.opts:
            if option == "--help":
                continue
            shown = option if option.startswith("-") else parameter.metavar.removeprefix("-- ")
            assert shown in part or (shown in ("--inventory", "--output") and f"{shown}" in TEXT), (name, shown)


@pytest.mark.parametrize("name", ALL)
def test_a_command_takes_every_option_in_its_usage_line(name):
    usage = next(line for line in section(name).splitlines() if f"`{name}" in f"`{line.lstrip('`- ')}")
    known = {option for parameter in ALL[name].params for option in parameter.opts}
    synopsis = usage.split("`")[1]
    assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", synopsis)) <= known


def test_no_option_is_described_that_does_not_exist():
    known = {option for command in ALL.values() for parameter in command.params for option in parameter.opts}
    known |= {"--help", "--version", "--install-completion", "--show-completion"}
    assert set(re.findall(r"`(--[a-z][a-z-]*)", TEXT)) <= known


def test_every_exit_code_is_in_the_table():
    assert re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE) == [str(int(code)) for code in ExitCode]


def test_every_environment_variable_is_named():
    for variable in ("LAB_INVENTORY", "LAB_STATE_DIR", "LAB_CACHE_DIR", "NO_COLOR"):
        assert f"`{variable}`" in TEXT
