"""Every lab passes on real nodes, and every kind of check fails for what it guards, and passes once that is healed."""

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


def failing_checks(report: dict) -> list[dict]:
    """What fails of the published ports."""
    return [check for port in report["ports"] for check in port["checks"] if check["verdict"] == "fail"]


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


def nodes_with(cluster: Lab, service: str) -> list[str]:
    """The nodes on which tasks of a service run."""
    words = f"docker service ps {service} --filter desired-state=running --format '{{{{.Node}}}}'"
    return sorted(set(cluster.shell("n1", words).split()))


def stray(port: int, where: str) -> tuple[str, str]:
    """How to make a container that is no task answer on a published port of a node, and how to end that.

    ``where`` is ``-I PREROUTING`` to come before the routing mesh, for requests of others, and ``-A OUTPUT`` to come
    after it, where it leads nowhere, for requests of the node itself.
    """
    how, chain = where.split()
    rule = f"{chain} -p tcp -m addrtype --dst-type LOCAL --dport {port} -j REDIRECT --to-ports 8199"
    start = f"docker run -d --name stray -p 8199:80 swarm-mesh-lab/nginx:1 && iptables -t nat {how} {rule}"
    return start, f"iptables -t nat -D {rule}; docker rm -f stray"


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
        cluster.verified(*self.labs)


class TestOverlays(Labs):
    """Networks across nodes, and datagrams through the mesh."""

    labs = ("overlay", "udp")

    def test_a_name_server_that_does_not_answer(self, cluster: Lab) -> None:
        node = nodes_with(cluster, "overlay_web")[-1]
        inside = f"nsenter --net={sandbox(cluster, node, 'overlay_web')} iptables -t raw"
        rule = "OUTPUT -d 127.0.0.11 -j DROP"
        with cluster.broken(node, f"{inside} -I {rule}", f"{inside} -D {rule}"):
            found = the_failures(cluster, "overlay")
        assert {(one.kind, one.nodes) for one in found} == {("names", frozenset({node}))}

    def test_a_smaller_mtu_on_one_side(self, cluster: Lab) -> None:
        node = nodes_with(cluster, "overlay_web")[0]
        inside = f"nsenter --net={sandbox(cluster, node, 'overlay_web')} ip link set eth0 mtu"
        with cluster.broken(node, f"{inside} 1400", f"{inside} 1450"):
            found = the_failures(cluster, "overlay")
        assert {one.kind for one in found} == {"payload"}
        assert all(node in one.nodes for one in found)
        assert any("1450 bytes does not arrive" in one.reason for one in found)

    def test_datagrams_that_are_dropped(self, cluster: Lab) -> None:
        rule = "PREROUTING -i eth1 -p udp --dport 9000 -j DROP"
        with cluster.broken("n3", f"iptables -t raw -I {rule}", f"iptables -t raw -D {rule}"):
            found = the_failures(cluster, "udp")
        assert {(one.kind, one.subject) for one in found} == {("udp", "n1 → n3"), ("udp", "n2 → n3")}
        assert all("n3" in one.nodes for one in found)

    def test_a_task_too_few(self, cluster: Lab) -> None:
        cluster.shell("n1", "docker service scale overlay_web=1")
        found = the_failures(cluster, "overlay")
        assert "tasks" in {one.kind for one in found}
        cluster.run("up", "overlay").ok()
        cluster.verified("overlay")


class TestNames(Labs):
    """Names, and networks that are apart."""

    labs = ("dns", "isolation")

    def test_a_second_network_ends_the_isolation(self, cluster: Lab) -> None:
        cluster.shell("n1", "docker service update --network-add isolation_blue isolation_red")
        found = the_failures(cluster, "isolation")
        assert {one.kind for one in found} == {"names", "reach"}
        assert any("red does not get to blue" in one.title for one in found)
        cluster.run("up", "isolation").ok()
        cluster.verified("isolation")

    def test_what_the_engine_no_longer_refuses_and_a_network_where_it_is_not_used(
        self, cluster: Lab, tmp_path: Path
    ) -> None:
        with stack(cluster, tmp_path / "clash.yaml", CLASH):
            cluster.run("verify", "clash").ok()
            line = "docker run -d --name stray --network clash_net swarm-mesh-lab/nginx:1"
            with cluster.broken("n3", line, "docker rm -f stray"):
                (found,) = the_failures(cluster, "clash")
            assert (found.kind, found.nodes) == ("network", {"n3"})
            cluster.shell("n1", "docker service update --publish-rm 80 clash_web")
            found = the_failures(cluster, "clash")
            assert "refusal" in {one.kind for one in found}
            assert "clash_second" not in cluster.shell("n1", "docker service ls")


CLASH = """
name: clash
x-lab:
  checks:
    - {kind: network, title: where it is used, name: net, "on": "node:all", scope: swarm, present: with-tasks}
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
    networks: [net]
    deploy: {placement: {constraints: [node.hostname == n2]}}
networks:
  net: {attachable: true}
"""


class TestOnTheWire(Labs):
    """Encryption, and ports past the mesh."""

    labs = ("encrypted", "host-publish")

    def test_a_node_that_encrypts_no_more(self, cluster: Lab) -> None:
        node = nodes_with(cluster, "encrypted_vault")[0]
        # The engine marks what shall be encrypted; without that mark no policy of the kernel fits.
        rule = "OUTPUT -p udp --dport 4789 -j MARK --set-mark 0"
        with cluster.broken(node, f"iptables -t mangle -A {rule}", f"iptables -t mangle -D {rule}"):
            found = the_failures(cluster, "encrypted")
        leaks = [one for one in found if one.kind == "encryption"]
        assert [(one.nodes, one.reason) for one in leaks] == [({node}, f"VXLAN of vault leaves {node} unencrypted")]
        cluster.verified("encrypted")

    def test_a_port_in_host_mode_where_no_task_runs(self, cluster: Lab) -> None:
        (node,) = {"n1", "n2", "n3"} - set(nodes_with(cluster, "host-publish_web"))
        line = "docker run -d --name stray -p 8084:80 swarm-mesh-lab/nginx:1"
        with cluster.broken(node, line, "docker rm -f stray"):
            bad = failing_checks(cluster.json("verify", "host-publish", code=1))
        assert "publish-mode" in {check["check"] for check in bad}
        assert {name for check in bad for name in check["nodes"]} == {node}
        cluster.verified("host-publish")


class TestLoadBalancers(Labs):
    """Many tasks behind one port, on one node and on all; to zero and back."""

    labs = ("ingress-single", "scale")

    def test_a_backend_that_one_node_has_lost(self, cluster: Lab) -> None:
        enter = "nsenter --net=/var/run/docker/netns/ingress_sbox"
        rule = f"{enter} iptables -t mangle -S PREROUTING | grep -- '--dport 8082 '"
        mark = f"mark=$(( $({rule} | grep -oE '0x[0-9a-f]+' | head -1) ))"
        lost = f"$({enter} ipvsadm -S -n | awk -v mark=$mark '$1 == \"-a\" && $3 == mark {{print $5; exit}}')"
        losing = f"{enter} ipvsadm -S -n > /root/ipvs; {mark}; {enter} ipvsadm -d -f $mark -r {lost}"
        with cluster.broken("n2", losing, f"{enter} ipvsadm -C; {enter} ipvsadm -R < /root/ipvs"):
            report = cluster.json("verify", "ingress-single", code=1)
        (found,) = failures(report)
        assert (found.kind, found.nodes) == ("consistency", {"n2"})
        bad = failing_checks(report)
        assert {"coverage"} <= {check["check"] for check in bad}
        assert {node for check in bad for node in check["nodes"]} == {"n2"}
        cluster.verified("ingress-single")

    def test_an_answer_from_what_is_no_task(self, cluster: Lab) -> None:
        with cluster.broken("n3", *stray(8082, "-I PREROUTING")):
            report = cluster.json("verify", "ingress-single", "--look-only", code=1)
        bad = failing_checks(report)
        assert "identity" in {check["check"] for check in bad}
        assert {node for check in bad for node in check["nodes"]} == {"n3"}

    def test_a_port_that_still_answers_at_zero(self, cluster: Lab) -> None:
        with cluster.broken("n2", *stray(8085, "-A OUTPUT")):
            found = the_failures(cluster, "scale")
        assert {(one.kind, one.nodes) for one in found} == {("scale", frozenset({"n2"}))}
        assert all("expected refused, got an answer" in one.reason for one in found)


class TestDisruption(Labs):
    """What clients notice while something happens."""

    labs = ("rolling-update",)

    def test_a_replica_that_may_run_nowhere_else(self, cluster: Lab, tmp_path: Path) -> None:
        with stack(cluster, tmp_path / "stuck.yaml", STUCK):
            found = the_failures(cluster, "stuck")
            assert {one.kind for one in found} == {"disruption"}
            assert any("2 tasks did not run again within 25 s" in one.reason for one in found)
            assert all("n2" in one.nodes for one in found)
            cluster.verified("stuck", "--look-only")
            assert "drain" not in cluster.shell("n1", "docker node ls").lower()


STUCK = """
name: stuck
x-lab:
  checks:
    - kind: mesh
    - {kind: disruption, service: web, does: drain, "on": "node:2", lasts: 25s}
services:
  web:
    image: swarm-mesh-lab/nginx:1
    hostname: "{{.Node.Hostname}}"
    environment: {LAB_SERVICE: "{{.Service.Name}}", LAB_TASK: "{{.Task.ID}}", LAB_SLOT: "{{.Task.Slot}}"}
    ports: ["8112:80"]
    deploy:
      replicas: 2
      placement: {constraints: [node.hostname == n2]}
"""


@pytest.mark.long
class TestNodeFailure(Labs):
    """Last, as its machines die and boot again."""

    labs = ("node-failure",)
