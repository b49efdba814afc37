"""Every file of the corpus gives exactly the messages that stand beside it.

``tests/golden/config/{inventory,lab}/NAME.yaml`` is read, ``NAME.txt`` holds what is said of it. After a change
of the wording run ``LAB_UPDATE_GOLDEN=1 pytest tests/unit/config/test_config_golden.py`` and read the difference.
"""

import os
from pathlib import Path

import pytest

from orchestrator.config.compose import load_lab
from orchestrator.config.inventory import load_inventory
from orchestrator.errors import ConfigError

CORPUS = Path(__file__).parents[2] / "golden" / "config"
ENV = {
    "HOME": "/home/nobody-has-this",
    "EMPTY": "",
    "WORD": "many",
    "INJECTION": "lab\nprovider: ssh\nnodes: []",
}
LOADERS = {"inventory": load_inventory, "lab": load_lab}
FILES = sorted(CORPUS.glob("inventory/*.yaml")) + sorted(CORPUS.glob("lab/*.yaml"))


def messages(path: Path) -> str:
    """What is said of a file, with the corpus folder left out of all paths."""
    try:
        loaded = LOADERS[path.parent.name](path, ENV)
        found = [f"warning: {warning}" for warning in loaded.warnings] or ["no problem"]
    except ConfigError as error:
        found = [str(problem) for problem in error.problems]
    return "".join(f"{message}\n" for message in found).replace(f"{CORPUS}/", "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_messages_of_a_file_are_those_beside_it(path):
    expected = path.with_suffix(".txt")
    found = messages(path)
    if os.environ.get("LAB_UPDATE_GOLDEN"):
        expected.write_text(found)
    assert found == expected.read_text()


def test_the_corpus_is_whole():
    """At least so many bad files of each kind, and no expected text without its file."""
    bad = [path for path in FILES if ":" in path.with_suffix(".txt").read_text()]
    assert len([path for path in bad if path.parent.name == "inventory"]) >= 60
    assert len([path for path in bad if path.parent.name == "lab"]) >= 40
    assert {path.with_suffix("") for path in CORPUS.glob("*/*.txt")} == {path.with_suffix("") for path in FILES}
