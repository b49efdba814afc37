"""What machines leave on disk is for the user alone, whatever the umask is and whoever writes it."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.errors import LabError
from orchestrator.model.inventory import Inventory, NodeConfig, ProviderKind, Role, VmShape
from orchestrator.providers.vm import golden as golden_module
from orchestrator.providers.vm import image as images
from orchestrator.providers.vm import processes
from orchestrator.providers.vm import provider as provider_module
from orchestrator.providers.vm.accel import Accel
from orchestrator.providers.vm.golden import Golden
from orchestrator.providers.vm.identity import Identity
from orchestrator.providers.vm.image import NodeImage
from orchestrator.providers.vm.keys import new_key_pair
from orchestrator.providers.vm.lan import Lan
from orchestrator.providers.vm.provider import VmProvider
from orchestrator.runtime import paths

NODE = NodeConfig("n1", Role.MANAGER, advertise_addr="192.168.90.11", vm=VmShape())
INVENTORY = Inventory("lab", Path("inventory.yaml"), ProviderKind.VM, (NODE,))

QEMU_IMG = 'for layer; do case $layer in *.qcow2) last=$layer; esac; done; : > "$last"'
QEMU = "echo ready > console.log; mkdir folder; echo x > folder/file; echo 'no memory' >&2; exit 1"


@pytest.fixture(autouse=True)
def everybody_may():
    """The worst umask that there is."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def golden(tmp_path, monkeypatch):
    monkeypatch.setattr(provider_module, "lan_at", lambda folder: Lan(folder, vde=True))
    made = Golden(NodeImage("trixie", tmp_path / "image"), VmShape(), Accel("tcg", "a test"), tmp_path / "image/g")
    made.folder.mkdir(parents=True)
    monkeypatch.setattr(provider_module, "ensure_golden", lambda _context, _shape: made)
    return made


def open_to_others(folder: Path) -> list[str]:
    """What lies in a folder, itself included, and is not for its owner alone."""
    return [
        f"{stat.filemode(path.stat().st_mode)} {path.relative_to(folder)}"
        for path in (folder, *folder.rglob("*"))
        if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]


def test_the_state_of_machines(context, tmp_path, golden, program):
    program("vde_switch", 'mkdir "$2"; echo said; exit 1')
    program("qemu-img", QEMU_IMG)
    program("qemu-system-x86_64", QEMU)
    state = tmp_path / "s"
    provider = VmProvider(INVENTORY, state)
    with pytest.raises(LabError, match="switch"):
        provider.ensure(context)
    with pytest.raises(LabError, match="QEMU did not start"):
        provider._maker._resume(context, NODE, golden)
    pair = new_key_pair()
    provider._maker._record("n1", Identity("n1", "192.168.90.11/24", "m", "e", pair, "", {}, internet=False), golden)
    with suppress(LabError):
        provider.set_link(NODE, up=False)
    written = {path.name for path in state.rglob("*") if path.is_file()}
    assert written >= {"login_key", "known_hosts", "switch.log", "disk.qcow2", "qemu.log", "console.log", "unplugged"}
    assert open_to_others(state) == []


def test_node_images(tmp_path, context, program, monkeypatch):
    """A disk image holds the keys of the golden node, its saved memory everything that the node knew."""

    def tar(_context, _tar, output, _progress):
        output.write_bytes(b"")

    def disk(_context, _command, _progress, *, hint):
        part = next(images.images_root().glob(".trixie-*"))
        (part / "disk.raw").write_bytes(b"keys")
        (part / "root" / "boot").mkdir(parents=True, exist_ok=True)
        (part / "root" / "boot" / "vmlinuz-6").write_bytes(b"kernel")

    monkeypatch.setattr(images, "build_tar", tar)
    monkeypatch.setattr(images, "run_told", disk)
    monkeypatch.setattr(images, "build_initramfs", lambda _root, output: output.write_bytes(b"initrd"))
    image = images.ensure(context, "trixie")
    assert {path.name for path in image.folder.iterdir()} >= {"disk.raw", "vmlinuz", "initrd.img", "login_key"}
    assert open_to_others(paths.cache_root()) == []


def test_a_golden_node_while_it_is_made(tmp_path, context, program, monkeypatch):
    program("qemu-img", QEMU_IMG)
    program("qemu-system-x86_64", QEMU)
    folder = paths.private_dir(tmp_path / "golden")
    golden = Golden(NodeImage("trixie", tmp_path), VmShape(), Accel("tcg", "a test"), folder)
    with pytest.raises(LabError, match="QEMU did not start"):
        golden_module._make(context, golden, None)
    assert (folder / "memory").exists()
    assert open_to_others(folder) == []
    assert processes.find(str(folder)) == []
