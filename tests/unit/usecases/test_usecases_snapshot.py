"""Saving and restoring a cluster of engines in memory; the machines' own saving is by table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from mesh_standins import MemoryProvider, MeshHost, Recorder, inventory, lab

from orchestrator.errors import Interrupted, NodeError, RefusedError, UsageError
from orchestrator.model.inventory import ProviderKind
from orchestrator.model.snapshot import SavedMachines, SavedNode, Surroundings
from orchestrator.runtime import snapshots
from orchestrator.runtime.snapshots import DamagedSnapshot, load_snapshot, snapshot_dir
from orchestrator.runtime.state import load_state, remove_state
from orchestrator.transport.base import CommandResult
from orchestrator.usecases import answering, clocks, moving, snapshot
from orchestrator.usecases.down import down
from orchestrator.usecases.up import up

FILE = Path("/y/inventory.yaml")
QEMU = "QEMU 7.2"


def certificate(end: datetime) -> str:
    """A swarm member's certificate that ends then."""
    key, name = Ed25519PrivateKey.generate(), x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, end - timedelta(days=90), end)
    return builder.sign(key, None).public_bytes(Encoding.PEM).decode()


class ClockHost(MeshHost):
    """A host whose clock can be set."""

    def run(self, argv, *, stdin=b"", timeout=30.0, root=False):
        self.provider.clocks.append((self.name, argv[-1]))
        return CommandResult(tuple(argv), 0, self.provider.certificate if "cat " in argv[-1] else "", "")


class FreezingProvider(MemoryProvider):
    """Machines that can be saved; ``thawed`` keeps what was brought back."""

    def __init__(self, wanted) -> None:
        super().__init__(wanted)
        self.thawed: list[Path] = []
        self.clocks: list[tuple[str, str]] = []
        self.certificate = certificate(datetime.now(UTC) + timedelta(days=90))
        self.qemu = QEMU
        self.freezing = None

    def connect(self, context, node):
        host = super().connect(context, node)
        host.__class__ = ClockHost
        host.provider = self
        return host

    def freeze(self, context, folder):
        (folder / "memory").write_bytes(b"memory")
        if self.freezing:
            raise self.freezing
        return SavedMachines(
            QEMU, "tcg", tuple(SavedNode(name, "print", "gold", Path("/gold")) for name in self.states)
        )

    def surroundings(self, context, saved):
        return Surroundings(self.qemu, "tcg", dict.fromkeys(self.states, "print"), {"gold": Path("/gold")})

    def thaw(self, context, folder, saved):
        self.thawed.append(folder)
        self.states = dict.fromkeys(self.states, "running")

    def foundation(self, saved):
        return {"gold/disk": snapshots.snapshots_root() / "disk"}

    def adopt(self, folder, saved):
        self.adopted = (folder / "gold/disk").read_text()


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def provider(run) -> FreezingProvider:
    """A cluster that is up, with a lab."""
    made = FreezingProvider(inventory())
    up(run.context, made.inventory, [lab()], made)
    run.events.clear()
    return made


def save(provider, name="one"):
    return snapshot.save(Recorder().context, name, load_state("test"), provider)


def restore(provider, run=None, name="one"):
    return snapshot.restore((run or Recorder()).context, load_snapshot(name), FILE, provider)


class TestSave:
    def test_phases_read_like_a_table_of_contents(self, provider, run):
        snapshot.save(run.context, "one", load_state("test"), provider)
        assert run.phases() == ["connect", "look", "freeze", "digest"]

    def test_the_whole_state_and_the_versions_are_in_it(self, provider):
        saved = save(provider)
        assert load_snapshot("one") == saved
        assert saved.state == load_state("test")
        assert [record.name for record in saved.state.labs] == ["mesh"]
        assert set(saved.engines) == {"n1", "n2", "n3"}
        assert all(saved.engines.values())
        assert saved.machines.qemu == QEMU

    def test_a_whole_cluster_is_known_to_be_whole(self, provider):
        health = save(provider).health
        assert (health.ready, health.ways, health.silent) == (("n1", "n2", "n3"), 12, ())

    def test_what_is_broken_is_noted(self, provider):
        provider.cut.add("n2")
        health = save(provider).health
        assert set(health.silent) == {f"mesh_web:8080 {name} → n2 192.168.90.12" for name in ("n1", "n3")}

    def test_clocks_are_moved_on_by_the_pause(self, provider):
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=42)
        provider.certificate = certificate(end)
        assert save(provider).health.certificates_end == end
        assert sorted(name for name, _ in provider.clocks) == ["n1", "n2", "n3"]
        assert all(line.startswith("date -s '+0.") for _, line in provider.clocks)

    def test_a_name_that_is_taken_stops_nothing(self, provider):
        save(provider)
        provider.freezing = AssertionError("nothing may be stopped")
        with pytest.raises(UsageError, match="already"):
            save(provider)

    def test_an_interrupted_save_leaves_no_half_snapshot(self, provider):
        provider.freezing = Interrupted("stop")
        with pytest.raises(Interrupted):
            save(provider)
        assert list(snapshots.snapshots_root().iterdir()) == []

    def test_down_takes_away_what_a_killed_save_has_left_and_nothing_else(self, provider, run):
        save(provider)
        for left in (".test.1", ".other.1"):
            (snapshots.snapshots_root() / left / "nodes").mkdir(parents=True)
        down(run.context, provider.inventory, load_state("test"), provider)
        found = {path.name for path in snapshots.snapshots_root().iterdir()}
        assert (".test.1" in found, found >= {"one", ".other.1"}) == (False, True)

    def test_hosts_that_exist_cannot_be_saved(self, run):
        hosts = MemoryProvider(inventory(ProviderKind.SSH))
        up(run.context, hosts.inventory, [lab()], hosts)
        with pytest.raises(UsageError, match="only embedded nodes"):
            save(hosts)


class TestRestore:
    def test_phases_read_like_a_table_of_contents(self, provider, run):
        save(provider)
        outcome = restore(provider, run)
        assert run.phases() == ["check", "machines", "connect", "clocks", "ready", "answer"]
        assert provider.thawed == [snapshot_dir("one")]
        assert (outcome.cluster, outcome.snapshot, outcome.current) == ("test", "one", True)

    def test_the_cluster_is_remembered_again_after_down(self, provider):
        before = load_state("test")
        save(provider)
        remove_state("test")
        restore(provider)
        assert load_state("test") == replace(before, inventory=replace(before.inventory, path=FILE))

    @pytest.mark.parametrize("damage", ["memory", "fit"])
    def test_what_is_damaged_or_does_not_fit_touches_nothing(self, provider, damage):
        save(provider)
        remove_state("test")
        if damage == "memory":
            (snapshot_dir("one") / "memory").write_bytes(b"mem0ry")
            with pytest.raises(DamagedSnapshot, match="not as they were saved: memory"):
                restore(provider)
        else:
            provider.qemu = "QEMU 10"
            with pytest.raises(RefusedError, match="does not fit this machine; nothing was touched") as told:
                restore(provider)
            assert told.value.details == ("it was saved by QEMU 7.2; here is QEMU 10",)
        assert provider.thawed == []
        assert load_state("test") is None

    def test_the_nodes_get_the_time_of_day(self, provider):
        save(provider)
        provider.clocks.clear()
        restore(provider)
        now = datetime.now(UTC).timestamp()
        set_to = [float(line.split("@")[1].split()[0]) for _, line in provider.clocks]
        assert len(set_to) == 3
        assert all(now - 60 < time <= now for time in set_to)

    def test_where_certificates_have_ended_the_nodes_stay_in_the_past(self, provider, run):
        provider.certificate = certificate(datetime.now(UTC) - timedelta(days=1))
        save(provider)
        provider.clocks.clear()
        assert not restore(provider, run).current
        assert provider.clocks == []
        assert any("certificate ended" in getattr(event, "message", "") for event in run.events)

    def test_a_cluster_that_was_broken_is_not_expected_to_be_whole(self, provider):
        provider.cut.add("n2")
        save(provider)
        assert restore(provider).health.silent

    def test_a_cluster_that_was_whole_has_to_be_whole_again(self, provider, monkeypatch):
        save(provider)
        provider.cut.add("n2")
        monkeypatch.setattr(answering.wait_until_answering, "__kwdefaults__", {"deadline": 0.0, "clock": lambda: 0.0})
        with pytest.raises(NodeError, match="did not answer"):
            restore(provider)

    def test_a_node_that_does_not_come_back_is_named(self, provider):
        save(provider)
        provider.down.add("n3")
        with pytest.raises(NodeError) as told:
            restore(provider)
        assert told.value.node == "n3"

    def test_lab_up_replaces_no_machine(self, provider, run):
        with pytest.raises(RefusedError, match=r"n1, n2, n3\); `lab up --from` replaces no machine"):
            snapshot.require_nothing_runs(provider, "one")
        provider.destroy(run.context)
        snapshot.require_nothing_runs(provider, "one")

    def test_another_inventory_than_ones_own_is_told(self, provider, run):
        saved = save(provider)
        snapshot.restore(run.context, saved, Path("/x/other.yaml"), provider)
        assert load_state("test").inventory.path == Path("/x/other.yaml")


class TestMoving:
    @pytest.fixture(autouse=True)
    def below(self, provider, monkeypatch):
        """Something on which the saved machines stand, and the provider of this test."""
        monkeypatch.setattr(moving, "make_provider", lambda _inventory, _state: provider)
        saved = save(provider)
        (snapshots.snapshots_root() / "disk").write_text("golden")
        return saved

    def test_what_is_imported_is_what_was_exported(self, provider, run, tmp_path, below):
        outcome = moving.export(run.context, "one", tmp_path / "one.lab")
        snapshot.remove("one")
        assert moving.import_file(run.context, tmp_path / "one.lab") == below == load_snapshot("one")
        assert provider.adopted == "golden"
        assert outcome.size == (tmp_path / "one.lab").stat().st_size
        assert sorted(path.name for path in snapshots.snapshots_root().iterdir()) == ["disk", "one"]
        restore(provider)

    def test_secrets_are_told_and_private(self, run, tmp_path):
        moving.export(run.context, "one", tmp_path / "one.lab")
        assert (tmp_path / "one.lab").stat().st_mode & 0o777 == 0o600
        assert any("all keys of the nodes" in getattr(event, "message", "") for event in run.events)

    def test_a_damaged_snapshot_is_not_exported(self, run, tmp_path):
        (snapshot_dir("one") / "memory").write_bytes(b"mem0ry")
        with pytest.raises(DamagedSnapshot):
            moving.export(run.context, "one", tmp_path / "one.lab")
        assert not (tmp_path / "one.lab").exists()

    def test_a_name_that_is_taken_is_refused(self, run, tmp_path):
        moving.export(run.context, "one", tmp_path / "one.lab")
        with pytest.raises(UsageError, match="'one' already"):
            moving.import_file(run.context, tmp_path / "one.lab")

    @pytest.mark.parametrize("keep", [0.3, 0.9, 0.99])
    def test_a_file_that_is_not_whole_leaves_nothing(self, run, tmp_path, keep):
        file = tmp_path / "one.lab"
        moving.export(run.context, "one", file)
        snapshot.remove("one")
        file.write_bytes(file.read_bytes()[: int(file.stat().st_size * keep)])
        with pytest.raises((moving.DamagedArchive, DamagedSnapshot)):
            moving.import_file(run.context, file)
        assert [path.name for path in snapshots.snapshots_root().iterdir()] == ["disk"]


def test_what_is_no_certificate_is_told():
    with pytest.raises(NodeError, match="holds no certificate"):
        clocks.certificate_end("nonsense")
