"""KVM is believed when a kernel spoke under it, not before; and the verdict is remembered for this machine."""

import json

import pytest

from orchestrator.errors import EnvironmentProblem
from orchestrator.providers.vm import accel
from orchestrator.providers.vm.accel import Accel, judge_boot, probe
from orchestrator.providers.vm.image import images_root
from orchestrator.providers.vm.initramfs import SPOKEN
from orchestrator.runtime import paths


@pytest.fixture
def device(tmp_path, monkeypatch):
    """A device that can be opened."""
    path = tmp_path / "kvm"
    path.touch()
    monkeypatch.setattr(accel, "_DEVICE", path)
    return path


@pytest.fixture
def image():
    folder = paths.private_dir(images_root() / "trixie-1")
    (folder / "image.json").write_text("{}")


@pytest.fixture
def qemu(program, tmp_path):
    """A QEMU of some version that says something when it is booted; returns how often it was."""

    def make(says, version="7.2"):
        boots = tmp_path / "boots"
        version_line = f"QEMU emulator version {version}"
        case = f'--version) echo "{version_line}";; *) echo boot >> {boots}; {says};;'
        program("qemu-system-x86_64", f'case "$1" in {case} esac')
        return lambda: len(boots.read_text().splitlines()) if boots.exists() else 0

    return make


@pytest.mark.parametrize(
    ("output", "timed_out", "name", "reason"),
    [
        (f"SeaBIOS\r\n{SPOKEN}\r\n", False, "kvm", "a probe boot succeeded"),
        (f"{SPOKEN}\n", True, "kvm", "a probe boot succeeded"),
        ("", True, "tcg", "says nothing within 8 s"),
        ("warning\nqemu: error: failed to set MSR 0x10a\n", False, "tcg", "failed to set MSR 0x10a"),
        ("", False, "tcg", "no message"),
    ],
)
def test_the_verdict_of_a_probe_boot(output, timed_out, name, reason):
    verdict = judge_boot(output, timed_out=timed_out)
    assert verdict.name == name
    assert verdict.reason.endswith(reason)


def test_without_a_device_nothing_is_booted(context, tmp_path, monkeypatch):
    monkeypatch.setattr(accel, "_DEVICE", tmp_path / "none")
    assert probe(context) == Accel("tcg", f"there is no {tmp_path}/none on this machine")


def test_before_an_image_exists_nothing_is_remembered(context, device, qemu):
    boots = qemu(f"echo {SPOKEN}")
    assert probe(context).name == "tcg"
    assert boots() == 0
    assert not (paths.cache_root() / "kvm.json").exists()


def test_a_verdict_is_found_once_and_remembered(context, device, image, qemu):
    boots = qemu(f"echo {SPOKEN}")
    assert [probe(context).name, probe(context).name] == ["kvm", "kvm"]
    assert boots() == 1


def test_a_verdict_counts_for_this_qemu_only(context, device, image, qemu):
    qemu(f"echo {SPOKEN}")
    assert probe(context).name == "kvm"
    boots = qemu("echo 'failed to set MSR 0x10a'; exit 1", version="10.0")
    assert probe(context).name == "tcg"
    assert boots() == 2


def test_a_kernel_that_hangs_under_kvm_is_ended(context, device, image, qemu, monkeypatch):
    monkeypatch.setattr(accel, "DEADLINE", 0.3)
    qemu("exec tail -f /dev/null")
    assert "says nothing" in probe(context).reason


@pytest.mark.parametrize("memory", [b"", b"{", b"[]", b"\xff", b"{}", b'{"key": "KEY", "verdict": {"name": "kvm"}}'])
def test_a_damaged_memory_is_made_anew(context, device, image, qemu, memory):
    boots = qemu(f"echo {SPOKEN}")
    file = paths.cache_root() / "kvm.json"
    file.write_bytes(memory.replace(b"KEY", accel._key().encode()))
    assert probe(context).name == "kvm"
    assert boots() == 1
    assert json.loads(file.read_text())["key"] == accel._key()


def test_a_missing_qemu_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="qemu-system-x86_64 does not run") as told:
        accel.qemu_version()
    assert "apt install" in told.value.hint
