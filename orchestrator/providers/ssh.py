"""Hosts that already exist, reached over SSH. They are connected to and examined, never made or unmade."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from orchestrator.errors import HostKeyChanged, NodeError
from orchestrator.model.inventory import Inventory, NodeConfig, SshAddress
from orchestrator.model.observed import Problem
from orchestrator.model.preflight import Judgment
from orchestrator.planning.preflight import judge_preflight
from orchestrator.providers import preflight
from orchestrator.providers.base import Machine, OperatorRoute
from orchestrator.runtime.context import Context
from orchestrator.runtime.fanout import fan_out
from orchestrator.runtime.limits import room_for
from orchestrator.transport.base import Host, problem_of
from orchestrator.transport.gateway import Gateway
from orchestrator.transport.route import Route

if TYPE_CHECKING:
    from paramiko import PKey

CONNECT_TIMEOUT = 10.0
"""Seconds for each of the steps of a connection: look-up of the name, TCP connection, key exchange, login."""


class Connect(Protocol):
    """Open an SSH connection; raises ``NodeError``."""

    def __call__(self, context: Context, address: SshAddress, *, name: str, timeout: float) -> Host:
        """``name`` is the node's, ``timeout`` in seconds; ``context`` can ask the person for secrets."""


def ipv4_address(host: str) -> str:
    """The IPv4 address of a name (or of an IPv4 address, itself); raises ``OSError`` where there is none."""
    return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])


class SshProvider:
    """Provider of hosts that exist; see :class:`orchestrator.providers.base.Provider`.

    ``subnets`` are the overlay subnets (CIDR) of the labs that shall run, checked against the hosts' networks.
    ``connect`` and ``resolve`` (name → IPv4 address, or ``OSError``) are parameters for tests.
    """

    def __init__(
        self,
        inventory: Inventory,
        *,
        subnets: Sequence[str] = (),
        connect: Connect | None = None,
        resolve: Callable[[str], str] = ipv4_address,
    ) -> None:
        self._gateway = Gateway()
        self._inventory = inventory
        self._subnets = tuple(subnets)
        self._connect = connect or self._gateway.connect
        self._resolve = resolve
        self._connections: dict[str, Host] = {}
        self._locks = {node.name: Lock() for node in inventory.nodes}

    def ensure(self, context: Context) -> Sequence[str]:
        """Connect to all hosts at once and examine them; changes nothing and starts nothing.

        Raises one ``NodeError`` with every failure of every host, and ``EnvironmentProblem`` where this process may not
        have so many connections; warnings are told to ``context``.
        """

        def attempt(node: NodeConfig) -> Host | Problem:
            try:
                return self.connect(context, node)
            except HostKeyChanged:
                raise
            except NodeError as error:
                return problem_of(error)

        room_for(len(self._inventory.nodes))
        with context.closing(self.close):
            hosts = {result.item.name: result.get() for result in fan_out(self._inventory.nodes, attempt)}
            context.check()
            judgment = judge_preflight(self._inventory, preflight.gather(self._inventory, hosts), self._subnets)
            context.check()
        self._tell(context, judgment)
        return ()

    def machines(self) -> Sequence[Machine]:
        """Every host is ``foreign``: it exists and is not ours. Nothing is asked of it here."""
        return [Machine(node.name, "foreign", _where(self.route(node))) for node in self._inventory.nodes]

    def address(self, node: NodeConfig) -> SshAddress:
        """How the node's sshd is reached: as the inventory says."""
        if node.ssh is None:
            raise NodeError(
                f"{node.name} has no ssh address", node=node.name, hint="give nodes of provider ssh a key `ssh.host`"
            )
        return node.ssh

    def route(self, node: NodeConfig) -> Route:
        """The way to the node's sshd, with what OpenSSH's configuration says. Raises ``ConfigError``, ``NodeError``."""
        return self._gateway.route(self.address(node), node.name)

    def routes(self) -> Mapping[str, Route]:
        """The way to every node, all looked up at once."""
        found = fan_out(self._inventory.nodes, self.route)
        return {result.item.name: result.get() for result in found}

    def shown_key(self, context: Context, route: Route, node: str) -> PKey:
        """The host key that the last sshd of a way shows."""
        return self._gateway.shown_key(context, route, name=node, timeout=CONNECT_TIMEOUT)

    def connect(self, context: Context, node: NodeConfig) -> Host:
        """The connection that stands, or a new one where there is none or it died. Raises ``NodeError``."""
        context.check()
        with self._locks[node.name]:
            standing = self._connections.get(node.name)
            if standing is not None:
                if standing.alive:
                    return standing
                standing.close()
            connection = self._connect(context, self.address(node), name=node.name, timeout=CONNECT_TIMEOUT)
            self._connections[node.name] = connection
            return connection

    def operator_route(self, node: NodeConfig, port: int) -> OperatorRoute:
        """The published port at the address that SSH goes to, by IPv4: the routing mesh speaks nothing else.

        There is no such way where SSH goes to this machine itself: somebody forwards that one port to the host.
        """
        route = self.route(node)
        if route.via or route.target.proxy_command:
            through = route.via or "a ProxyCommand"
            return OperatorRoute(absent=f"SSH reaches {node.name} through {through}, which forwards nothing else")
        host = route.target.host
        try:
            address = self._resolve(host)
        except OSError as error:
            return OperatorRoute(absent=f"{host} has no IPv4 address here: {error.strerror or error}")
        if ip_address(address).is_loopback:
            return OperatorRoute(absent=f"SSH reaches {node.name} through a port of this machine ({_where(route)})")
        return OperatorRoute(address=address, port=port)

    def destroy(self, context: Context) -> Sequence[str]:  # noqa: ARG002 (a provider's signature)
        """Close the connections; hosts that exist are left as they are."""
        self.close()
        return ()

    def close(self) -> None:
        """Close all connections; may be called twice and from another thread."""
        for connection in list(self._connections.values()):
            connection.close()

    def _tell(self, context: Context, judgment: Judgment) -> None:
        """Warnings become notices, failures one error."""
        for warning in judgment.warnings:
            context.notice(str(warning), level="warning", node=warning.node)
        if not judgment.failures:
            return
        failed = len({failure.node for failure in judgment.failures})
        total = len(self._inventory.nodes)
        raise NodeError(
            f"{failed} of {total} hosts failed the preflight; nothing was changed",
            hint="mend what is named above and run the command again",
            details=[str(failure) for failure in judgment.failures],
        )


def _where(route: Route) -> str:
    target = route.target
    host = f"[{target.host}]" if ":" in target.host else target.host
    via = f" via {route.via}" if route.via else ""
    return f"{target.user}@{host}:{target.port}{via}"
