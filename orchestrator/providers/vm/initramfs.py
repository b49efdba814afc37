"""The initial RAM disk of a node: busybox, the modules that mount the disk, and a script of a few lines.

Debian's own initrd is twenty times larger and slower to start; a node's hardware is known beforehand.
The format is cpio "newc" as the kernel's documentation describes it (Documentation/driver-api/early-userspace/
buffer-format.rst); the ``cpio`` program writes it.
"""

from __future__ import annotations

import gzip
import lzma
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import EnvironmentProblem

DRIVERS = ("virtio_pci", "virtio_blk", "ext4")
"""What it takes to mount /dev/vda; where the kernel has one of them built in, nothing is copied."""

SPOKEN = "lab-kernel-speaks"
"""What a probe boot says on the serial line to prove that the machine can run this kernel."""

_INIT = f"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /dev /newroot
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for word in $(/bin/busybox cat /proc/cmdline); do
  if [ "$word" = lab.probe ]; then
    echo {SPOKEN} > /dev/ttyS0
    /bin/busybox poweroff -f
  fi
done
for module in $(/bin/busybox cat /modules/order); do /bin/busybox insmod /modules/$module; done
/bin/busybox mount -t ext4 -o rw,noatime /dev/vda /newroot
/bin/busybox umount /proc
/bin/busybox mount -o move /dev /newroot/dev
exec /bin/busybox switch_root /newroot /sbin/init
"""


MADE_OF = (DRIVERS, _INIT)
"""What makes one initramfs differ from another, besides the packages of the node."""


def load_order(modules_dep: str, drivers: Sequence[str]) -> list[str]:
    """Paths of the module files that ``drivers`` need, each after those it depends on.

    ``modules_dep`` is the kernel's ``modules.dep``; a driver that is not in it is built in.
    """
    needs: dict[str, tuple[str, list[str]]] = {}
    for line in modules_dep.splitlines():
        path, _, depends = line.partition(":")
        needs[module_name(path)] = (path, depends.split())
    order: list[str] = []
    for driver in drivers:
        if driver in needs:
            path, depended = needs[driver]
            order += [item for item in (*reversed(depended), path) if item not in order]
    return order


def module_name(path: str) -> str:
    """The module's name as the kernel writes it: ``kernel/fs/ext4/ext4.ko.xz`` is ``ext4``."""
    return Path(path).name.partition(".")[0].replace("-", "_")


def build_initramfs(root: Path, output: Path) -> None:
    """Write a gzipped initramfs made from the unpacked node file system ``root`` (one kernel below lib/modules)."""
    modules = next((root / "usr/lib/modules").iterdir())
    with tempfile.TemporaryDirectory(dir=output.parent) as scratch:
        tree = Path(scratch)
        (tree / "bin").mkdir()
        (tree / "modules").mkdir()
        shutil.copy(root / "usr/bin/busybox", tree / "bin/busybox")
        names = []
        for path in load_order((modules / "modules.dep").read_text(), DRIVERS):
            names.append(f"{module_name(path)}.ko")
            (tree / "modules" / names[-1]).write_bytes(_plain_module(modules / path))
        (tree / "modules/order").write_text("\n".join(names) + "\n")
        (tree / "init").write_text(_INIT)
        (tree / "init").chmod(0o755)
        output.write_bytes(gzip.compress(_cpio(tree), mtime=0))


def _plain_module(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".ko":
        return data
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dc", str(path)], capture_output=True, check=True).stdout
    raise EnvironmentProblem(f"kernel module {path.name} is packed in a way that is not known here")


def _cpio(tree: Path) -> bytes:
    names = "\0".join(sorted(str(path.relative_to(tree)) for path in tree.rglob("*")))
    try:
        packed = subprocess.run(
            ["cpio", "--create", "--null", "--format=newc", "--quiet", "--reproducible"],
            input=names.encode(),
            cwd=tree,
            capture_output=True,
            check=True,
        )
    except FileNotFoundError as error:
        raise EnvironmentProblem("cpio is not installed", hint="apt install cpio") from error
    return packed.stdout
