"""The QEMU command line of a node. Pure: what a machine looks like, not how it is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.model.inventory import VmShape
from orchestrator.providers.vm.files import MANAGEMENT, MANAGEMENT_ADDRESS

QEMU = "qemu-system-x86_64"

TCG_CPU = "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16"
"""Enough for Debian and Go; with `max`, AVX would be emulated and Docker runs a quarter slower."""

KERNEL_OPTIONS = (
    "root=/dev/vda rw console=ttyS0 quiet mitigations=off nokaslr net.ifnames=0 apparmor=0 selinux=0 audit=0 "
    "systemd.show_status=false panic=1"
)

TCG_KERNEL_OPTIONS = "norandmaps"
"""For an emulated processor only. QEMU 7.2 finds translated code by its virtual address: with programs and libraries at
another address in every process, it translates the same libc again for each one. More than half of all translation
while a lab comes up was of that kind, and translation is most of the time that it takes."""

DISK, SOCKET, CONSOLE, LOG, UNPLUGGED = "disk.qcow2", "qmp.sock", "console.log", "qemu.log", "unplugged"
"""Names within a machine's folder, which is QEMU's working directory."""

LOADING = "loading"
"""A file there while saved memory is loaded: until it is gone, what runs is no machine yet."""


LAN_DEVICE = "lan-nic"
"""QEMU's name of the interface on the cluster LAN."""


@dataclass(frozen=True)
class Boot:
    """Kernel and initramfs for a direct boot."""

    kernel: Path
    initramfs: Path


@dataclass(frozen=True)
class Memory:
    """Guest memory as a file. A private map (``shared`` false) never changes the file: that is how clones start."""

    file: Path
    shared: bool


@dataclass(frozen=True)
class MachineSpec:
    """One machine. ``lan`` is QEMU's ``-netdev`` but for the id; by itself a cable that leads nowhere.

    ``incoming`` makes QEMU wait for a saved state instead of booting; ``accel`` is ``kvm`` or ``tcg``.
    """

    label: str
    shape: VmShape
    accel: str
    boot: Boot
    lan: str = "hubport,hubid=1"
    lan_mac: str = "52:54:00:90:00:00"
    internet: bool = False
    memory: Memory | None = None
    incoming: bool = False


def command_line(spec: MachineSpec) -> list[str]:
    """QEMU's arguments. Relative paths are relative to the machine's folder."""
    return [
        *(QEMU, "-name", spec.label, "-nodefaults", "-no-user-config", "-display", "none"),
        *fixed_arguments(spec.shape, spec.accel),
        *_memory(spec),
        *("-kernel", str(spec.boot.kernel), "-initrd", str(spec.boot.initramfs)),
        *("-drive", f"file={DISK},if=none,id=disk,format=qcow2,cache=unsafe,discard=unmap"),
        *("-device", "virtio-blk-pci,drive=disk"),
        *_network(spec),
        *("-device", "virtio-rng-pci", "-device", "vmgenid,guid=auto"),
        *("-rtc", "base=utc,clock=host"),
        *("-chardev", f"file,id=console,path={CONSOLE},append=on", "-serial", "chardev:console"),
        *("-qmp", f"unix:{SOCKET},server=on,wait=off"),
        *(("-incoming", "defer") if spec.incoming else ()),
    ]


def fixed_arguments(shape: VmShape, accel: str) -> list[str]:
    """The arguments that a clone must share with the machine whose saved state it resumes."""
    processor = ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", TCG_CPU]
    options = f"{KERNEL_OPTIONS} {TCG_KERNEL_OPTIONS}"
    if accel == "kvm":
        processor = ["-accel", "kvm", "-cpu", "host"]
        options = KERNEL_OPTIONS
    machine = ["-machine", "q35,memory-backend=ram,usb=off,vmport=off"]
    return [*processor, *machine, "-smp", str(shape.cpus), "-m", f"{shape.memory}M", "-append", options]


def _memory(spec: MachineSpec) -> list[str]:
    size = f"{spec.shape.memory}M"
    if spec.memory is None:
        backend = f"memory-backend-ram,id=ram,size={size}"
    else:
        share = "on" if spec.memory.shared else "off"
        backend = f"memory-backend-file,id=ram,size={size},mem-path={spec.memory.file},share={share}"
    return ["-object", backend]


def _network(spec: MachineSpec) -> list[str]:
    restrict = "off" if spec.internet else "on"
    management = (
        f"user,id=management,net={MANAGEMENT}.0/24,host={MANAGEMENT}.2,dns={MANAGEMENT}.3,ipv6=off,"
        f"restrict={restrict},hostfwd=tcp:127.0.0.1:0-{MANAGEMENT_ADDRESS}:22"
    )
    return [
        *("-netdev", management, "-device", "virtio-net-pci,netdev=management,mac=52:54:00:91:00:01,romfile="),
        *("-netdev", f"{spec.lan},id=lan"),
        *("-device", f"virtio-net-pci,id={LAN_DEVICE},netdev=lan,mac={spec.lan_mac},romfile="),
    ]
