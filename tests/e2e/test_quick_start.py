"""What the quick start says to break does break, is found where it says, and can be undone as it says."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.e2e.lab_command import REPOSITORY, Lab


def rows() -> list[tuple[str, str, str]]:
    """The table of docs/quick-start.md: how to break it, what is said then, how to undo it."""
    text = (REPOSITORY / "docs/quick-start.md").read_text()
    lines = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| `lab ssh ")]
    return [(cells[0].strip(" `"), cells[1].strip(), cells[2].strip()) for cells in lines]


def undoing(breaking: str, undo: str) -> str:
    """The command that undoes another, from "`COMMAND`" or "the same with `A` instead of `B`"."""
    if same := re.fullmatch(r"the same with `(\S+)` instead of `(\S+)`", undo):
        return breaking.replace(f" {same[2]}", f" {same[1]}")
    return undo.strip("`")


def lab_words(line: str) -> list[str]:
    """The arguments of a `lab` command."""
    name, *words = shlex.split(line)
    assert name == "lab"
    return words


BROKEN = {"--dport 8080": "n2", "--dport 4789": "n2", "eth1 down": "n3", "--availability drain": ""}
"""Which node must be named; none where nothing fails."""


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0].partition(" -- ")[2])
def test_what_the_quick_start_breaks(cluster: Lab, row: tuple[str, str, str]) -> None:
    breaking, said, undo = row
    node = next(node for words, node in BROKEN.items() if words in breaking)
    cluster.run(*lab_words(breaking)).ok()
    try:
        report = cluster.verified("--requests", "4", "--deadline", "3", code=1 if node else 0).document
    finally:
        cluster.run(*lab_words(undoing(breaking, undo))).ok()
    failing = [check for port in report["ports"] for check in port["checks"] if check["verdict"] == "fail"]
    assert bool(failing) == bool(node), said
    assert not node or node in {name for check in failing for name in check["nodes"]}, failing
    cluster.run("up").ok()
    cluster.verified("--requests", "4")


def test_every_row_is_tried() -> None:
    assert len(rows()) == len(BROKEN)
