"""Whether KVM works here, found out by booting: that ``/dev/kvm`` exists proves nothing.

A nested or restricted KVM may open, run firmware, and then abort or spin for ever once a kernel starts. So the node's
own kernel is booted with a tiny initramfs that says one line and powers off. The verdict is remembered for this QEMU on
this kernel.
"""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.errors import EnvironmentProblem
from orchestrator.providers.vm.image import NodeImage, images_root
from orchestrator.providers.vm.initramfs import SPOKEN
from orchestrator.providers.vm.machine import QEMU
from orchestrator.runtime import paths
from orchestrator.runtime.context import Context
from orchestrator.runtime.documents import read_document, write_document

SCHEMA = 1
DEADLINE = 8.0
"""Seconds a probe boot may take. With a working KVM it takes less than one; software emulation needs about three."""

_DEVICE = Path("/dev/kvm")


@dataclass(frozen=True)
class Accel:
    """How nodes run: ``name`` is ``kvm`` or ``tcg`` (software emulation); ``reason`` says how that is known."""

    name: str
    reason: str


def probe(context: Context) -> Accel:
    """The accelerator to use here: the remembered verdict, or that of a probe boot (at most 8 seconds).

    Before a node image exists there is no kernel to boot; then the answer is ``tcg`` unless remembered otherwise,
    and nothing is remembered.
    """
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return Accel("tcg", _why_closed())
    remembered = _recall()
    if remembered is not None:
        return remembered
    image = _any_image()
    if image is None:
        return Accel("tcg", f"{_DEVICE} is there; whether it works is tried when the node image is built")
    with context.step("kvm probe", "find out whether KVM works, by booting a kernel"):
        output, timed_out = _boot(image)
    verdict = judge_boot(output, timed_out=timed_out)
    _remember(verdict)
    return verdict


def judge_boot(output: str, *, timed_out: bool) -> Accel:
    """The verdict from what the probe machine and QEMU said."""
    if SPOKEN in output:
        return Accel("kvm", "a probe boot succeeded")
    if timed_out:
        return Accel("tcg", f"KVM is there but a kernel under it says nothing within {DEADLINE:.0f} s")
    last = output.strip().splitlines()[-1:] or ["no message"]
    return Accel("tcg", f"KVM is there but QEMU cannot use it: {last[0]}")


def qemu_version() -> str:
    """The first line of ``qemu-system-x86_64 --version``. Raises ``EnvironmentProblem`` where it is not installed."""
    try:
        result = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvironmentProblem(
            f"{QEMU} does not run: {error}", hint="apt install qemu-system-x86; then: lab doctor"
        ) from error
    return result.stdout.splitlines()[0]


def _boot(image: NodeImage) -> tuple[str, bool]:
    command = [
        *(QEMU, "-accel", "kvm", "-cpu", "host", "-m", "256", "-nodefaults", "-no-user-config", "-display", "none"),
        *("-no-reboot", "-serial", "stdio", "-kernel", str(image.kernel), "-initrd", str(image.initramfs)),
        *("-append", "console=ttyS0 quiet lab.probe"),
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    try:
        return process.communicate(timeout=DEADLINE)[0], False
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0], True


def _any_image() -> NodeImage | None:
    for folder in sorted(images_root().glob("[!.]*/image.json")):
        return NodeImage("", folder.parent)
    return None


def _why_closed() -> str:
    if not _DEVICE.exists():
        return f"there is no {_DEVICE} on this machine"
    return f"this user may not open {_DEVICE} (add the user to the group kvm to try it)"


def _key() -> str:
    return f"{qemu_version()} on {platform.release()}"


def _memory_file() -> Path:
    return paths.cache_root() / "kvm.json"


def _recall() -> Accel | None:
    """What was found out with this QEMU on this kernel; a file that is no good counts for nothing."""
    try:
        known = read_document(_memory_file(), SCHEMA, hint="", unnamed=1) or {}
        return Accel(**known["verdict"]) if known["key"] == _key() else None
    except (EnvironmentProblem, KeyError, TypeError):
        return None


def _remember(verdict: Accel) -> None:
    paths.sweep(_memory_file(), older=3600.0)
    with suppress(EnvironmentProblem):  # where nothing can be written it is found out once more
        write_document(_memory_file(), SCHEMA, {"key": _key(), "verdict": asdict(verdict)})
