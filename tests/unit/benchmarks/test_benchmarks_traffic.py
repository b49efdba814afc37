"""Traffic through the mesh, and a growing cluster, without a machine."""

import json
import os

import pytest

from benchmarks import scale, traffic
from benchmarks.figures import BENCHMARKS
from benchmarks.scale import reason, shortage, sizes
from benchmarks.traffic import Transfer, Way, address_of, command, fetch, latency, throughput, transfer
from benchmarks.workspace import INVENTORY, Options, bench, reasons
from orchestrator.config.compose import load_lab
from orchestrator.config.inventory import load_inventory
from orchestrator.errors import EnvironmentProblem, NodeError
from orchestrator.model.outcome import VerifyOutcome
from orchestrator.model.verdict import CheckReport, CheckResult, PortReport, Verdict, VerifyReport
from orchestrator.report.documents import verify_document
from orchestrator.report.journal import Journal
from orchestrator.runtime.context import Context
from orchestrator.transport.base import CommandResult

WAY = Way("overlay", "http://10.0.9.5/", "/run/docker/netns/abc")


class Node:
    """A node on which curl prints what the test says."""

    name = "n3"

    def __init__(self, lines, code=0):
        self.lines, self.code = lines, code

    def run(self, argv, *, timeout):
        return CommandResult(tuple(argv), self.code, "\n".join(self.lines), "curl: (28) timed out")


def test_one_curl_makes_all_requests_inside_the_namespace():
    words = command(WAY, "payload", 20)
    assert words[:3] == ["nsenter", "--net=/run/docker/netns/abc", "curl"]
    assert words[-1] == "http://10.0.9.5/payload?[1-20]"
    assert command(Way("host", "http://n2:8081/"), "", 5)[0] == "curl"


def test_figures_come_from_what_curl_says():
    seen = [transfer("200 1000000 0.5"), transfer("200 1000000 0.3"), transfer("200 1000000 0.2")]
    assert seen[0] == Transfer(200, 1_000_000, 0.5)
    assert throughput(seen) == pytest.approx(3.0)
    assert latency(seen) == pytest.approx(300)


@pytest.mark.parametrize(
    ("lines", "path"),
    [
        (["200 1048576 0.1"], "payload"),
        (["200 1048576 0.1", "502 150 0.1"], "payload"),
        (["200 1048576 0.1", "200 1048575 0.1"], "payload"),
        (["200 180 0.1", "000 0 5.0"], ""),
    ],
)
def test_a_way_that_does_not_answer_in_full_has_no_figure(lines, path):
    with pytest.raises(NodeError, match="1 of 2 requests"):
        fetch(Node(lines), WAY, path, 2)
    assert len(fetch(Node(["200 1048576 0.1"] * 2), WAY, path, 2)) == 2
    with pytest.raises(NodeError):
        fetch(Node(["200 1048576 0.1"] * 2, code=28), WAY, path, 2)


def task(state="running", network="traffic_street", address="10.0.9.5/24"):
    attached = {"Network": {"Spec": {"Name": network}}, "Addresses": [address]}
    return {"Status": {"State": state}, "NetworksAttachments": [attached]}


def test_the_address_is_that_of_the_one_task_on_the_network():
    assert address_of([task(), task("shutdown"), task(network="ingress")], "traffic_street") == "10.0.9.5"
    for tasks in ([], [task(), task()]):
        with pytest.raises(NodeError, match="wanted one"):
            address_of(tasks, "traffic_street")


def test_the_lab_has_every_way():
    lab = load_lab(traffic.LAB, {}).value
    services = {service.key: service for service in lab.services}
    assert set(services) == {"open", "secret", "asker"}
    assert {(port.published, port.mode.value) for port in services["open"].ports} == {(8080, "ingress"), (8081, "host")}
    names = {node.name for node in load_inventory(INVENTORY, {}).value.nodes}
    assert names == {traffic.ANSWERS, traffic.ASKS, traffic.OTHER}
    keys = {one.key for one in BENCHMARKS if one.group == "traffic"}
    ways = ("host", "entry is task node", "entry is another", "overlay", "encrypted")
    assert keys == {f"{what} {way}" for what in ("throughput", "latency") for way in ways}


@pytest.mark.parametrize(("most", "all_sizes"), [(3, [3]), (4, [3, 4]), (6, [3, 6]), (10, [3, 6, 9, 10])])
def test_a_cluster_grows_by_three_up_to_the_bound(most, all_sizes):
    assert list(sizes(most)) == all_sizes


def test_nodes_that_would_not_fit_are_not_tried():
    assert shortage(4.5, 3) == ""
    assert shortage(4.4, 3) == "4.4 GiB of memory are free, 4.5 might be needed"


def verified():
    """The document of a `lab verify` in which something is wrong in each of its parts."""
    well = CheckResult("mesh", "web", Verdict.PASS)
    no_task = CheckResult("coverage", "web", Verdict.FAIL, "no task of n7")
    stale = CheckResult("consistency", "web at n7", Verdict.FAIL, "10.0.9.9 still there")
    dead = CheckResult("vantage", "n8", Verdict.INCONCLUSIVE, "it is dead")
    port = PortReport("mesh", "web", 8080, (), (well, no_task))
    lab = CheckReport("mesh", "consistency", "", (), (stale,))
    report = VerifyReport("bench", (port,), (dead,), labs=(lab,))
    return json.dumps(verify_document(VerifyOutcome(report), Journal()))


def test_the_reason_is_what_the_command_said():
    error = {"error": {"message": "n7 did not become ready", "details": ["at all"]}}
    assert reasons(json.dumps(error)) == ["n7 did not become ready", "at all"]
    assert reasons(verified()) == [
        "vantage of n8: it is dead",
        "coverage of web: no task of n7",
        "consistency of web at n7: 10.0.9.9 still there",
    ]
    assert reasons('{"steps": []}') == []
    assert reasons("no document") == ["no document"]
    assert reason(EnvironmentProblem("ended with 4", details=reasons(json.dumps(error)))) == "n7 did not become ready"
    assert reason(EnvironmentProblem("ended with 4")) == "ended with 4"


class Growing:
    """Stands in for the machines: says which commands were given, and lets one of them fail from so many nodes on."""

    def __init__(self, monkeypatch, limit, fails="up"):
        self.seen, self.limit, self.fails = [], limit, fails
        monkeypatch.setattr("benchmarks.workspace.Bench.lab_document", lambda bench, *words: self.run(bench, *words))
        monkeypatch.setattr("benchmarks.workspace.Bench.lab", lambda bench, *words: self.run(bench, *words))
        monkeypatch.setattr(scale, "memory", lambda bench: (3.0, 6.0))
        monkeypatch.setattr(scale, "shortage", lambda _available, _more: "")

    def run(self, work, *words):
        size = len(work.inventory.nodes)
        self.seen.append((size, words[0]))
        if size >= self.limit and words[0] == self.fails:
            raise EnvironmentProblem("no more")


@pytest.mark.parametrize(
    ("limit", "largest", "note"), [(99, 6, "nothing gave"), (6, 3, "with 6 nodes `lab up` failed: no more")]
)
def test_a_cluster_grows_until_something_gives_and_is_taken_down(monkeypatch, limit, largest, note):
    growing = Growing(monkeypatch, limit)
    with bench(Context(lambda _event: None), Options(1, nodes=6)) as work:
        scale.measure(work)
        assert note in work.notes["scale"]
        assert work.samples[f"{largest} nodes memory"] == [3.0 / largest]
        assert f"{limit} nodes memory" not in work.samples
    assert growing.seen[:2] == [(3, "up"), (3, "verify")]
    assert growing.seen[-1] == (6, "down")


def test_a_cluster_that_does_not_pass_grows_on(monkeypatch):
    Growing(monkeypatch, 6, fails="verify")
    with bench(Context(lambda _event: None), Options(1, nodes=9)) as work:
        scale.measure(work)
    assert work.notes["scale"].startswith("9 nodes came up; with 6 nodes `lab verify` did not pass: no more; with 9")
    assert ("9 nodes memory" in work.samples, "9 nodes verify" in work.samples) == (True, False)


def test_a_larger_cluster_is_the_same_with_more_workers(monkeypatch):
    growing = Growing(monkeypatch, 99)
    with bench(Context(lambda _event: None), Options(1, nodes=4)) as work:
        scale.measure(work)
        made = load_inventory(work.folder / "scale.yaml", os.environ).value
    assert [node.role.value for node in made.nodes] == ["manager", *["worker"] * 3]
    assert (made.name, [lab.name for lab in made.labs]) == ("bench", ["ingress-mesh"])
    assert (4, "up") in growing.seen
