"""Snapshots of a real cluster: break it, bring it back, move it, and whatever is interrupted leaves it running."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.providers.vm import processes, qmp
from tests.e2e.lab_command import Lab

NODES = ("n1", "n2", "n3")


@pytest.fixture(scope="module")
def saved(cluster: Lab) -> Iterator[str]:
    """A snapshot of the whole cluster."""
    cluster.run("verify", "--requests", "4").ok()
    document = cluster.json("snapshot", "save", "whole")
    assert (document["health"]["silent"], document["health"]["ready"]) == ([], list(NODES))
    yield "whole"
    cluster.run("snapshot", "rm", "whole").ok()
    assert not list((cluster.state / ".snapshots").iterdir())


def all_run(cluster: Lab) -> bool:
    """Whether no machine stands still."""
    folder = cluster.state / "e2e/vm/nodes"
    answers = [qmp.execute(folder / node / "qmp.sock", ("query-status", {}))[0] for node in NODES]
    return all(answer["running"] for answer in answers)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it is so; the test's own time limit is the deadline."""
    while not condition():
        time.sleep(0.1)


def test_saving_leaves_the_cluster_running(cluster: Lab, saved: str) -> None:
    assert all_run(cluster)
    assert cluster.json("up")["steps"] == []
    (listed,) = cluster.json("snapshot", "ls")["snapshots"]
    assert (listed["name"], listed["cluster"], listed["labs"]) == (saved, "e2e", ["ingress-mesh"])
    assert cluster.json("snapshot", "show", saved)["misfits"] == []


def test_what_was_broken_since_is_whole_again(cluster: Lab, saved: str) -> None:
    before = cluster.shell("n2", "ls -a /root")
    cluster.shell("n2", "touch /root/after-the-save; iptables -t raw -I PREROUTING -p tcp --dport 8080 -j DROP")
    cluster.shell("n3", "systemctl stop docker; rm -rf /var/lib/docker/swarm")
    restored = cluster.json("restore", saved)
    assert restored["current"] is True
    assert cluster.shell("n2", "ls -a /root") == before
    cluster.run("verify", "--requests", "4").ok()
    assert cluster.json("up", "--plan")["changes"] is False


def test_two_restores_draw_different_random_numbers(cluster: Lab, saved: str) -> None:
    drawn = set()
    for _ in range(2):
        cluster.run("restore", saved).ok()
        drawn |= {cluster.shell(node, "od -An -tx8 -N16 /dev/urandom").strip() for node in NODES}
    assert len(drawn) == 2 * len(NODES)


def test_restored_nodes_know_the_time(cluster: Lab, saved: str) -> None:
    cluster.run("restore", saved).ok()
    for node in NODES:
        before = time.time()
        clock = float(cluster.shell(node, "date +%s.%N"))
        assert before - 2 <= clock <= time.time() + 2


def test_a_damaged_snapshot_is_refused_and_nothing_is_touched(cluster: Lab, saved: str) -> None:
    folder = cluster.state / ".snapshots" / saved
    memory = folder / "nodes/n2/memory"
    with memory.open("r+b") as file:
        file.seek(100_000_000)
        byte = file.read(1)
        file.seek(100_000_000)
        file.write(bytes([byte[0] ^ 1]))
    pids = {process.pid for process in processes.find(f"{cluster.state}/e2e/")}
    try:
        refused = cluster.run("restore", saved).ok(4)
        assert "nodes/n2/memory" in refused.err
        assert "nothing was touched" in refused.err
    finally:
        with memory.open("r+b") as file:
            file.seek(100_000_000)
            file.write(byte)
    assert {process.pid for process in processes.find(f"{cluster.state}/e2e/")} == pids
    assert all_run(cluster)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_an_interrupted_save_leaves_the_cluster_running_and_no_half_snapshot(
    cluster: Lab, saved: str, number: signal.Signals
) -> None:
    cluster.interrupt(("snapshot", "save", "half"), "save memory and disks", number)
    eventually(lambda: all_run(cluster))
    eventually(lambda: [path.name for path in (cluster.state / ".snapshots").iterdir()] == [saved])
    assert [one["name"] for one in cluster.json("snapshot", "ls")["snapshots"]] == [saved]
    assert not any("rescue.py" in line for line in cluster.processes())
    cluster.run("verify", "--requests", "4").ok()


def test_from_nothing_after_down(cluster: Lab, saved: str) -> None:
    assert "lab restore whole" in cluster.run("up", "--from", saved).ok(4).err
    cluster.run("down").ok()
    assert cluster.processes() == []
    assert cluster.run("up", "--from", saved, "--plan").code == 2
    cluster.run("up", "--from", saved).ok()
    cluster.run("verify", "--requests", "4").ok()
    assert cluster.json("up", "--plan")["changes"] is False


@pytest.mark.long
def test_into_another_state_folder_by_way_of_a_file(cluster: Lab, saved: str, workshop: Path) -> None:
    file = workshop / "whole.lab"
    assert "all keys" in cluster.run("snapshot", "export", saved, str(file)).ok().err
    assert file.stat().st_mode & 0o777 == 0o600
    other = replace(cluster, state=workshop / "other")
    other.run("snapshot", "import", str(file)).ok()
    assert "already" in other.run("snapshot", "import", str(file)).ok(2).err
    cluster.run("down").ok()
    try:
        other.run("up", "--from", saved).ok()
        other.run("verify", "--requests", "4").ok()
    finally:
        other.run("down").ok()
        other.run("snapshot", "rm", saved).ok()
        file.unlink()
        cluster.run("up", "--from", saved).ok()
    assert other.processes() == []
    shutil.rmtree(other.state)
