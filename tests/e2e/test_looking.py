"""``lab logs`` and ``lab support`` on a real cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tarfile
from pathlib import Path

from tests.e2e.lab_command import REPOSITORY, Lab

NODES = ("n1", "n2", "n3")


def test_the_logs_of_all_nodes_are_one_by_time(cluster: Lab) -> None:
    told = [json.loads(line) for line in cluster.run("logs", "-n", "5", "-o", "json").ok().out.splitlines()]
    assert {entry["node"] for entry in told} == set(NODES)
    assert len(told) == 15
    assert [entry["time"] for entry in told] == sorted(entry["time"] for entry in told)
    assert all(entry["message"] for entry in told)


def test_logs_are_followed_until_ctrl_c_and_nothing_of_it_stays(cluster: Lab) -> None:
    cluster.shell("n2", "logger --tag lab-e2e before")
    process = subprocess.Popen(
        cluster.command("logs", "n2", "--follow", "--lines", "1", "--unit", "ssh"),
        env=cluster.environment(),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        first = process.stdout.readline()
        cluster.shell("n2", "true")  # a login, which sshd logs
        second = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert first.startswith("n2  ")
    assert second.startswith("n2  ")
    assert second != first
    assert cluster.shell("n2", "sleep 2; pgrep -x journalctl || echo none").strip() == "none"


def test_a_unit_that_logs_nothing_is_told(cluster: Lab) -> None:
    done = cluster.run("logs", "--unit", "no-such-unit", "n1").ok()
    assert done.out == ""
    assert "n1: no entries of the unit no-such-unit" in done.err


def test_support_collects_everything_but_secrets(cluster: Lab, tmp_path: Path) -> None:
    file = tmp_path / "support.tar.gz"
    outcome = cluster.json("support", str(file))
    assert outcome["missing"] == []
    assert os.stat(file).st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        parts = {Path(one.name).relative_to("lab-support-e2e"): archive.extractfile(one).read().decode()
                 for one in archive.getmembers()}  # fmt: skip
    told = {str(name): text for name, text in parts.items()}
    for node in NODES:
        assert "ingress_sbox" in told[f"{node}/ipvs.txt"]
        assert "DOCKER-INGRESS" in told[f"{node}/iptables.txt"]
        assert "ip_vs" in told[f"{node}/modules.txt"]
        assert "eth1" in told[f"{node}/addresses.txt"]
        assert "dockerd" in told[f"{node}/docker-log.txt"]
        assert f"{node}/machine-console.log" in told  # empty where the machine never booted, but was resumed
    tokens = [cluster.shell("n1", f"docker swarm join-token -q {role}").strip() for role in ("worker", "manager")]
    key = (cluster.state / "e2e/vm/login_key").read_text().splitlines()[1]
    for name, text in told.items():
        assert not [secret for secret in (*tokens, key) if secret in text], name
