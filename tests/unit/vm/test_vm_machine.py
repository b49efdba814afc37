"""The QEMU command line: golden texts, and what must hold for every machine."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from vm_standins import spec

from orchestrator.model.image import LabImage
from orchestrator.model.inventory import VmShape
from orchestrator.providers.vm import golden as golden_module
from orchestrator.providers.vm.accel import Accel
from orchestrator.providers.vm.golden import _fingerprint
from orchestrator.providers.vm.lan import Lan
from orchestrator.providers.vm.machine import Memory, command_line, fixed_arguments

GOLDEN = Path(__file__).parent / "golden"
LAN = Lan(Path("/state/lab/vm/switch"), vde=True)
RESUMED = spec(lan=LAN.netdev, memory=Memory(Path("/cache/golden/memory"), shared=False), incoming=True)
MACHINES = {
    "resumed": RESUMED,
    "booted": spec(lan=Lan(LAN.folder, vde=False).netdev, internet=True),
    "golden": spec(memory=Memory(Path("/cache/golden/memory"), shared=True)),
    "kvm": spec(accel="kvm", shape=VmShape(cpus=4, memory=2048)),
}


@pytest.mark.parametrize("name", MACHINES)
def test_the_command_line_of_each_kind_of_machine(name):
    text = "\n".join(command_line(MACHINES[name])) + "\n"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("LAB_UPDATE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_no_machine_touches_the_network_of_its_host(machine):
    networks = [
        after
        for word, after in zip(command_line(machine), command_line(machine)[1:], strict=False)
        if word == "-netdev"
    ]
    assert {network.partition(",")[0] for network in networks} <= {"user", "vde", "stream", "hubport"}
    assert all("addr.type=unix" in network for network in networks if network.startswith("stream,"))
    (user,) = [network for network in networks if network.startswith("user,")]
    forwards = [part for part in user.split(",") if part.startswith(("hostfwd", "guestfwd", "smb", "tftp"))]
    assert forwards == ["hostfwd=tcp:127.0.0.1:0-192.168.91.15:22"]


def test_the_internet_is_closed_unless_asked_for():
    assert "restrict=on" in " ".join(command_line(spec()))
    assert "restrict=off" in " ".join(command_line(spec(internet=True)))


def test_a_clone_never_writes_into_the_golden_memory():
    assert "share=off" in " ".join(command_line(RESUMED))


def test_the_label_is_an_argument_of_its_own():
    words = command_line(RESUMED)
    assert words[words.index("-name") + 1] == RESUMED.label


def test_a_clone_shares_the_fixed_arguments_with_its_golden_node():
    fixed = "\0".join(fixed_arguments(RESUMED.shape, "tcg"))
    for machine in (RESUMED, MACHINES["golden"]):
        assert fixed in "\0".join(command_line(machine))


def test_only_emulated_nodes_do_without_random_addresses():
    assert "norandmaps" in " ".join(fixed_arguments(RESUMED.shape, "tcg"))
    assert "norandmaps" not in " ".join(fixed_arguments(RESUMED.shape, "kvm"))


@pytest.fixture
def fingerprint(monkeypatch):
    monkeypatch.setattr(golden_module, "qemu_version", lambda: "QEMU emulator version 7.2")

    def digest(shape=VmShape(), accel="tcg", image="sha256:aa"):  # noqa: B008
        return _fingerprint(shape, Accel(accel, "because"), LabImage("web:1", image, Path("web.tar"), "sha256:bb"))

    return digest


def test_a_golden_node_is_another_where_anything_differs_that_its_clones_share(fingerprint, monkeypatch):
    shapes = [replace(VmShape(), **{key: 5}) for key in ("cpus", "memory", "disk")]
    digests = {fingerprint(), fingerprint(accel="kvm"), fingerprint(image="sha256:bb"), *map(fingerprint, shapes)}
    monkeypatch.setattr(golden_module, "fixed_arguments", lambda _shape, _accel: ["-cpu", "another"])
    digests.add(fingerprint())
    monkeypatch.setattr(golden_module, "qemu_version", lambda: "QEMU emulator version 10.0")
    digests.add(fingerprint())
    assert len(digests) == 8


def test_why_an_accelerator_was_chosen_does_not_make_another_golden_node(fingerprint, monkeypatch):
    image = LabImage("web:1", "sha256:aa", Path("elsewhere.tar"), "sha256:bb")
    assert _fingerprint(VmShape(), Accel("tcg", "no device"), image) == fingerprint()
