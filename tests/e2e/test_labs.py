"""Labs pass on real nodes, and their checks fail for what they guard, and pass once that is healed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from tests.e2e.lab_command import REPOSITORY, Lab


@dataclass(frozen=True)
class Failure:
    """A verdict ``fail`` of a report."""

    kind: str
    title: str
    subject: str
    reason: str
    nodes: frozenset[str]


def failures(report: dict) -> list[Failure]:
    """Every ``fail``; a check of a lab that could not be decided is none."""
    return [
        Failure(result["check"], check["title"], result["subject"], result["reason"], frozenset(result["nodes"]))
        for check in report["labs"]
        for result in check["results"]
        if result["verdict"] == "fail"
    ]


def the_failures(cluster: Lab, *words: str) -> list[Failure]:
    """What ``lab verify`` finds wrong, which must be something; and nothing may be undecided."""
    report = cluster.json("verify", *words, code=1)
    undecided = [one for check in report["labs"] for one in check["results"] if one["verdict"] == "inconclusive"]
    found = failures(report)
    assert found, report
    assert not undecided, undecided
    return found


def checks_of(lab: str) -> list[tuple[str, str]]:
    """Kind and title of the checks that a lab file asks for; the mesh is reported by port."""
    text = (REPOSITORY / "labs" / lab / "compose.yaml").read_text()
    checks = yaml.safe_load(text)["x-lab"]["checks"]
    return [(check["kind"], check["title"]) for check in checks if check["kind"] != "mesh"]


def sandbox(cluster: Lab, node: str, container: str) -> str:
    """The network namespace of a running container, whose name begins like that."""
    line = f"docker inspect -f '{{{{.NetworkSettings.SandboxKey}}}}' $(docker ps -q --filter name=^{container})"
    key = cluster.shell(node, line).strip()
    assert key.startswith("/var/run/docker/netns/"), key
    return key


@contextmanager
def stack(cluster: Lab, file: Path, text: str) -> Iterator[None]:
    """A Compose file of somebody's own that is up meanwhile."""
    file.write_text(text)
    cluster.run("up", str(file)).ok()
    try:
        yield
    finally:
        cluster.run("down", file.stem).ok()


class Labs:
    """Labs that are up together while the tests of a class run."""

    labs: ClassVar[tuple[str, ...]]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def up(cls, cluster: Lab) -> Iterator[None]:
        try:
            cluster.run("up", *cls.labs).ok()
            yield
        finally:
            cluster.run("down", *cls.labs).ok()

    def test_all_checks_pass(self, cluster: Lab) -> None:
        report = cluster.json("verify", *self.labs)
        assert (report["verdict"], failures(report)) == ("pass", [])
        done = {(check["lab"], check["kind"], check["title"]) for check in report["labs"]}
        assert done >= {(lab, *check) for lab in self.labs for check in checks_of(lab)}
        assert all(check["results"] for check in report["labs"])


class TestContainers(Labs):
    """Bridges, the host's network and none at all."""

    labs = ("bridge", "host", "none")

    def test_a_service_that_drops_requests_is_not_reached(self, cluster: Lab) -> None:
        inside = f"nsenter --net={sandbox(cluster, 'n1', 'bridge_b2')} iptables"
        with cluster.broken("n1", f"{inside} -I INPUT -p tcp --dport 80 -j DROP", f"{inside} -F INPUT"):
            (found,) = the_failures(cluster, "bridge")
        assert (found.kind, found.nodes) == ("reach", {"n1"})
        assert "b2" in found.subject
        assert "time-out" in found.reason

    def test_interfaces_that_should_not_be_there(self, cluster: Lab) -> None:
        inside = f"nsenter --net={sandbox(cluster, 'n1', 'none_alone')} ip link"
        with cluster.broken("n1", f"{inside} add extra type veth peer name extra2", f"{inside} del extra"):
            (found,) = the_failures(cluster, "none")
        assert (found.kind, found.nodes) == ("interfaces", {"n1"})
        assert "extra" in found.reason

    def test_a_veth_that_belongs_to_no_container(self, cluster: Lab) -> None:
        line = "ip link add extra type veth peer name extra2; ip link set extra master docker0"
        with cluster.broken("n1", line, "ip link del extra"):
            (found,) = the_failures(cluster, "none")
        assert (found.kind, found.nodes) == ("veths", {"n1"})

    def test_a_container_that_was_removed(self, cluster: Lab) -> None:
        cluster.shell("n1", "docker rm bridge_flags")
        (found,) = the_failures(cluster, "bridge")
        assert (found.kind, found.nodes, found.reason) == ("container", {"n1"}, "there is no such container")
        steps = cluster.json("up", "bridge")["steps"]
        assert [step["id"] for step in steps] == ["container n1 bridge_flags"]

    def test_healed_everything_passes_again(self, cluster: Lab) -> None:
        cluster.run("verify", *self.labs).ok()


class TestNames(Labs):
    """Names, and networks that are apart."""

    labs = ("dns", "isolation")

    def test_a_second_network_ends_the_isolation(self, cluster: Lab) -> None:
        cluster.shell("n1", "docker service update --network-add isolation_blue isolation_red")
        found = the_failures(cluster, "isolation")
        assert {one.kind for one in found} == {"names", "reach"}
        assert any("red does not get to blue" in one.title for one in found)
        cluster.run("up", "isolation").ok()
        cluster.run("verify", "isolation").ok()

    def test_what_the_engine_no_longer_refuses(self, cluster: Lab, tmp_path: Path) -> None:
        with stack(cluster, tmp_path / "clash.yaml", CLASH):
            cluster.run("verify", "clash").ok()
            cluster.shell("n1", "docker service update --publish-rm 80 clash_web")
            found = the_failures(cluster, "clash")
            assert "refusal" in {one.kind for one in found}
            assert "clash_second" not in cluster.shell("n1", "docker service ls")


CLASH = """
name: clash
x-lab:
  checks:
    - kind: refusal
      title: one port, one service
      "on": "node:1"
      post: /services/create
      body:
        Name: clash_second
        TaskTemplate: {ContainerSpec: {Image: "swarm-mesh-lab/nginx:1"}}
        EndpointSpec: {Ports: [{TargetPort: 80, PublishedPort: 8111, PublishMode: ingress}]}
      status: 400
      message: "port '8111' is already in use by service 'clash_web'"
      undo: /services
services:
  web:
    image: swarm-mesh-lab/nginx:1
    ports: ["8111:80"]
"""
