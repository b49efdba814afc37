"""A swarm of one node, whose machine reaches what this machine reaches, and only where the inventory says so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.providers.vm.files import MANAGEMENT
from tests.e2e.conftest import make_lab
from tests.e2e.lab_command import Lab

INVENTORY = """name: one
provider: vm
vm: {internet: true}
nodes:
  - {name: n1, role: manager}
labs: [labs/ingress-mesh]
"""


@pytest.fixture
def port() -> Iterator[int]:
    """A TCP port of this machine's loopback at which connections are accepted."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def connects(lab: Lab, node: str, port: int) -> bool:
    """Whether a node gets through to a port of this machine: its gateway leads to loopback."""
    line = f"timeout 10 bash -c 'exec 3<>/dev/tcp/{MANAGEMENT}.2/{port}' 2>&1 && echo through || true"
    return "through" in lab.shell(node, line)


@pytest.mark.usefixtures("cluster")
def test_one_node_is_a_swarm_and_reaches_out_where_it_may(workshop: Path, cluster: Lab, port: int) -> None:
    lab = make_lab(workshop, "one")
    lab.inventory.write_text(INVENTORY)
    try:
        lab.run("up").ok()
        report = lab.json("verify")
        assert report["verdict"] == "pass"
        assert {cell["vantage"] for cell in report["ports"][0]["cells"]} == {"n1", "operator"}
        assert connects(lab, "n1", port)
    finally:
        lab.run("down").ok()
    assert not connects(cluster, "n1", port)
