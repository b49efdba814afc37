"""Simulated hosts: they serve what lab uses of a real one, and the operator's side is measured on them."""

import json

import pytest

asyncssh = pytest.importorskip("asyncssh")

from benchmarks import fanout  # noqa: E402
from benchmarks.figures import BENCHMARKS, Benchmark, results  # noqa: E402
from benchmarks.simulated import simulated  # noqa: E402
from benchmarks.standins import PORT, address_of, ingress_of, name_of  # noqa: E402
from benchmarks.workspace import Options, bench  # noqa: E402
from orchestrator.errors import EnvironmentProblem, NodeError  # noqa: E402
from orchestrator.model.probe import Outcome, Probe, Target  # noqa: E402
from orchestrator.runtime.context import Context  # noqa: E402
from orchestrator.transport.base import ChannelFailed  # noqa: E402
from orchestrator.transport.probing import run_probes  # noqa: E402
from orchestrator.transport.ssh import connect  # noqa: E402


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with simulated(tmp_path_factory.mktemp("hosts"), 3, 2) as served:
        yield served


@pytest.fixture
def host(hosts):
    node = hosts.nodes[1]
    connection = connect(node.ssh, name=node.name)
    yield connection
    connection.close()


def test_a_host_runs_commands_and_has_an_engine(host):
    assert host.run(["echo", "hello"]).stdout == "echo hello\n"
    info = host.engine().info()
    assert (info["Name"], info["Swarm"]["LocalNodeState"]) == (name_of(1), "active")


def test_a_published_port_answers_in_turn_through_every_node(host):
    targets = [Target(name_of(0), address_of(0), PORT), Target(name_of(1), "127.0.0.1", PORT)]
    probes = [Probe(target.entry, "v", target, "web", PORT, 4, 5.0) for target in targets]
    seen = run_probes(Context(lambda event: None), probes, {"v": host})
    assert {one.outcome for one in seen} == {Outcome.ANSWERED}
    for number in (0, 1):
        answers = [one.answer for one in seen if one.probe == name_of(number)]
        assert {answer.client for answer in answers} == {ingress_of(number)}
        assert sorted(answer.slot for answer in answers) == ["1", "1", "2", "2"]


@pytest.mark.parametrize(("address", "port"), [("127.0.0.1", 80), ("10.99.0.1", PORT)])
def test_what_nobody_serves_is_refused(host, address, port):
    with pytest.raises(ChannelFailed) as caught:
        host.open_tcp(address, port, timeout=5.0)
    assert caught.value.kind == "refused"


def test_a_stranger_is_not_let_in(hosts, tmp_path):
    key = tmp_path / "key"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(key))
    address = hosts.nodes[0].ssh
    with pytest.raises(NodeError) as caught:
        connect(type(address)(address.host, address.port, "root", key, address.known_hosts), name="n")
    assert caught.value.kind == "auth"


def test_both_kinds_of_work_are_measured():
    with bench(Context(lambda event: None), Options(1)) as work:
        fanout.measure(work, sizes=(20,))  # so many that they are at work for more than one look at the threads
    for what in ("observe", "verify"):
        assert work.samples[f"{what} 20"][0] > 0
        assert work.samples[f"{what} 20 threads"][0] > 2
        assert work.samples[f"{what} 20 memory"][0] > 20
    asked = [one for one in BENCHMARKS if one.group == "fanout"]
    assert all(isinstance(one, Benchmark) for one in asked)
    assert list(results(asked, work.samples)) == [], "sizes that were not measured have no figures"


def test_a_side_that_fails_ends_the_run(tmp_path):
    (tmp_path / "ports.json").write_text(json.dumps({name_of(0): 1}))
    with bench(Context(lambda event: None), Options(1)) as work, pytest.raises(EnvironmentProblem, match="`observe`"):
        fanout.operate(work, "observe", tmp_path)
