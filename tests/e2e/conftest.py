"""One real three-node cluster serves most tests: each heals what it breaks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab_command import REPOSITORY, Lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)


INVENTORY = """name: {name}
provider: vm
nodes:
  - {{name: n1, role: manager}}
  - {{name: n2, role: worker}}
  - {{name: n3, role: worker}}
labs: [{labs}]
"""


@pytest.fixture(scope="session")
def workshop() -> Iterator[Path]:
    """A short folder of the test run's own, gone afterwards (short: UNIX sockets live below it)."""
    folder = Path(tempfile.mkdtemp(prefix="lab-e2e-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def make_lab(workshop: Path, name: str, *, labs: bool = True) -> Lab:
    """An inventory with a copy of the labs, of which ingress-mesh comes up by itself; nothing is running yet."""
    home = workshop / name
    home.mkdir()
    shutil.copytree(REPOSITORY / "labs", home / "labs")
    inventory = home / "inventory.yaml"
    inventory.write_text(INVENTORY.format(name=name, labs="labs/ingress-mesh" if labs else ""))
    state = home / "state"
    state.mkdir()
    return Lab(inventory, state)


@pytest.fixture(scope="session")
def cluster(workshop: Path) -> Iterator[Lab]:
    """Three nodes, a swarm, the ingress-mesh lab, brought up by ``lab up``."""
    lab = make_lab(workshop, "e2e")
    lab.run("up").ok()
    yield lab
    lab.run("down", "--name", "e2e").ok()
    assert lab.processes() == []
