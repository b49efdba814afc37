"""SSH hosts that are not there: servers on loopback with a canned swarm behind them.

Each host has an address of its own (127.x.y.z) and offers what `lab` uses of a real one: a session that runs a
command, TCP connections to published ports of the mesh, and the engine's socket. Behind all of them is one swarm in
memory, whose mesh answers in turn, as IPVS does. Run as a program (:func:`main`) it serves until its standard input
ends.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncssh

from orchestrator.model.labels import CLUSTER, LAB
from orchestrator.runtime.limits import room_for
from orchestrator.transport.fakeobjects import Call, Raw
from orchestrator.transport.fakeswarm import FakeSwarm

NAME = "simulated"
"""The cluster's name."""

SERVICE = "mesh_web"
PORT = 8080
IMAGE = "example/web:1"


@dataclass(frozen=True)
class Wish:
    """So many hosts, and a service of so many tasks on them.

    ``key`` is the private key of every host, in the format of OpenSSH; ``authorized`` the public key that may log in.
    """

    hosts: int
    tasks: int
    key: str
    authorized: str


def name_of(number: int) -> str:
    """The node's name: ``n0001`` is the first."""
    return f"n{number + 1:04d}"


def loopback_of(number: int) -> str:
    """Where the host's sshd listens."""
    return f"127.77.{number // 250}.{number % 250 + 1}"


def address_of(number: int) -> str:
    """The node's address within the cluster; nothing is ever sent there."""
    return f"10.77.{number // 250}.{number % 250 + 1}"


def ingress_of(number: int) -> str:
    """The node's address on the ingress network."""
    return f"10.0.{number // 250}.{number % 250 + 1}"


class Swarm(FakeSwarm):
    """A swarm of so many nodes and one service, as it is after `lab up`; the first node is the manager."""

    def __init__(self, hosts: int, tasks: int) -> None:
        super().__init__(*(name_of(number) for number in range(hosts)), images={IMAGE: "sha256:web"})
        self.numbers = {name: number for number, name in enumerate(self.engines)}
        for name, engine in self.engines.items():
            engine.address = address_of(self.numbers[name])
        labels = {CLUSTER: NAME}
        manager, *workers = self.engines
        self._do(manager, "/swarm/init", {"Spec": {"Labels": labels}})
        for worker in workers:
            self._do(worker, "/swarm/join", {"JoinToken": self.swarm["JoinTokens"]["Worker"]})
        self._do(manager, "/services/create", _service(tasks, labels | {LAB: "mesh"}))
        self.by_node: dict[str, list[Raw]] = {}
        for task in self.tasks.values():
            self.by_node.setdefault(task["NodeID"], []).append(task)
        self.dealt = [self._answer_of(task) for task in self.tasks.values()]

    def _do(self, engine: str, path: str, body: Raw) -> None:
        status, answer = self.handle(engine, "POST", path, {}, json.dumps(body).encode())
        assert status == 200, answer  # noqa: S101 (the stand-in itself)

    def _answer_of(self, task: Raw) -> Raw:
        node = self.nodes[task["NodeID"]]["Description"]["Hostname"]
        return {"node": node, "service": SERVICE, "task": task["ID"], "slot": str(task["Slot"])}

    def _containers(self, call: Call) -> list[Raw]:
        """As the fake swarm has it, without looking at all tasks for each node."""
        return [
            {
                "Id": f"container-{task['ID']}",
                "Names": [f"/task.{task['ID']}"],
                "Labels": {"com.docker.swarm.task.id": task["ID"]},
                "State": "running",
            }
            for task in self.by_node.get(call.engine.node_id, ())
        ]

    def _inspect(self, call: Call, kind: str, identity: str) -> Raw:
        if kind == "networks" and identity == "ingress":
            address = ingress_of(self.numbers[call.engine.name])
            return self.networks["ingress"] | {"Containers": {"ingress-sbox": {"IPv4Address": f"{address}/16"}}}
        return super()._inspect(call, kind, identity)


def _service(tasks: int, labels: Raw) -> Raw:
    return {
        "Name": SERVICE,
        "Labels": labels,
        "Mode": {"Replicated": {"Replicas": tasks}},
        "TaskTemplate": {"ContainerSpec": {"Image": IMAGE}},
        "EndpointSpec": {"Ports": [{"PublishedPort": PORT, "TargetPort": 80, "Protocol": "tcp"}]},
    }


class Hosts:
    """All hosts, each with a listener of its own."""

    def __init__(self, wish: Wish) -> None:
        self.swarm = Swarm(wish.hosts, wish.tasks)
        self.entries = {address_of(number): number for number in range(wish.hosts)}
        self.turns = [itertools.count() for _ in range(wish.hosts)]
        self._key = asyncssh.import_private_key(wish.key)
        self._authorized = asyncssh.import_authorized_keys(wish.authorized)

    async def listen(self) -> dict[str, int]:
        """Start every listener; the ports by name."""
        ports = {}
        for number in self.entries.values():
            listener = await asyncssh.listen(
                loopback_of(number),
                0,
                server_factory=lambda number=number: _Host(self, number),
                server_host_keys=[self._key],
                authorized_client_keys=self._authorized,
                process_factory=_run,
                backlog=128,
                server_version="Standin",
                compression_algs=None,
                gss_host=None,
            )
            ports[name_of(number)] = listener.get_port()
        return ports


class _Host(asyncssh.SSHServer):
    """One connection to one host."""

    def __init__(self, hosts: Hosts, number: int) -> None:
        self._hosts = hosts
        self._number = number

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:  # noqa: ANN401, ARG002
        """A TCP connection from the node: to a published port of the mesh, or refused."""
        entry = self._number if dest_host == "127.0.0.1" else self._hosts.entries.get(dest_host)
        if entry is None or dest_port != PORT or not self._hosts.swarm.dealt:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Connection refused")
        return lambda reader, writer: self._web(entry, reader, writer)

    async def _web(self, entry: int, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        await reader.readuntil(b"\r\n\r\n")
        dealt = self._hosts.swarm.dealt
        answer = dealt[next(self._hosts.turns[entry]) % len(dealt)] | {"client": ingress_of(entry)}
        writer.write(_http(200, json.dumps(answer).encode(), keep=False))
        writer.close()

    def unix_connection_requested(self, dest_path: str) -> Any:  # noqa: ANN401
        """The engine's socket."""
        if dest_path != "/var/run/docker.sock":
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "No such file or directory")
        return self._engine

    async def _engine(self, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        """The Engine API, one request after the other."""
        name = name_of(self._number)
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                break
            method, target, _ = head.split(" ", 2)
            size = re.search(r"(?im)^content-length: *(\d+)", head)
            body = await reader.readexactly(int(size[1])) if size else b""
            url = urlsplit(target)
            path = re.sub(r"^/v[\d.]+(?=/)", "", unquote(url.path))
            status, answer = self._hosts.swarm.handle(name, method, path, dict(parse_qsl(url.query)), body)
            writer.write(_http(status, json.dumps(answer).encode(), keep=True))
        writer.close()


def _http(status: int, body: bytes, *, keep: bool) -> bytes:
    connection = "keep-alive" if keep else "close"
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nConnection: {connection}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _run(process: asyncssh.SSHServerProcess[str]) -> None:
    """A command: it prints itself."""
    process.stdout.write(f"{process.command}\n")
    process.exit(0)


async def serve(wish: Wish) -> None:
    """Serve until standard input ends; first the ports are written to standard output, as one line of JSON."""
    room_for(2 * wish.hosts)
    hosts = Hosts(wish)
    sys.stdout.write(json.dumps(await hosts.listen()) + "\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main(words: Sequence[str]) -> None:
    """``words[0]`` is a :class:`Wish` as JSON."""
    asyncio.run(serve(Wish(**json.loads(words[0]))))


if __name__ == "__main__":
    main(sys.argv[1:])
