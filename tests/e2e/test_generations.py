"""Engines of other generations than the default's, and a cluster that mixes two: the core of the main job on each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.conftest import make_lab

LABS = ("ingress-mesh", "overlay", "encrypted")
NODE = "  - {{name: {name}, role: {role}, vm: {{suite: {suite}}}}}\n"
NAMES = ("n1", "n2", "n3")
ENGINES = {"bookworm": "20.10", "trixie": "26.1", "forky": "28"}
"""What the version of a release's engine begins with."""

CLUSTERS = {
    "bookworm": ("bookworm",) * 3,
    "forky": ("forky",) * 3,
    "an older manager": ("bookworm", "trixie", "trixie"),
    "an older worker": ("trixie", "bookworm", "trixie"),
}


@pytest.mark.long
@pytest.mark.parametrize("suites", CLUSTERS.values(), ids=CLUSTERS)
def test_the_core_on_engines_of(workshop: Path, suites: Sequence[str], request: pytest.FixtureRequest) -> None:
    lab = make_lab(workshop, f"gen{list(CLUSTERS).index(request.node.callspec.id)}")
    roles = ("manager", "worker", "worker")
    nodes = "".join(
        NODE.format(name=name, role=role, suite=suite) for name, role, suite in zip(NAMES, roles, suites, strict=True)
    )
    places = ", ".join(f"labs/{name}" for name in LABS)
    lab.inventory.write_text(f"name: {lab.inventory.parent.name}\nprovider: vm\nnodes:\n{nodes}labs: [{places}]\n")
    try:
        lab.run("up").ok()
        engines = {node["name"]: node["engine"] for node in lab.json("status")["nodes"]}
        assert all(engines[name].startswith(ENGINES[suite]) for name, suite in zip(NAMES, suites, strict=True)), engines
        report = lab.json("verify")
        assert report["verdict"] == "pass"
        assert {one["lab"] for one in report["labs"]} == set(LABS)
        assert {cell["vantage"] for cell in report["ports"][0]["cells"]} == {*NAMES, "operator"}
        assert lab.json("up")["steps"] == []
    finally:
        lab.run("down").ok()
    assert lab.files() == []
    assert lab.processes() == []
