"""Throughput and latency of each way to a task: past the mesh, through it, and over overlays.

One task on n2 answers; n3 asks. The load is bounded and stays inside the lab: ``curl`` on n3, a fixed number of files
and of small requests one after the other, each over a connection of its own.
"""

from __future__ import annotations

import ipaddress
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import loops
from benchmarks.workspace import Bench
from orchestrator.errors import NodeError
from orchestrator.images.nginx import PAYLOAD_SIZE
from orchestrator.transport.ssh import SshHost

LAB = Path(__file__).with_name("traffic.yaml")
ANSWERS, ASKS, OTHER = "n2", "n3", "n1"
"""The node of the task, the node that asks, and one that has no part in it but the mesh."""

FILES = 20
"""How many mebibytes are fetched for one figure of throughput."""

REQUESTS = 200
"""How many small requests are made for one figure of latency."""

_OK = 200
_WRITE = "%{http_code} %{size_download} %{time_total}\\n"
_PATIENCE = 180.0


@dataclass(frozen=True)
class Way:
    """One way to a task: an address, and the network namespace from which it is asked ("" for the node's own)."""

    name: str
    url: str
    namespace: str = ""


@dataclass(frozen=True)
class Transfer:
    """What curl says of one request."""

    code: int
    size: int
    seconds: float


def measure(bench: Bench) -> None:
    """Take all samples on a lab of their own; the ways in turn, after a round of each that does not count."""
    bench.lab("up", str(LAB))
    with loops.standing(bench) as mesh:
        asking = mesh.hosts[ASKS]
        manager = mesh.hosts[bench.inventory.managers[0].name]
        ways = list(_ways(bench, manager, asking))
        for number in range(bench.runs + 1):
            for way in ways:
                bench.context.check()
                files = fetch(asking, way, "payload", FILES)
                small = fetch(asking, way, "", REQUESTS)
                if number:
                    bench.take(f"throughput {way.name}", throughput(files))
                    bench.take(f"latency {way.name}", latency(small))
    bench.lab("down")


def _ways(bench: Bench, manager: SshHost, asking: SshHost) -> Iterator[Way]:
    entry = bench.inventory.node(ANSWERS).advertise_addr
    other = bench.inventory.node(OTHER).advertise_addr
    space = _namespace(asking)
    yield Way("host", f"http://{entry}:8081/")
    yield Way("entry is task node", f"http://{entry}:8080/")
    yield Way("entry is another", f"http://{other}:8080/")
    yield Way("overlay", f"http://{_address(manager, 'open', 'street')}/", space)
    yield Way("encrypted", f"http://{_address(manager, 'secret', 'vault')}/", space)


def _address(manager: SshHost, service: str, network: str) -> str:
    tasks = manager.engine().tasks(filters={"service": f"traffic_{service}", "desired-state": "running"})
    return address_of(tasks, f"traffic_{network}")


def address_of(tasks: Sequence[Mapping[str, Any]], network: str) -> str:
    """The address of the only running task on a network, as ``GET /tasks`` tells it. Raises ``NodeError``. Pure."""
    addresses = [
        str(ipaddress.ip_interface(attached["Addresses"][0]).ip)
        for task in tasks
        if task["Status"]["State"] == "running"
        for attached in task["NetworksAttachments"]
        if attached["Network"]["Spec"]["Name"] == network
    ]
    if len(addresses) != 1:
        raise NodeError(f"{len(addresses)} running tasks have an address on {network}, wanted one")
    return addresses[0]


def _namespace(host: SshHost) -> str:
    """The network namespace of the task from which overlays are asked."""
    engine = host.engine()
    found = engine.containers(filters={"label": "com.docker.swarm.service.name=traffic_asker"})
    return str(engine.inspect_container(found[0]["Id"])["NetworkSettings"]["SandboxKey"])


def fetch(host: SshHost, way: Way, path: str, times: int) -> list[Transfer]:
    """Ask ``times`` times, one after the other, each over a new connection. Raises ``NodeError`` where one fails."""
    result = host.run(command(way, path, times), timeout=_PATIENCE)
    transfers = [transfer(line) for line in result.stdout.splitlines()]
    good = [one for one in transfers if one.code == _OK and (one.size == PAYLOAD_SIZE or not path)]
    if result.exit_code or len(good) != times:
        raise NodeError(
            f"{len(good)} of {times} requests to {way.url}{path} were answered",
            node=host.name,
            details=result.stderr.splitlines()[-5:],
            hint="run it again",
        )
    return good


def command(way: Way, path: str, times: int) -> list[str]:
    """The command line on the node: one curl for all requests, so that its start does not count. Pure."""
    inside = ["nsenter", f"--net={way.namespace}"] if way.namespace else []
    # curl expands [1-N]; nothing looks at the query. Each answer ends its connection.
    url = f"{way.url}{path}?[1-{times}]"
    return [*inside, "curl", "--silent", "--max-time", "30", "--output", "/dev/null", "--write-out", _WRITE, url]


def transfer(line: str) -> Transfer:
    """One line of curl. Pure."""
    code, size, seconds = line.split()
    return Transfer(int(code), int(size), float(seconds))


def throughput(transfers: Sequence[Transfer]) -> float:
    """Megabytes (10⁶ bytes) per second, connecting included. Pure."""
    return sum(one.size for one in transfers) / sum(one.seconds for one in transfers) / 1e6


def latency(transfers: Sequence[Transfer]) -> float:
    """Milliseconds of the median request, from connecting to the last byte. Pure."""
    return statistics.median(one.seconds for one in transfers) * 1000
