"""The main job on a real cluster: the mesh answers, and what is broken is what the report points at."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.providers.vm import processes, qmp
from tests.e2e.lab_command import Lab

NODES = ("n1", "n2", "n3")
SERVICE = "ingress-mesh_web"


def failing(report: dict) -> list[dict]:
    checks = [check for port in report["ports"] for check in port["checks"]] + report["checks"]
    return [check for check in checks if check["verdict"] == "fail"]


def cells(report: dict, verdict: str) -> set[tuple[str, str]]:
    return {(c["vantage"], c["entry"]) for port in report["ports"] for c in port["cells"] if c["verdict"] == verdict}


def folder(cluster: Lab, node: str) -> Path:
    return cluster.state / "e2e/vm/nodes" / node


def test_every_node_answers_for_every_task(cluster: Lab) -> None:
    report = cluster.json("verify")
    assert report["verdict"] == "pass"
    ways = Counter(seen["probe"] for seen in report["observations"] if seen["outcome"] == "answered")
    assert len(ways) == len(NODES) * (len(NODES) + 1) + len(NODES)
    assert min(ways.values()) >= 20
    assert len(report["observations"]) == report["requests"]
    answers = [seen["answer"] for seen in report["observations"] if seen["outcome"] == "answered"]
    assert {answer["service"] for answer in answers} == {SERVICE}
    assert len({answer["task"] for answer in answers}) == 2
    assert {answer["node"] for answer in answers} <= set(NODES)
    assert {check["check"] for check in report["ports"][0]["checks"]} == {
        "mesh",
        "identity",
        "coverage",
        "share",
        "entry",
    }


def test_a_node_without_a_task_answers_too(cluster: Lab) -> None:
    report = cluster.json("verify")
    with_task = {seen["answer"]["node"] for seen in report["observations"]} - {""}
    without = set(NODES) - with_task
    assert without, "two replicas on three nodes leave one without"
    assert {(vantage, entry) for vantage, entry in cells(report, "pass") if entry in without}


def test_the_second_up_changes_nothing(cluster: Lab) -> None:
    plan = cluster.json("up", "--plan")
    assert (plan["changes"], plan["steps"], plan["machines"]) == (False, [], [])
    assert cluster.json("up")["steps"] == []


def test_nodes_have_identities_of_their_own(cluster: Lab) -> None:
    line = (
        "hostname; cat /etc/machine-id; cat /sys/class/net/eth1/address; ip -br -4 address show eth1; "
        "cat /etc/ssh/ssh_host_ed25519_key.pub; cat /var/lib/docker/engine-id; echo; "
        "od -An -tx8 -N16 /dev/urandom; cat /proc/sys/kernel/random/uuid"
    )
    said = {node: cluster.shell(node, line).split("\n") for node in NODES}
    for values in zip(*said.values(), strict=True):
        assert len(set(values)) == len(NODES) or set(values) == {""}, values
    assert [said[node][0] for node in NODES] == list(NODES)


def test_nodes_know_the_time(cluster: Lab) -> None:
    for node in NODES:
        clock = float(cluster.shell(node, "date +%s"))
        here = float((folder(cluster, node) / "console.log").stat().st_ctime)
        assert clock >= here - 5


def test_a_node_works_like_a_server(cluster: Lab) -> None:
    assert cluster.shell("n3", "systemctl is-active docker ssh containerd").split() == ["active"] * 3
    cluster.shell("n3", "systemctl restart docker")
    assert "Daemon has completed initialization" in cluster.shell("n3", "journalctl -u docker --no-pager")
    cluster.run("up").ok()
    cluster.verified()


def test_private_files_and_ports_on_loopback_only(cluster: Lab) -> None:
    root = cluster.state / "e2e"
    assert root.stat().st_mode & 0o777 == 0o700
    assert (root / "vm/login_key").stat().st_mode & 0o777 == 0o600
    import psutil

    pids = {process.pid for process in processes.find(f"{root}/")}
    listening = [c for c in psutil.net_connections("inet") if c.pid in pids and c.status == psutil.CONN_LISTEN]
    assert listening
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}


def test_dropped_packets_point_at_their_node(cluster: Lab) -> None:
    rule = "PREROUTING -i eth+ -p tcp --dport 8080 -j DROP"
    with cluster.broken("n2", f"iptables -t raw -I {rule}", f"iptables -t raw -D {rule}"):
        report = cluster.json("verify", "--requests", "4", "--deadline", "3", code=1)
    assert {entry for _, entry in cells(report, "fail")} == {"n2"}
    assert {("n1", "n2"), ("n3", "n2"), ("operator", "n2")} <= cells(report, "fail")
    assert {node for check in failing(report) for node in check["nodes"]} == {"n2"}
    assert any("time-out" in check["reason"] for check in failing(report))
    cluster.verified("--requests", "4")


def test_refused_port_points_at_its_node_and_says_refused(cluster: Lab) -> None:
    rule = "INPUT -p tcp --dport 8080 -j REJECT --reject-with tcp-reset"
    forward = "FORWARD -p tcp --dport 8080 -j REJECT --reject-with tcp-reset"
    with cluster.broken(
        "n3",
        f"iptables -I {rule}; iptables -I {forward}",
        f"iptables -D {rule}; iptables -D {forward}",
    ):
        report = cluster.json("verify", "--requests", "4", code=1)
    assert {entry for _, entry in cells(report, "fail")} == {"n3"}
    assert any("refused" in check["reason"] for check in failing(report))
    cluster.verified("--requests", "4")


def test_a_task_that_hangs_points_at_its_node(cluster: Lab) -> None:
    answers = [seen["answer"] for seen in cluster.json("verify")["observations"] if seen["outcome"] == "answered"]
    task, node = min((answer["task"], answer["node"]) for answer in answers)
    container = cluster.shell(node, f"docker ps -q --filter label=com.docker.swarm.task.id={task}").strip()
    with cluster.broken(node, f"docker pause {container}", f"docker unpause {container}"):
        report = cluster.json("verify", "--requests", "4", "--deadline", "3", code=1)
    guilty = {name for check in failing(report) for name in check["nodes"]}
    assert guilty == {node}, failing(report)
    cluster.verified("--requests", "4")


def test_a_pulled_cable_points_at_its_node(cluster: Lab) -> None:
    socket = folder(cluster, "n2") / "qmp.sock"
    qmp.execute(socket, ("set_link", {"name": "lan-nic", "up": False}))
    try:
        report = cluster.json("verify", "--requests", "4", "--deadline", "3", code=1)
    finally:
        qmp.execute(socket, ("set_link", {"name": "lan-nic", "up": True}))
    assert {("n1", "n2"), ("n3", "n2")} <= cells(report, "fail")
    assert ("n1", "n1") not in cells(report, "inconclusive")
    assert "n2" in {name for check in failing(report) for name in check["nodes"]}
    cluster.run("up").ok()
    cluster.verified("--requests", "4")


def test_an_edit_changes_just_that(cluster: Lab) -> None:
    compose = cluster.inventory.parent / "labs/ingress-mesh/compose.yaml"
    text = compose.read_text()
    compose.write_text(text.replace("replicas: 2", "replicas: 3"))
    plan = cluster.json("up", "--plan", code=1)
    assert [re.split(r"[ :]", step["id"])[0] for step in plan["steps"]] == ["service", "await"]
    assert "replicas: 2 → 3" in plan["steps"][0]["reason"]
    cluster.run("up").ok()
    report = cluster.json("verify")
    assert len({seen["answer"]["task"] for seen in report["observations"]} - {""}) == 3
    compose.write_text(text)
    cluster.run("up").ok()


def test_what_is_not_ours_is_left_alone(cluster: Lab) -> None:
    cluster.shell("n1", "docker network create --driver overlay --subnet 10.77.0.0/24 theirs")
    cluster.shell("n1", "docker config create theirs /etc/hostname")
    cluster.run("down", "ingress-mesh").ok()
    assert "ingress-mesh" not in cluster.shell("n1", "docker service ls; docker network ls; docker config ls")
    assert "theirs" in cluster.shell("n1", "docker network ls --format '{{.Name}}'")
    assert "theirs" in cluster.shell("n1", "docker config ls --format '{{.Name}}'")
    cluster.run("up").ok()
    cluster.run("verify", "--requests", "4").ok()
    cluster.shell("n1", "docker network rm theirs; docker config rm theirs")


def test_a_machine_that_died_is_booted_again(cluster: Lab) -> None:
    (machine,) = processes.find(f"{folder(cluster, 'n3')}/")
    processes.end([machine])
    states = {node["name"]: node["machine"] for node in cluster.json("status")["nodes"]}
    assert states == {"n1": "running", "n2": "running", "n3": "stopped"}
    cluster.run("up").ok()
    assert cluster.shell("n3", "hostname").strip() == "n3"
    cluster.verified("--requests", "4")


def test_a_reboot_of_this_machine_takes_nothing_but_time(cluster: Lab) -> None:
    """It leaves files and stale sockets, and no process: the nodes boot from their disks, into the same swarm."""
    swarm = cluster.shell("n1", "docker info --format '{{.Swarm.Cluster.ID}}'")
    processes.end(processes.find(f"{cluster.state}/"))
    assert cluster.processes() == []
    assert {node["machine"] for node in cluster.json("status")["nodes"]} == {"stopped"}
    cluster.run("up").ok()
    assert cluster.shell("n1", "docker info --format '{{.Swarm.Cluster.ID}}'") == swarm
    cluster.verified("--requests", "4")


@pytest.mark.parametrize("words", [("--version",), ("doctor",)])
def test_a_fitting_machine_has_nothing_to_complain_about(cluster: Lab, words: tuple[str, ...]) -> None:
    cluster.run(*words).ok()
