"""The provider on a state folder, with programs that stand in for QEMU and the switch."""

import json
from pathlib import Path

import pytest
from vm_standins import STOP_AT_ONCE, QmpServer, listening

from orchestrator.errors import EnvironmentProblem, NodeError
from orchestrator.model.inventory import Inventory, NodeConfig, ProviderKind, Role, VmShape
from orchestrator.providers.vm import processes, running
from orchestrator.providers.vm import provider as provider_module
from orchestrator.providers.vm.accel import Accel
from orchestrator.providers.vm.files import READY
from orchestrator.providers.vm.golden import Golden
from orchestrator.providers.vm.image import NodeImage
from orchestrator.providers.vm.lan import Lan
from orchestrator.providers.vm.machine import CONSOLE, LOADING, SOCKET
from orchestrator.providers.vm.provider import VmProvider
from orchestrator.runtime.documents import UnusableDocument

NODES = tuple(
    NodeConfig(name, Role.MANAGER, advertise_addr=f"192.168.90.{place}", vm=VmShape())
    for place, name in enumerate(("n1", "n10"), 11)
)
SWITCH = f'mkdir "$2"; {listening("$2/ctl")}'


def inventory(*nodes: NodeConfig) -> Inventory:
    return Inventory("lab", Path("inventory.yaml"), ProviderKind.VM, nodes or NODES)


@pytest.fixture
def state(tmp_path):
    """A folder short enough for the sockets of the switch; whatever still runs below it ends with the test."""
    yield tmp_path / "s"
    processes.end(processes.find(f"{tmp_path}/s/"))


@pytest.fixture(autouse=True)
def vde(monkeypatch):
    """Whatever QEMU this machine has: the cluster LAN is VDE's."""
    monkeypatch.setattr(provider_module, "lan_at", lambda folder: Lan(folder, vde=True))


@pytest.fixture
def provider(state):
    return VmProvider(inventory(), state)


@pytest.fixture
def golden(tmp_path, monkeypatch):
    """A golden node in the cache, with the id "one"."""
    folder = tmp_path / "image" / "golden-1"
    folder.mkdir(parents=True)
    (folder / "golden.json").write_text('{"id": "one"}')
    made = Golden(NodeImage("trixie", folder.parent), VmShape(), Accel("tcg", "a test"), folder)
    monkeypatch.setattr(provider_module, "ensure_golden", lambda _context, _shape: made)
    return made


def make_node(state, name, **facts):
    """What a node leaves on disk that was once made."""
    folder = state / "vm" / "nodes" / name
    folder.mkdir(parents=True)
    whole = {"machine_id": "m", "address": "192.168.90.11/24", "mac": "52:54:00", "base": "/gone", "golden": "none"}
    (folder / "identity.json").write_text(json.dumps(whole | facts))
    return folder


def states(provider):
    return {machine.name: machine.state for machine in provider.machines()}


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (b"", "damaged: it is not JSON"),
        (b'{"schema": 1, "base": "/x"', "damaged: it is not JSON"),
        (b'{"schema": 1, "base": "/x"}', "does not tell machine_id, address, mac, golden"),
        (b'{"schema": 9}', "newer version of lab"),
    ],
)
def test_a_stopped_node_with_a_damaged_record_is_told_and_can_be_destroyed(
    record, told, provider, golden, context, state
):
    (make_node(state, "n1") / "identity.json").write_bytes(record)
    with pytest.raises(UnusableDocument, match=told) as caught:
        provider._maker._boot_files("n1", golden)
    assert "lab" in caught.value.hint
    assert states(provider)["n1"] == "stopped"
    assert provider.destroy(context) == ["n1"]
    assert not (state / "vm").exists()


def test_where_nothing_was_made_nothing_is_there_and_nothing_to_destroy(provider, context, state):
    assert states(provider) == {"n1": "absent", "n10": "absent"}
    assert provider.destroy(context) == []
    assert not state.exists()


@pytest.mark.parametrize("letter", [",", "=", "'", '"', "\n"])
def test_a_folder_that_qemu_cannot_take_is_refused_before_anything_is_made(letter, context, tmp_path):
    folder = tmp_path / f"a{letter}b"
    with pytest.raises(EnvironmentProblem, match="QEMU cannot work below") as told:
        VmProvider(inventory(), folder).ensure(context)
    assert "LAB_STATE_DIR" in told.value.hint
    assert not folder.exists()


def test_a_cache_that_qemu_cannot_take_is_refused(provider, context, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE_DIR", str(tmp_path / "a,b"))
    with pytest.raises(EnvironmentProblem, match="QEMU cannot work below"):
        provider.ensure(context)


def test_a_folder_too_deep_for_the_switch_is_refused(context, tmp_path):
    with pytest.raises(EnvironmentProblem, match="too long for the sockets"):
        VmProvider(inventory(), tmp_path / ("x" * 90)).ensure(context)


def test_a_node_runs_where_its_process_runs_and_it_has_an_identity(provider, state, spawn):
    make_node(state, "n10")
    assert states(provider) == {"n1": "absent", "n10": "stopped"}
    spawn("-name", f"{state}/vm/nodes/n10/")
    spawn("-name", f"{state}/vm/nodes/n1/")
    assert states(provider) == {"n1": "absent", "n10": "running"}


def test_reading_the_console_of_a_stopped_node_does_not_make_it_run(provider, state, spawn):
    folder = make_node(state, "n1")
    spawn("-f", f"{folder}/")
    spawn("-f", f"{folder}/{CONSOLE}")
    assert states(provider)["n1"] == "stopped"


def test_a_node_that_does_not_run_has_no_address(provider, state):
    make_node(state, "n1")
    with pytest.raises(NodeError, match="does not run") as told:
        provider.address(NODES[0])
    assert told.value.node == "n1"
    assert provider.operator_route(NODES[0], 8080).absent == "the machine does not run"


def test_destroying_takes_what_was_begun_and_leaves_what_is_not_ours(provider, context, state, spawn):
    make_node(state, "n1")
    (state / "vm/nodes/n10").mkdir()
    (state / "state.json").touch()
    begun = spawn("-name", f"{state}/vm/nodes/n10/")
    switch = spawn("-sock", f"{state}/vm/switch")
    others = [
        spawn("-name", f"{state}2/vm/nodes/n1/"),
        spawn("-i", f"{state}/vm/login_key", "root@127.0.0.1"),
        spawn("-f", f"{state}/vm/nodes/n1/console.log"),
    ]
    assert provider.destroy(context) == ["n1", "n10"]
    assert [processes.alive(process.pid) for process in (begun, switch)] == [False, False]
    assert [processes.alive(process.pid) for process in others] == [True, True, True]
    assert [path.name for path in state.iterdir()] == ["state.json"]
    assert provider.destroy(context) == []


def test_files_that_cannot_be_deleted_are_told(provider, context, state, monkeypatch):
    make_node(state, "n1")

    def refuse(_folder):
        raise PermissionError(13, "Permission denied", "disk.qcow2")

    monkeypatch.setattr(provider_module.shutil, "rmtree", refuse)
    with pytest.raises(EnvironmentProblem, match=r"cannot delete disk\.qcow2: Permission denied"):
        provider.destroy(context)


def test_a_stopped_node_boots_from_the_image_below_its_disk(context, state, golden, program):
    program("vde_switch", SWITCH)
    program("qemu-system-x86_64", f'echo "$*" >> qemu.log; echo {READY} >> {CONSOLE}; {listening(SOCKET)}')
    old = golden.folder.parent.with_name("old") / "golden-0"
    old.mkdir(parents=True)
    (old / "golden.json").write_text('{"id": "zero"}')
    make_node(state, "n1", base=str(old), golden="zero")
    provider = VmProvider(inventory(NODES[0]), state)
    assert provider.ensure(context) == ["n1"]
    assert states(provider) == {"n1": "running"}
    assert f"-kernel {old.parent}/vmlinuz" in (state / "vm/nodes/n1/qemu.log").read_text()
    assert provider.ensure(context) == ()
    assert provider.destroy(context) == ["n1"]
    assert processes.find(f"{state}/") == []


def test_a_node_whose_saved_memory_was_never_loaded_boots_from_its_disk(context, state, golden, program, spawn):
    program("vde_switch", SWITCH)
    program("qemu-system-x86_64", f"echo {READY} >> {CONSOLE}; {listening(SOCKET)}")
    folder = make_node(state, "n1", base=str(golden.folder), golden="gold")
    (golden.folder / "golden.json").write_text('{"id": "gold"}')
    (folder / LOADING).touch()
    half = spawn("-name", f"{folder}/")
    provider = VmProvider(inventory(NODES[0]), state)
    assert states(provider) == {"n1": "stopped"}
    assert provider.ensure(context) == ["n1"]
    assert states(provider) == {"n1": "running"}
    assert not processes.alive(half.pid)
    assert provider.ensure(context) == ()
    provider.destroy(context)


def test_a_node_whose_image_was_rebuilt_does_not_boot_on_another_disk(context, state, golden, program):
    program("vde_switch", SWITCH)
    make_node(state, "n1", base=str(golden.folder), golden="an older one")
    with pytest.raises(NodeError, match="removed or rebuilt since") as told:
        VmProvider(inventory(NODES[0]), state).ensure(context)
    assert "lab down" in told.value.hint


def test_a_switch_that_does_not_start_shows_what_it_said(provider, context, golden, program):
    program("vde_switch", "echo 'no room for a socket' >&2; exit 1")
    with pytest.raises(EnvironmentProblem, match="the switch of the cluster LAN did not start") as told:
        provider.ensure(context)
    assert told.value.details == ("no room for a socket",)


def test_keys_are_private_to_the_user(provider, context, golden, program, state):
    program("vde_switch", "exit 1")
    with pytest.raises(EnvironmentProblem):
        provider.ensure(context)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (state, state / "vm", state / "vm" / "login_key")}
    assert modes == {"s": 0o700, "vm": 0o700, "login_key": 0o600}


class TestBreaking:
    """Machines that are broken on purpose."""

    @pytest.fixture
    def machine(self, provider, state, golden):
        """n1 runs, as a program that stands in for QEMU and a QMP server; what was asked of it."""
        folder = make_node(state, "n1")
        processes.start(["sh", "-c", STOP_AT_ONCE, "-name", running.label_of(folder)], folder, "qemu.log", "n1")
        server = QmpServer(folder / SOCKET, {"set_link": lambda _: {}})
        yield server
        server.close()
        processes.end(processes.find(running.label_of(folder)))

    def test_the_cable_is_pulled_and_plugged_in_again(self, provider, machine):
        provider.set_link(NODES[0], up=False)
        provider.set_link(NODES[0], up=True)
        assert machine.asked == [("set_link", {"name": "lan-nic", "up": up}) for up in (False, True)]

    def test_ensure_plugs_in_a_cable_that_was_left_out(self, state, context, machine):
        alone = VmProvider(inventory(NODES[0]), state)
        alone.set_link(NODES[0], up=False)
        assert alone.ensure(context) == ()
        assert machine.asked[-1] == ("set_link", {"name": "lan-nic", "up": True})
        assert alone.ensure(context) == ()
        assert len(machine.asked) == 2

    def test_a_machine_without_power_has_stopped_and_keeps_its_identity(self, provider, machine):
        assert states(provider)["n1"] == "running"
        provider.cut_power(NODES[0])
        assert states(provider)["n1"] == "stopped"
