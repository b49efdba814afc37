"""Starting machines: resumed from a golden node, against booted from disk."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from benchmarks.workspace import Bench, clear
from orchestrator.model.inventory import NodeConfig, VmShape
from orchestrator.providers.vm import processes
from orchestrator.providers.vm.golden import Golden, ensure_golden
from orchestrator.providers.vm.provider import VmProvider
from orchestrator.runtime.fanout import fan_out


def prepare(bench: Bench) -> Golden:
    """What a person has before the first measurement: a node image and a golden node, read once from the disk."""
    golden = ensure_golden(bench.context, bench.inventory.nodes[0].vm or VmShape())
    with bench.context.step("read", "read the node image once, so that no side pays for a cold disk"):
        for file in (golden.memory, golden.state, golden.disk, golden.image.disk):
            with file.open("rb") as source:
                while source.read(1 << 22):
                    bench.context.check()
    return golden


def resume_and_boot(bench: Bench) -> None:
    """Take both samples of one run: make three nodes; stop them as a power cut does; boot the same three."""
    folder = bench.folder / "machines"
    folder.mkdir(mode=0o700)
    try:
        with bench.timed("resume"):
            provider = start(bench, folder)
        # A node keeps its identity over the power cut only if that has reached its disk.
        for node in bench.inventory.nodes:
            provider.connect(bench.context, node).run(["sync"])
            provider.connect(bench.context, node).close()
        processes.end(processes.find(f"{folder}/vm/nodes/"))
        with bench.timed("boot"):
            start(bench, folder)
    finally:
        clear(folder)


def start(bench: Bench, folder: Path) -> VmProvider:
    """Bring all nodes up, their files below ``folder``, and wait until every engine answers."""
    provider = VmProvider(bench.inventory, folder)
    provider.ensure(bench.context)

    def ping(node: NodeConfig) -> bool:
        with closing(provider.connect(bench.context, node)) as host:
            return bool(host.engine().ping())

    for result in fan_out(bench.inventory.nodes, ping):
        result.get()
    return provider
