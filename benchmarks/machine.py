"""What machine the figures come from."""

from __future__ import annotations

import platform
from pathlib import Path

import psutil

from orchestrator import __version__
from orchestrator.providers.vm.accel import probe, qemu_version
from orchestrator.runtime.context import Context


def describe(context: Context, *, machines: bool = True) -> dict[str, str]:
    """Processor, memory, and the versions that matter, with ``machines`` those of QEMU too. Names no host."""
    qemu = {"qemu": qemu_version(), "accelerator": probe(context).name} if machines else {}
    return {
        "lab": __version__,
        "processor": f"{psutil.cpu_count()} × {processor(Path('/proc/cpuinfo'))}",
        "memory": f"{psutil.virtual_memory().total / 1024**3:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        **qemu,
    }


def processor(cpuinfo: Path) -> str:
    """The model name in a file as Linux writes /proc/cpuinfo; the architecture where it names none."""
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    names = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return next(names, "") or platform.machine()
