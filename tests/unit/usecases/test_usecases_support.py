"""The archive for a bug report: what is in it, what is not, and that a dead node costs no part of the others."""

import io
import json
import stat
import tarfile

import pytest
from mesh_standins import MemoryProvider, Recorder, inventory, lab

from orchestrator.errors import EnvironmentProblem, NodeError, UsageError
from orchestrator.model.doctor import Finding
from orchestrator.model.inventory import ProviderKind
from orchestrator.observe.findings import SCRIPT, parse_parts
from orchestrator.runtime.state import load_state
from orchestrator.transport.base import CommandResult
from orchestrator.usecases import support as module
from orchestrator.usecases.archive import write_new
from orchestrator.usecases.locate import Existing
from orchestrator.usecases.support import support
from orchestrator.usecases.up import up

CANARY = "canary-5up3r-s3cret"
OUTPUT = f"""=== system
Linux n1
=== docker-log
msg="joined with SWMTKN-1-{CANARY}-x"
msg="started with {CANARY}"
=== iptables
-A DOCKER-INGRESS -p tcp
"""


class Reported(MemoryProvider):
    """Hosts whose script prints the same everywhere; on those in ``slow`` it fails."""

    def __init__(self, kind: ProviderKind = ProviderKind.SSH) -> None:
        super().__init__(inventory(kind))
        self.failing: set[str] = set()

    def connect(self, context, node):
        host = super().connect(context, node)

        def run(argv, *, stdin=b"", timeout=30.0, root=False):
            assert argv == ("sh", "-c", SCRIPT)
            if node.name in self.failing:
                raise NodeError("the command did not end within 20.0 s", node=node.name, kind="timeout")
            return CommandResult(argv, 0, OUTPUT, "")

        host.run = run
        return host


@pytest.fixture(autouse=True)
def doctor(monkeypatch):
    monkeypatch.setattr(module, "examine", lambda _context: [Finding("Python", ok=True, detail="3.11")])


@pytest.fixture
def hosts():
    provider = Reported()
    up(Recorder().context, provider.inventory, [lab()], provider)
    spec = provider.fake.named("services", "mesh_web")["Spec"]["TaskTemplate"]["ContainerSpec"]
    spec["Env"] = [f"DB_PASSWORD={CANARY}"]
    provider.fake.changes.clear()
    return provider


def carry(tmp_path, provider):
    existing = Existing(provider.inventory, load_state(provider.inventory.name))
    file = tmp_path / "support.tar.gz"
    outcome = support(Recorder().context, file, existing, lambda: provider)
    with tarfile.open(fileobj=io.BytesIO(file.read_bytes())) as archive:
        parts = {one.name.partition("/")[2]: archive.extractfile(one).read().decode() for one in archive.getmembers()}
    return outcome, parts


def test_everything_is_there(tmp_path, hosts):
    outcome, parts = carry(tmp_path, hosts)
    assert outcome.missing == ()
    assert set(outcome.parts) == set(parts)
    of_node = {"observed.json", "engine.json", "system.txt", "docker-log.txt", "iptables.txt"}
    assert set(parts) == {
        *("README.txt", "versions.json", "doctor.json", "inventory.json", "state.json", "status.json"),
        *(f"swarm/{kind}.json" for kind in ("nodes", "networks", "services", "tasks", "configs")),
        *(f"{name}/{part}" for name in ("n1", "n2", "n3") for part in of_node),
    }
    assert json.loads(parts["status.json"])["services"][0]["running"] == 2
    assert json.loads(parts["n1/engine.json"])["info"]["Swarm"]["LocalNodeState"] == "active"
    assert "DOCKER-INGRESS" in parts["n1/iptables.txt"]


def test_no_secret_is_in_any_part(tmp_path, hosts):
    _, parts = carry(tmp_path, hosts)
    assert "DB_PASSWORD" in parts["swarm/services.json"]
    assert "started with (removed)" in parts["n1/docker-log.txt"]
    for name, text in parts.items():
        assert CANARY not in text, name
        assert "SWMTKN" not in text, name


def test_nothing_changes_on_any_node(tmp_path, hosts):
    carry(tmp_path, hosts)
    assert hosts.fake.changes == []


def test_a_dead_node_is_named_and_the_rest_is_there(tmp_path, hosts):
    hosts.down.add("n2")
    outcome, parts = carry(tmp_path, hosts)
    assert {(one.node, one.what) for one in outcome.missing} == {("n2", "the node"), ("n2", "its engine")}
    assert "- n2: the node: n2: connection refused" in parts["README.txt"]
    assert "n3/docker-log.txt" in parts
    assert not [name for name in parts if name.startswith("n2/")]


def test_what_fails_on_a_node_is_named_and_the_rest_of_it_is_there(tmp_path, hosts):
    hosts.failing.add("n3")
    outcome, parts = carry(tmp_path, hosts)
    assert [(one.node, one.what, one.why) for one in outcome.missing] == [
        ("n3", "host", "the command did not end within 20.0 s")
    ]
    assert "n3/engine.json" in parts


def test_what_takes_too_long_is_given_up(tmp_path, hosts, monkeypatch):
    import threading

    never = threading.Event()
    monkeypatch.setattr(module, "COLLECT_SECONDS", 1.0)
    monkeypatch.setattr(module, "host_parts", lambda host: never.wait() if host.name == "n1" else ({}, ""))
    outcome, parts = carry(tmp_path, hosts)
    never.set()
    assert [(one.node, one.what) for one in outcome.missing] == [("n1", "host")]
    assert "n1/engine.json" in parts


def test_without_any_cluster_this_machine_is_all_there_is(tmp_path):
    file = tmp_path / "x.tar.gz"
    outcome = support(Recorder().context, file, None, lambda: pytest.fail("no provider"), "inventory.yaml:1: broken")
    assert outcome.parts == ("README.txt", "doctor.json", "versions.json")
    assert outcome.missing[0].why == "inventory.yaml:1: broken"


def test_what_embedded_machines_said_on_their_consoles_is_there(tmp_path, state_root):
    provider = Reported(ProviderKind.VM)
    up(Recorder().context, provider.inventory, [lab()], provider)
    folder = state_root / "test/vm/nodes/n1"
    folder.mkdir(parents=True)
    (folder / "console.log").write_text("Kernel panic\n")
    _, parts = carry(tmp_path, provider)
    assert parts["n1/machine-console.log"] == "Kernel panic\n"


def test_only_the_owner_may_read_it(tmp_path, hosts):
    carry(tmp_path, hosts)
    assert stat.S_IMODE((tmp_path / "support.tar.gz").stat().st_mode) == 0o600


def test_no_file_is_overwritten_not_even_looked_through(tmp_path, hosts):
    (tmp_path / "support.tar.gz").write_text("mine")
    hosts.hosts.clear()
    with pytest.raises(UsageError, match="exists"):
        carry(tmp_path, hosts)
    assert (tmp_path / "support.tar.gz").read_text() == "mine"
    assert hosts.hosts == []


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(EnvironmentProblem, match="No such file or directory"):
        write_new(tmp_path / "nowhere" / "x.tar.gz", b"")


def test_parts_of_the_script_are_told_apart():
    assert parse_parts("motd\n=== one\na\n\n=== two-b\n") == {"one": "a\n", "two-b": "\n"}
