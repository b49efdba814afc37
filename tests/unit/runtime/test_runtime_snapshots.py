"""The store of snapshots: whole or not at all, and damage is seen."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import EnvironmentProblem, Interrupted, UsageError
from orchestrator.model.inventory import Inventory, NodeConfig, ProviderKind, Role, VmShape
from orchestrator.model.snapshot import Health, SavedMachines, SavedNode
from orchestrator.runtime import snapshots
from orchestrator.runtime.snapshots import DamagedSnapshot, Snapshot
from orchestrator.runtime.state import ClusterState, LabRecord

WHEN = datetime(2026, 11, 25, 12, tzinfo=UTC)
NODE = NodeConfig("n1", Role.MANAGER, {"zone": "a"}, advertise_addr="192.168.90.11", vm=VmShape(memory=2048))
INVENTORY = Inventory("lab", Path("/x/inventory.yaml"), ProviderKind.VM, (NODE,))
STATE = ClusterState(INVENTORY, WHEN, "id", ("m1",), (LabRecord("mesh", Path("/x/labs/mesh")),))
MACHINES = SavedMachines("QEMU 7.2", "tcg", (SavedNode("n1", "print", "gold", Path("/cache/golden"), unplugged=True),))


def nothing() -> None:
    """Nobody wants to stop."""


def save(name: str = "one") -> Snapshot:
    with snapshots.appearing(name, "lab") as folder:
        (folder / "nodes/n1").mkdir(parents=True)
        (folder / "nodes/n1/memory").write_bytes(bytes(5 << 20))
        (folder / "login_key").write_text("secret")
        files = snapshots.digests(folder, nothing)
        snapshot = Snapshot(name, WHEN, STATE, MACHINES, {"n1": "26.1.5"}, Health(("n1",), 3, ("way",), WHEN), files)
        snapshots.write_manifest(folder, snapshot)
    return snapshot


def test_what_is_read_is_what_was_written():
    saved = save()
    assert snapshots.load_snapshot("one") == saved
    assert saved.size == (5 << 20) + len("secret")
    assert [file.path for file in saved.files] == ["login_key", "nodes/n1/memory"]


def test_everything_is_private():
    save()
    root = snapshots.snapshots_root()
    assert {path.stat().st_mode & 0o777 for path in (root, root / "one")} == {0o700}
    assert (root / "one/snapshot.json").stat().st_mode & 0o777 == 0o600


def test_a_save_that_fails_leaves_nothing():
    def stop():
        with snapshots.appearing("one", "lab") as folder:
            (folder / "memory").touch()
            raise Interrupted("stop")

    with pytest.raises(Interrupted):
        stop()
    assert list(snapshots.snapshots_root().iterdir()) == []


def test_what_a_killed_save_left_is_taken_away_by_the_next_one_of_that_cluster():
    save()
    root = snapshots.snapshots_root()
    (root / ".lab.two.x").mkdir()
    (root / ".lab2.two.x").mkdir()
    save("three")
    assert sorted(path.name for path in root.iterdir()) == [".lab2.two.x", "one", "three"]


def test_a_name_that_is_taken_is_refused_and_the_old_snapshot_stays():
    save()
    with pytest.raises(UsageError, match="'one' already"):
        snapshots.require_free("one")
    with pytest.raises(UsageError, match="'one' already"):
        save()
    assert [entry.name for entry in snapshots.list_snapshots()] == ["one"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "-x", "x" * 65, "a b"])
def test_a_name_that_could_lead_elsewhere_is_refused(name):
    with pytest.raises(UsageError, match="no snapshot's name"):
        snapshots.snapshot_dir(name)


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(UsageError) as told:
        snapshots.load_snapshot("two")
    assert "there is none" in told.value.hint
    save()
    with pytest.raises(UsageError) as told:
        snapshots.load_snapshot("two")
    assert told.value.hint == "there are: one"


def test_a_whole_snapshot_is_found_whole():
    saved = save()
    snapshots.require_whole(snapshots.snapshot_dir("one"), saved, nothing)


def flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4_000_000)
        file.write(b"x")


@pytest.mark.parametrize(
    "damage", [flip, Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])], ids=["bit", "gone", "short"]
)
def test_damage_is_seen_and_names_the_file(damage):
    saved = save()
    damage(snapshots.snapshot_dir("one") / "nodes/n1/memory")
    with pytest.raises(DamagedSnapshot, match=r"not as they were saved: nodes/n1/memory$"):
        snapshots.require_whole(snapshots.snapshot_dir("one"), saved, nothing)


def test_a_check_can_be_stopped():
    saved = save()

    def stop():
        raise Interrupted("stop")

    with pytest.raises(Interrupted):
        snapshots.require_whole(snapshots.snapshot_dir("one"), saved, stop)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"schema": 1, "name": "one"}'])
def test_a_damaged_manifest_is_told_and_hides_no_other(text):
    save()
    save("two")
    (snapshots.snapshot_dir("one") / "snapshot.json").write_text(text)
    with pytest.raises(DamagedSnapshot, match="the snapshot one is damaged"):
        snapshots.load_snapshot("one")
    one, two = snapshots.list_snapshots()
    assert (one.snapshot, two.problem) == (None, None)
    snapshots.remove_snapshot("one")
    assert [entry.name for entry in snapshots.list_snapshots()] == ["two"]


def test_a_snapshot_of_a_newer_version_is_not_read():
    save()
    path = snapshots.snapshot_dir("one") / "snapshot.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 2}))
    with pytest.raises(EnvironmentProblem, match="has the schema 2; this version of lab reads 1"):
        snapshots.load_snapshot("one")


def test_what_was_removed_is_gone_and_cannot_be_removed_again():
    save()
    snapshots.remove_snapshot("one")
    assert list(snapshots.snapshots_root().iterdir()) == []
    with pytest.raises(UsageError):
        snapshots.remove_snapshot("one")


def test_digests_differ_where_contents_do():
    first = save()
    with snapshots.appearing("two", "lab") as folder:
        (folder / "memory").write_bytes(bytes(5 << 20)[:-1] + b"x")
        (file,) = snapshots.digests(folder, nothing)
    assert replace(file, path="nodes/n1/memory") not in first.files
