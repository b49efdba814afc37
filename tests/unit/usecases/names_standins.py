"""Docker's name server in the namespace of a container, made of what the swarm in memory holds."""

import io
import struct

import dns.message
import dns.rcode
import dns.rrset

from orchestrator.transport.asking import NAME_SERVER
from orchestrator.transport.base import ChannelFailed
from orchestrator.transport.fakeswarm import FakeSwarm
from orchestrator.transport.scripted import ScriptedHost


class NameServer(ScriptedHost):
    """A node seen from one of its containers; ``unheard`` are pairs of a node and a name that it does not know."""

    def __init__(self, name: str, swarm: FakeSwarm, unheard: set[tuple[str, str]]) -> None:
        super().__init__(name, swarm=swarm)
        self._fake = swarm
        self._unheard = unheard

    def open_tcp(self, address: str, port: int, *, timeout: float) -> "Conversation":
        if self.closed or (address, port) != NAME_SERVER:
            raise ChannelFailed("dead" if self.closed else "refused", "this is a test")
        return Conversation(self)

    def addresses(self, name: str) -> list[str]:
        """What the name means: the virtual address of a service, or those of its tasks."""
        if (self.name, name) in self._unheard:
            return []
        key = name.removeprefix("tasks.")
        for service in self._fake.services.values():
            networks = service["Spec"]["TaskTemplate"].get("Networks", [])
            if any(key in (service["Spec"]["Name"], *network.get("Aliases", [])) for network in networks):
                found = self._tasks(service) if key != name else service["Endpoint"]["VirtualIPs"]
                return [one["Addr"].partition("/")[0] for one in found]
        return []

    def _tasks(self, service: dict) -> list[dict]:
        return [
            {"Addr": task["NetworksAttachments"][0]["Addresses"][0]}
            for task in self._fake.tasks.values()
            if task["ServiceID"] == service["ID"] and task["DesiredState"] == "running"
        ]


class Conversation:
    """A TCP connection to the name server: each message has its length before it."""

    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._answer = io.BytesIO()

    def sendall(self, data: bytes, /) -> None:
        query = dns.message.from_wire(data[2:])
        name = query.question[0].name
        response = dns.message.make_response(query)
        found = self._server.addresses(name.to_text(omit_final_dot=True))
        if found:
            response.answer.append(dns.rrset.from_text(name, 600, "IN", "A", *found))
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
        wire = response.to_wire()
        self._answer = io.BytesIO(struct.pack("!H", len(wire)) + wire)

    def recv(self, size: int, /) -> bytes:
        return self._answer.read(size)

    def settimeout(self, seconds: float | None, /) -> None:
        """Time does not pass here."""

    def close(self) -> None:
        """Nothing to close."""
