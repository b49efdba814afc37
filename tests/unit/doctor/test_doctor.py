"""What `lab doctor` says: the judgment on machines of all kinds, and one look at the machine the tests run on."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator import doctor
from orchestrator.doctor import GIB, PROGRAMS, QEMU, SOCKET_NAMES, SOCKET_PATH, Sighting, judge, look, subordinate_ids
from orchestrator.model.doctor import Finding
from orchestrator.runtime.context import Context

CACHE, STATE = Path("/home/kim/.cache/swarm-mesh-lab"), Path("/home/kim/.local/state/swarm-mesh-lab")

GOOD = Sighting(
    python=(3, 11, 2),
    user="kim",
    uid=1000,
    programs={name: f"/usr/bin/{name}" for name in PROGRAMS},
    cache=CACHE,
    state=STATE,
    qemu_version="7.2.22",
    qemu_networks=("socket", "user", "stream", "vde"),
    vde_switch="/usr/bin/vde_switch",
    keyring=True,
    newuidmap="/usr/bin/newuidmap",
    subordinate_ids=65536,
    namespaces="",
    memory=8_000_000_000,
    free={CACHE: 20 * GIB, STATE: 20 * GIB},
    accelerator="kvm",
    accelerator_reason="a guest spoke after 0.4 s",
    kvm_device="open",
)


def wrong(seen: Sighting) -> list[Finding]:
    return [finding for finding in judge(seen) if finding.ok is not True]


def test_a_good_machine_lacks_nothing():
    findings = judge(GOOD)
    assert wrong(GOOD) == []
    assert Finding(QEMU, ok=True, detail="/usr/bin/qemu-system-x86_64, version 7.2.22") in findings
    assert len({finding.name for finding in findings}) == len(findings)
    assert all(finding.fix == "" for finding in findings)


@pytest.mark.parametrize(("name", "package"), PROGRAMS.items())
def test_a_missing_program_comes_with_its_package(name, package):
    seen = replace(GOOD, programs=GOOD.programs | {name: ""})
    assert wrong(replace(seen, accelerator="kvm")) == [
        Finding(name, ok=False, detail="not installed", fix=f"sudo apt-get install {package}")
    ]


def test_root_needs_no_sudo_and_no_user_namespace():
    seen = replace(GOOD, uid=0, user="root", newuidmap="", subordinate_ids=0, namespaces="Operation not permitted")
    assert wrong(seen) == []
    without_ssh = replace(seen, programs=GOOD.programs | {"ssh": ""})
    assert [finding.fix for finding in wrong(without_ssh)] == ["apt-get install openssh-client"]


@pytest.mark.parametrize(
    ("changes", "name", "words", "fix"),
    [
        ({"python": (3, 10, 9)}, "Python", "3.10.9; 3.11 or later is needed", "install python3"),
        ({"qemu_networks": ("socket", "user")}, "cluster LAN", "built without VDE", "install qemu-system-x86 vde2"),
        (
            {"qemu_networks": ("socket", "vde"), "vde_switch": ""},
            "cluster LAN",
            "vde_switch is not installed, and",
            "install qemu-system-x86 vde2",
        ),
        ({"keyring": False}, "Debian's archive keys", "is missing", "install debian-archive-keyring"),
        ({"newuidmap": ""}, "subordinate ids", "newuidmap is not installed", "install uidmap"),
        ({"subordinate_ids": 1000}, "subordinate ids", "give kim 1000 of 65536", "sudo usermod --add-subuids"),
        (
            {"namespaces": "unshare: unshare failed: Operation not permitted"},
            "user namespaces",
            "Operation not permitted",
            "sudo sysctl",
        ),
        ({"memory": 3_400_000_000}, "memory", "3.4 GB available, three nodes take 3.5 GB", "fewer nodes"),
        ({"free": {CACHE: 3 * GIB, STATE: 3 * GIB}}, "disk for images", "3.0 GiB free", "LAB_CACHE_DIR"),
        ({"free": {CACHE: 9 * GIB, STATE: 1 * GIB}}, "disk for clusters", "1.0 GiB free", "LAB_STATE_DIR"),
    ],
)
def test_what_must_be_mended(changes, name, words, fix):
    (finding,) = wrong(replace(GOOD, **changes))
    assert (finding.name, finding.ok) == (name, False)
    assert words in finding.detail
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({}, "VDE, by /usr/bin/vde_switch"),
        ({"vde_switch": ""}, "lab's own switch, as vde_switch is not installed"),
        ({"qemu_networks": ("socket", "stream")}, "lab's own switch, as QEMU was built without VDE"),
    ],
)
def test_the_cluster_lan_has_a_switch_either_way(changes, detail):
    assert Finding("cluster LAN", ok=True, detail=detail) in judge(replace(GOOD, **changes))


@pytest.mark.parametrize(("length", "ok"), [(67, True), (68, False), (200, False)])
def test_a_state_folder_must_leave_room_for_socket_paths(length, ok):
    state = Path("/" + "s" * (length - 1))
    seen = replace(GOOD, state=state, free={CACHE: 20 * GIB, state: 20 * GIB})
    assert [finding.name for finding in wrong(seen)] == ([] if ok else ["length of socket paths"])


@pytest.mark.parametrize(
    ("changes", "words", "fix"),
    [
        ({"accelerator": "tcg", "accelerator_reason": "the guest said nothing for 3 s"}, "said nothing for 3 s", ""),
        (
            {"accelerator": "tcg", "accelerator_reason": "no right to open /dev/kvm", "kvm_device": "denied"},
            "by emulation (tcg)",
            "sudo usermod -aG kvm kim; then log in anew",
        ),
        ({"accelerator": "", "accelerator_reason": ""}, "not tried: QEMU is missing", ""),
    ],
)
def test_nothing_fails_without_kvm(changes, words, fix):
    (finding,) = wrong(replace(GOOD, **changes))
    assert (finding.name, finding.ok, finding.fix) == ("KVM", None, fix)
    assert words in finding.detail


def test_without_qemu_its_networks_are_not_judged():
    seen = replace(GOOD, programs=GOOD.programs | {QEMU: ""}, qemu_networks=(), accelerator="")
    assert [finding.name for finding in wrong(seen)] == [QEMU, "KVM"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("kim:100000:65536\n", 65536),
        ("lee:100000:65536\nkim:165536:1000\nkim:200000:65536\n", 65536),
        ("1000:100000:65536", 65536),
        ("kimberly:100000:65536\n", 0),
        ("# no ranges\nkim:100000\nkim:1:many\n", 0),
        ("", 0),
    ],
)
def test_ranges_of_subordinate_ids(text, count):
    assert subordinate_ids(text, "kim", 1000) == count


def test_a_look_at_this_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "_accelerator", lambda _: ("tcg", "not tried here"))
    monkeypatch.setenv("LAB_STATE_DIR", str(tmp_path / "not" / "made" / "yet"))
    seen = look(Context(lambda _: None))
    assert seen.python == sys.version_info[:3]
    assert (seen.uid, seen.state) == (os.geteuid(), tmp_path / "not" / "made" / "yet")
    assert all(Path(path).is_file() for path in seen.programs.values() if path)
    assert seen.memory > 0
    assert set(seen.free) == {seen.cache, seen.state}
    assert not seen.state.exists()
    assert bool(seen.qemu_version) == bool(seen.programs[QEMU])
    assert {finding.name for finding in judge(seen)} >= {*PROGRAMS, "memory", "KVM"}


def test_programs_of_the_system_are_found_without_its_folders_on_the_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "_accelerator", lambda _: ("tcg", ""))
    assert look(Context(lambda _: None)).programs["mke2fs"].endswith("/mke2fs")


def test_the_documentation_names_every_package_and_limit():
    text = (Path(__file__).parents[3] / "docs" / "install.md").read_text()
    packages = {*PROGRAMS.values(), "uidmap", "debian-archive-keyring"}
    by_hand = text.partition("apt-get install ")[2].partition("python3 -m venv")[0]
    assert packages <= set(by_hand.replace("\\", " ").split())
    assert all(f"`{package}`" in text for package in packages)
    assert f"shorter than {SOCKET_PATH - SOCKET_NAMES + 1} bytes" in text
