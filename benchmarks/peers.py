"""The same job by ``lab``, by the docker CLI over SSH and by Ansible, each on nodes resumed the same way.

The job: a swarm of three, a network, a service of two replicas, both running; then every node asks every node's address
and its own 127.0.0.1. Resuming the nodes is nobody's time; logging in to them is everybody's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks import ansible, baseline, loops
from benchmarks.machines import start
from benchmarks.workspace import INVENTORY, Bench, clear
from orchestrator.model.inventory import SshAddress
from orchestrator.providers.vm.provider import VmProvider
from orchestrator.runtime.paths import state_dir

GROUPS = frozenset({"docker", "ansible"})
DOCKER = Path(__file__).with_name("docker.sh")
NODES = Path(__file__).with_name("peers.yaml")
REPLICAS = 2


def inventory(wanted: Collection[str]) -> Path:
    """Nodes with Python where Ansible takes part, else the ordinary ones; all sides have the same."""
    return NODES if "ansible" in wanted else INVENTORY


def measure(bench: Bench, wanted: Collection[str]) -> None:
    """Every side once in each run; another one begins each time."""
    sides: list[Callable[[Bench], None]] = [_by_lab]
    if "docker" in wanted:
        sides.append(_by_docker)
    if "ansible" in wanted:
        ansible.install(bench)
        sides.append(_by_ansible)
    for number in range(bench.runs):
        first = number % len(sides)
        with bench.part("peers"):
            for side in (*sides[first:], *sides[:first]):
                side(bench)


def _by_lab(bench: Bench) -> None:
    start(bench, state_dir(bench.inventory.name))
    started = time.perf_counter()
    with bench.timed("lab build"):
        bench.lab("up")
    with bench.timed("lab verify"):
        bench.lab("verify")
    bench.take("lab job", time.perf_counter() - started)
    with loops.standing(bench) as mesh:
        loops.ask(bench, mesh)
        started = time.perf_counter()
        asked = loops.ask(bench, mesh)
        bench.take("lab probe", (time.perf_counter() - started) / asked * 1000)
    bench.lab("down")


def _by_docker(bench: Bench) -> None:
    with _nodes(bench) as (folder, logins):
        requests = [f"REQUESTS={loops.REQUESTS}"]
        baseline.write_plan(bench, folder, logins, requests)
        with bench.timed("docker job"):
            bench.laps("docker", str(DOCKER), str(folder), title="the same by docker over ssh")
    bench.take("docker probe", bench.samples["docker verify"][-1] / (_ways(bench) * loops.REQUESTS) * 1000)


def _by_ansible(bench: Bench) -> None:
    with _nodes(bench) as (folder, logins):
        ansible.write_inventory(bench, folder, logins)
        started = time.perf_counter()
        with bench.timed("ansible build"):
            ansible.play(bench, folder, "build.yml")
        with bench.timed("ansible verify"):
            asked = ansible.play(bench, folder, "verify.yml")
        bench.take("ansible job", time.perf_counter() - started)
    ansible.require_answers(asked, _ways(bench), REPLICAS)
    bench.take("ansible probe", ansible.task_seconds(asked)["verify"] / _ways(bench) * 1000)


def _ways(bench: Bench) -> int:
    """Every node asks every node and itself."""
    number = len(bench.inventory.nodes)
    return number * (number + 1)


@contextmanager
def _nodes(bench: Bench) -> Iterator[tuple[Path, Mapping[str, SshAddress]]]:
    """Nodes of their own that run, with a folder and how to log in to each; gone afterwards."""
    folder = bench.folder / "peer"
    folder.mkdir(mode=0o700)
    try:
        provider: VmProvider = start(bench, folder)
        yield folder, {node.name: provider.address(node) for node in bench.inventory.nodes}
    finally:
        clear(folder)
