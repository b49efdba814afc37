"""The probes of `lab verify` against a bare loop, both over the same SSH connections."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import paramiko

from benchmarks.workspace import Bench
from orchestrator.errors import NodeError
from orchestrator.model.inventory import SshAddress
from orchestrator.model.probe import Outcome, Probe, Target
from orchestrator.observe import observe
from orchestrator.planning.probes import plan_probes
from orchestrator.providers import make_provider
from orchestrator.runtime.paths import state_dir
from orchestrator.transport.probing import run_probes
from orchestrator.transport.ssh import SshHost, connect

REQUESTS = 20
THREADS = 16
"""Requests at once on each connection, the same for both sides."""

Clients = Mapping[str, SshHost]


def measure(bench: Bench) -> None:
    """Take all samples on the lab that runs, the sides in turn, after one round of each that does not count."""
    with standing(bench) as mesh:
        targets = [(probe.vantage, probe.target) for probe in mesh.probes for _ in range(probe.count)]
        ask(bench, mesh)
        _bare(mesh.hosts, targets)
        for _ in range(bench.runs):
            with bench.timed("bare loop"):
                _bare(mesh.hosts, targets)
            with bench.timed("probes"):
                ask(bench, mesh)
            with bench.timed("verify command"):
                bench.lab("verify")


@dataclass(frozen=True)
class Mesh:
    """The lab that runs, with a connection to each node, and the probes of all its ways."""

    hosts: Clients
    probes: Sequence[Probe]


@contextmanager
def standing(bench: Bench) -> Iterator[Mesh]:
    """Connect to every node of the lab that runs, and plan its probes."""
    provider = make_provider(bench.inventory, state_dir(bench.inventory.name))
    addresses = {node.name: provider.address(node) for node in bench.inventory.nodes}
    with connected(bench, addresses) as clients:
        view = observe(bench.context, clients, ())
        plan = plan_probes(bench.inventory.name, bench.inventory.nodes, view, {}, requests=REQUESTS)
        yield Mesh(clients, plan.probes)


@contextmanager
def connected(bench: Bench, addresses: Mapping[str, SshAddress]) -> Iterator[Clients]:
    """One SSH connection per node, closed at the end or when the run is cancelled."""
    with ExitStack() as stack:
        clients = {}
        for name, address in addresses.items():
            client = connect(address, name=name, timeout=20.0)
            stack.callback(client.close)
            stack.enter_context(bench.context.closing(client.close))
            clients[name] = client
        yield clients


def ask(bench: Bench, mesh: Mesh) -> int:
    """As `lab verify` asks; how many requests. Raises ``NodeError`` where not all answer: such a time says nothing."""
    seen = run_probes(bench.context, mesh.probes, mesh.hosts, concurrency=THREADS)
    answered = sum(one.outcome is Outcome.ANSWERED for one in seen)
    if answered != sum(probe.count for probe in mesh.probes) or not answered:
        raise NodeError(f"only {answered} of {len(seen)} requests were answered", hint="run it again")
    return answered


def _bare(clients: Clients, targets: Sequence[tuple[str, Target]]) -> None:
    """The least that can be done: plain paramiko, open, send, read to the end, look at nothing."""
    todo = {name: deque(target for vantage, target in targets if vantage == name) for name in clients}
    with ThreadPoolExecutor(THREADS * len(clients)) as pool:
        futures = [pool.submit(_ask, clients[name], todo[name]) for name in clients for _ in range(THREADS)]
    for future in futures:
        future.result()


def _ask(client: SshHost, todo: deque[Target]) -> None:
    transport: paramiko.Transport = client.wire
    with suppress(IndexError):
        while True:
            target = todo.popleft()
            channel = transport.open_channel("direct-tcpip", (target.address, target.port), ("127.0.0.1", 0))
            channel.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while channel.recv(16384):
                pass
            channel.close()
