"""Saving machines and bringing them back: real files and sockets, programs that stand in for QEMU and its tools."""

import json
from pathlib import Path

import pytest
from vm_standins import STOP_AT_ONCE, Impatient, QmpServer

from orchestrator.errors import EnvironmentProblem, Interrupted, NodeError
from orchestrator.model.inventory import Inventory, NodeConfig, ProviderKind, Role, VmShape
from orchestrator.model.snapshot import SavedMachines, SavedNode
from orchestrator.providers.base import Freezable
from orchestrator.providers.vm import foundation, freezing, processes, running
from orchestrator.providers.vm import provider as provider_module
from orchestrator.providers.vm.accel import Accel
from orchestrator.providers.vm.lan import Lan
from orchestrator.providers.vm.machine import DISK, LOADING, SOCKET, UNPLUGGED
from orchestrator.providers.vm.provider import VmProvider
from orchestrator.runtime.snapshots import bases_root

NAMES = ("n1", "n2")
INVENTORY = Inventory(
    "lab",
    Path("inventory.yaml"),
    ProviderKind.VM,
    tuple(NodeConfig(name, Role.MANAGER, advertise_addr="192.168.90.11", vm=VmShape()) for name in NAMES),
)


class Machine:
    """A QEMU by table: it writes what it is told to migrate, and keeps the order of commands of all machines."""

    def __init__(self, folder: Path, log: list[tuple[str, str]]) -> None:
        self.name, self.log, self.status = folder.name, log, "none"
        self.fails = self.endless = False
        names = ("stop", "cont", "migrate", "migrate_cancel", "migrate-set-capabilities", "migrate-set-parameters")
        answers = {name: self.answer(name) for name in names} | {"query-migrate": lambda _: {"status": self.status}}
        self.server = QmpServer(folder / SOCKET, answers)
        processes.start(["sh", "-c", STOP_AT_ONCE, "-name", running.label_of(folder)], folder, "qemu.log", "n")

    def answer(self, command):
        def carry_out(arguments):
            self.log.append((command, self.name))
            if command == "migrate":
                file = Path(arguments["uri"].removeprefix("exec:cat > ").strip("'"))
                file.write_bytes(b"memory of " + self.name.encode())
                self.status = "active" if self.endless else "failed" if self.fails else "completed"
            if command == "migrate_cancel" and self.status == "active":
                self.status = "cancelled"
            return {}

        return carry_out


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """A machine with QEMU 7.2 by emulation."""
    monkeypatch.setattr(freezing, "probe", lambda _context: Accel("tcg", "a test"))
    monkeypatch.setattr(freezing, "qemu_version", lambda: "QEMU 7.2")
    monkeypatch.setattr(provider_module, "lan_at", lambda folder: Lan(folder, vde=True))


@pytest.fixture
def base(tmp_path):
    """A golden node, with its image."""
    folder = tmp_path / "cache/nodes/trixie/golden-1"
    folder.mkdir(parents=True)
    (folder / "golden.json").write_text('{"id": "gold"}')
    for file in (folder / DISK, *(folder.parent / name for name in ("disk.raw", "vmlinuz", "initrd.img"))):
        file.write_text(file.name)
    return folder


@pytest.fixture
def state(tmp_path, base):
    root = tmp_path / "s/vm"
    for name in NAMES:
        folder = root / "nodes" / name
        folder.mkdir(parents=True)
        (folder / "identity.json").write_text(json.dumps({"base": str(base), "golden": "gold", "mac": name}))
        (folder / DISK).write_text(f"disk of {name}")
    for key in freezing.KEYS:
        (root / key).write_text(key)
    return tmp_path / "s"


@pytest.fixture
def provider(state):
    return VmProvider(INVENTORY, state)


@pytest.fixture
def log():
    """What all machines were told, in order."""
    return []


@pytest.fixture
def machines(state, log):
    made = [Machine(state / "vm/nodes" / name, log) for name in NAMES]
    yield made
    for machine in made:
        machine.server.close()
    processes.end(processes.find(f"{state}/"))


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "snapshot"
    folder.mkdir()
    return folder


def told(log, command):
    return sorted(name for what, name in log if what == command)


def test_the_provider_of_machines_can_freeze(provider):
    assert isinstance(provider, Freezable)


def test_all_are_stopped_before_any_is_saved_and_run_on_after_all_are(provider, context, machines, log, target):
    saved = provider.freeze(context, target)
    order = [command for command, _ in log if command in ("stop", "migrate", "cont")]
    assert order == ["stop"] * 2 + ["migrate"] * 2 + ["cont"] * 2
    assert (saved.qemu, saved.accel, [node.name for node in saved.nodes]) == ("QEMU 7.2", "tcg", ["n1", "n2"])
    for name in NAMES:
        folder = target / "nodes" / name
        assert (folder / "memory").read_text() == f"memory of {name}"
        assert (folder / DISK).read_text() == f"disk of {name}"
        assert (folder / "memory").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in target.iterdir()} == {"nodes", *freezing.KEYS}


def test_memory_is_written_whole_and_without_a_speed_limit(provider, context, machines, target, log):
    provider.freeze(context, target)
    asked = dict(machines[0].server.asked)
    assert asked["migrate-set-capabilities"] == {"capabilities": [{"capability": "x-ignore-shared", "state": False}]}
    assert asked["migrate-set-parameters"]["max-bandwidth"] > 1 << 35


def test_a_machine_that_cannot_be_saved_keeps_none_from_running_on(provider, context, machines, log, target):
    machines[1].fails = True
    with pytest.raises(EnvironmentProblem, match="memory cannot be saved: failed") as error:
        provider.freeze(context, target)
    assert error.value.node == "n2"
    assert told(log, "cont") == ["n1", "n2"]


def test_ctrl_c_while_memory_is_saved_lets_all_run_on(provider, machines, log, target):
    for machine in machines:
        machine.endless = True
    with pytest.raises(Interrupted):
        provider.freeze(Impatient(lambda _event: None), target)
    assert told(log, "cont") == ["n1", "n2"]
    assert log.index(("migrate_cancel", "n1")) < log.index(("cont", "n1"))


def test_a_node_that_does_not_run_is_named_before_anything_is_stopped(provider, context, state, log, target):
    machine = Machine(state / "vm/nodes/n1", log)
    try:
        with pytest.raises(NodeError, match="does not run") as error:
            provider.freeze(context, target)
    finally:
        machine.server.close()
        processes.end(processes.find(f"{state}/"))
    assert error.value.node == "n2"
    assert log == []


def test_a_cable_that_is_out_is_remembered(provider, context, machines, state, target):
    (state / "vm/nodes/n2" / UNPLUGGED).touch()
    assert [node.unplugged for node in provider.freeze(context, target).nodes] == [False, True]


class TestSurroundings:
    """What a saved machine finds here."""

    def saved(self, base, **changes) -> SavedMachines:
        facts = {"machine": "print", "golden": "gold", "base": base} | changes
        return SavedMachines("QEMU 7.2", "tcg", tuple(SavedNode(name, **facts) for name in NAMES))

    def test_the_golden_node_where_it_was(self, provider, context, base):
        here = provider.surroundings(context, self.saved(base))
        assert (here.qemu, here.accel, here.bases) == ("QEMU 7.2", "tcg", {"gold": base})

    def test_a_golden_node_made_anew_in_the_same_place_is_another(self, provider, context, base):
        (base / "golden.json").write_text('{"id": "newer"}')
        assert provider.surroundings(context, self.saved(base)).bases == {}

    def test_hardware_has_a_fingerprint_of_its_own(self):
        prints = [
            freezing.fingerprint(VmShape(memory=size), accel) for size in (1024, 2048) for accel in ("tcg", "kvm")
        ]
        assert len(set(prints)) == 4
        assert freezing.fingerprint(VmShape(), "tcg") == freezing.fingerprint(VmShape(), "tcg")

    def test_with_kvm_the_processor_counts(self, monkeypatch):
        before = {accel: freezing.fingerprint(VmShape(), accel) for accel in ("tcg", "kvm")}
        monkeypatch.setattr(freezing, "_processor", lambda: "another")
        after = {accel: freezing.fingerprint(VmShape(), accel) for accel in ("tcg", "kvm")}
        assert (before["tcg"] == after["tcg"], before["kvm"] == after["kvm"]) == (True, False)


class TestFoundation:
    """What travels along with an exported snapshot."""

    @pytest.fixture(autouse=True)
    def tools(self, program, tmp_path):
        program("qemu-img", f'echo "$*" >> {tmp_path}/rebased')

    @pytest.fixture
    def saved(self, base):
        return SavedMachines("QEMU 7.2", "tcg", tuple(SavedNode(name, "print", "gold", base) for name in NAMES))

    @pytest.fixture
    def arrived(self, saved, provider, tmp_path):
        """The foundation as an import has unpacked it, on a machine that has no such golden node."""
        folder = tmp_path / "arrived"
        for name, file in provider.foundation(saved).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(file.read_bytes())
        (saved.nodes[0].base / "golden.json").unlink()
        return folder

    def test_it_is_the_golden_disk_and_the_image_once(self, provider, saved):
        assert sorted(provider.foundation(saved)) == [
            "gold/disk.raw",
            "gold/golden/disk.qcow2",
            "gold/golden/golden.json",
            "gold/initrd.img",
            "gold/vmlinuz",
        ]

    def test_one_that_is_gone_cannot_be_exported(self, provider, saved, base):
        (base / "golden.json").unlink()
        with pytest.raises(NodeError, match="was removed or built anew"):
            provider.foundation(saved)

    def test_an_import_brings_it_where_it_is_missing(self, provider, context, saved, arrived, tmp_path):
        provider.adopt(arrived, saved)
        assert provider.surroundings(context, saved).bases == {"gold": bases_root() / "gold/golden"}
        assert f"-F raw -b {bases_root()}/gold/disk.raw" in (tmp_path / "rebased").read_text()

    def test_it_stays_as_long_as_a_machine_stands_on_it(self, provider, saved, arrived, tmp_path):
        provider.adopt(arrived, saved)
        node = tmp_path / "state/lab/vm/nodes/n1"
        node.mkdir(parents=True)
        (node / "identity.json").write_text('{"golden": "gold"}')
        foundation.prune()
        (node / "identity.json").write_text("{")
        foundation.prune()
        assert (bases_root() / "gold").exists(), "in doubt it stays"
        (node / "identity.json").unlink()
        foundation.prune()
        assert not (bases_root() / "gold").exists()

    def test_where_the_golden_node_is_there_nothing_is_adopted(self, provider, saved, tmp_path):
        provider.adopt(tmp_path / "nothing", saved)
        assert not bases_root().exists()


class TestThaw:
    """Saved machines in the place of others."""

    @pytest.fixture
    def saved(self, provider, context, machines, target, state, log):
        (state / "vm/nodes/n2" / UNPLUGGED).touch()
        return provider.freeze(context, target)

    @pytest.fixture
    def thawing(self, monkeypatch, program, tmp_path, state):
        """QEMU and its tools by table; what the new machines were told."""
        program("qemu-img", f'echo "$*" >> {tmp_path}/rebased')
        asked = []
        monkeypatch.setattr(Lan, "ensure", lambda _lan, _context: None)
        monkeypatch.setattr(freezing.running, "start", lambda _c, name, folder, _s: running.Running(name, folder))
        monkeypatch.setattr(running.Running, "load", lambda self, _c, file: asked.append(("load", self.name, file)))
        monkeypatch.setattr(running.Running, "run_on", lambda self: asked.append(("run", self.name, None)))
        monkeypatch.setattr(running.Running, "ask", lambda self, *words: asked.append((words[0][0], self.name, None)))
        return asked

    def test_what_ran_is_ended_and_what_was_saved_is_there(
        self, provider, context, saved, state, target, thawing, base
    ):
        disk = state / "vm/nodes/n1" / DISK
        disk.write_text("changed since")
        (state / "vm/nodes/n3").mkdir()
        provider.thaw(context, target, saved)
        assert processes.find(f"{state}/vm/nodes/") == []
        assert disk.read_text() == "disk of n1"
        assert sorted(path.name for path in (state / "vm/nodes").iterdir()) == ["n1", "n2"]
        assert not (state / "vm/thawing").exists()
        assert json.loads((state / "vm/nodes/n1/identity.json").read_text())["base"] == str(base)

    def test_all_have_loaded_before_any_runs(self, provider, context, saved, target, thawing):
        provider.thaw(context, target, saved)
        assert [what for what, _, _ in thawing if what != "set_link"] == ["load", "load", "run", "run"]
        assert ("load", "n2", target / "nodes/n2/memory") in thawing

    def test_what_is_not_loaded_to_its_end_is_told_from_what_runs(
        self, provider, context, saved, target, thawing, state, monkeypatch
    ):
        def interrupted(_machine):
            raise Interrupted("by hand")

        with monkeypatch.context() as patch:
            patch.setattr(running.Running, "run_on", interrupted)
            with pytest.raises(Interrupted):
                provider.thaw(context, target, saved)
        assert {path.parent.name for path in state.rglob(LOADING)} == set(NAMES)
        with pytest.raises(NodeError, match="does not run, so its memory cannot be saved"):
            provider.freeze(context, target)
        provider.thaw(context, target, saved)
        assert list(state.rglob(LOADING)) == []

    def test_a_cable_that_was_out_is_out_again(self, provider, context, saved, target, thawing, state):
        provider.thaw(context, target, saved)
        assert [name for what, name, _ in thawing if what == "set_link"] == ["n2"]
        assert (state / "vm/nodes/n2" / UNPLUGGED).exists()

    def test_after_lab_down_the_keys_come_back_too(self, provider, context, saved, target, thawing, state):
        provider.destroy(context)
        assert not (state / "vm").exists()
        provider.thaw(context, target, saved)
        assert (state / "vm/login_key").read_text() == "login_key"
        assert (state / "vm/login_key").stat().st_mode & 0o777 == (target / "login_key").stat().st_mode & 0o777

    def test_what_cannot_be_copied_touches_nothing_that_runs(
        self, provider, context, saved, target, thawing, state, program
    ):
        program("qemu-img", "echo 'No space left on device' >&2; exit 1")
        with pytest.raises(EnvironmentProblem, match="No space left"):
            provider.thaw(context, target, saved)
        assert len(processes.find(f"{state}/vm/nodes/")) == 2
        assert thawing == []
