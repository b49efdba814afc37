"""What `lab verify` checks against the same asked by hand: `curl` and `docker exec` over SSH, one after the other."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.loops import REQUESTS, connected
from benchmarks.workspace import Bench
from orchestrator.errors import NodeError
from orchestrator.providers import make_provider
from orchestrator.runtime.paths import state_dir
from orchestrator.transport.ssh import SshHost

SERVICE = "ingress-mesh_web"
PORT = 8080
ADDRESS = '{{(index .NetworkSettings.Networks "ingress-mesh_mesh").IPAddress}}'

Clients = Mapping[str, SshHost]


def measure(bench: Bench) -> None:
    """Take the samples on the lab that runs, the sides in turn, after a round of `lab verify` that does not count."""
    provider = make_provider(bench.inventory, state_dir(bench.inventory.name))
    addresses = {node.name: provider.address(node) for node in bench.inventory.nodes}
    entries = [node.advertise_addr for node in bench.inventory.nodes if node.advertise_addr]
    bench.lab("verify")
    with connected(bench, addresses) as clients:
        for _ in range(bench.runs):
            with bench.timed("by hand"):
                _ask_all(clients, entries)
            with bench.timed("all checks"):
                bench.lab("verify")


def _ask_all(clients: Clients, entries: Sequence[str]) -> None:
    """Three checks: the mesh, names from inside the network, and tasks that reach each other."""
    for client in clients.values():
        for address in ("127.0.0.1", *entries):
            for _ in range(REQUESTS):
                _run(client, f"curl -s --max-time 5 http://{address}:{PORT}/")
    tasks = [(client, container, address) for client in clients.values() for container, address in _tasks(client)]
    for client, container, own in tasks:
        _run(client, f"docker exec {container} nslookup -type=a web")
        for _, _, other in tasks:
            if other != own:
                _run(client, f"docker exec {container} wget -q -T 5 -O - http://{other}/")


def _tasks(client: SshHost) -> Iterator[tuple[str, str]]:
    """Containers of the service on one node, each with its address on the overlay."""
    listed = _run(client, f"docker ps -q --filter label=com.docker.swarm.service.name={SERVICE}")
    for container in listed.split():
        yield container, _run(client, f"docker inspect -f {shlex.quote(ADDRESS)} {container}").strip()


def _run(client: SshHost, line: str) -> str:
    """What a command on a node prints. Raises ``NodeError`` where it fails: such a time would say nothing."""
    channel = client.wire.open_session(timeout=60)
    channel.settimeout(60)
    channel.exec_command(line)
    text = channel.makefile("rb").read().decode()
    if channel.recv_exit_status():
        said = channel.makefile_stderr("rb").read().decode().strip()
        raise NodeError(f"`{line}` failed: {said}", hint="run the benchmark again")
    return text
