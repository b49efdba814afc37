"""The way to a node: every sshd on it, with all that is needed to log in there. Values only; nothing is asked here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.model.inventory import DOCKER_SOCKET, SshAddress

DEFAULT_KEYS = ("id_rsa", "id_ecdsa", "id_ed25519")
"""What ssh tries in ~/.ssh where nothing else is said (ssh_config(5), IdentityFile), of the kinds that we can read."""

SSH_PORT = 22


@dataclass(frozen=True)
class Hop:
    """One sshd and how we log in to it.

    ``label`` is the host as the person wrote it. ``key`` is a key that was named for this node and must exist;
    ``identities`` are tried where they exist. With ``only_identities`` the agent's other keys are not offered.
    ``agent`` is the agent's socket ("" for none). ``known_hosts`` are the files in which the host's key may stand, the
    first one is where it is recorded; ``host_key_alias`` is its name there. ``proxy_command`` is a command whose input
    and output are the connection.
    """

    label: str
    host: str
    port: int
    user: str
    key: Path | None = None
    certificates: tuple[Path, ...] = ()
    identities: tuple[Path, ...] = ()
    only_identities: bool = False
    agent: str = ""
    known_hosts: tuple[Path, ...] = ()
    host_key_alias: str | None = None
    hash_known_hosts: bool = False
    proxy_command: str = ""

    @property
    def place(self) -> str:
        """Host and port for a sentence."""
        return f"{self.host} port {self.port}"

    @property
    def entry(self) -> str:
        """The name under which the host's key stands in a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        if self.host_key_alias:
            return self.host_key_alias
        return self.host if self.port == SSH_PORT else f"[{self.host}]:{self.port}"


@dataclass(frozen=True)
class Route:
    """All hops to a node, the nearest first; the last one is the node itself."""

    hops: tuple[Hop, ...]
    docker_socket: str = DOCKER_SOCKET
    config: str = ""

    @property
    def target(self) -> Hop:
        """The node's own sshd."""
        return self.hops[-1]

    @property
    def before(self) -> Route | None:
        """The way to the last jump host; ``None`` where there is none."""
        return replace(self, hops=self.hops[:-1], docker_socket=DOCKER_SOCKET) if len(self.hops) > 1 else None

    @property
    def via(self) -> str:
        """The jump hosts for a sentence; "" where there are none."""
        return ", ".join(hop.label for hop in self.hops[:-1])


def plain(address: SshAddress, agent: str = "") -> Route:
    """The way to an address of which everything is said: OpenSSH's configuration plays no part.

    Raises ``UsageError`` for one with jump hosts, which takes that configuration to resolve.
    """
    if address.jump:
        raise UsageError("jump hosts are resolved by ssh -G", hint="see orchestrator.transport.openssh")
    folder = Path.home() / ".ssh"
    hop = Hop(
        label=address.host,
        host=address.host,
        port=address.port or SSH_PORT,
        user=address.user or "root",
        key=address.key,
        certificates=(address.certificate,) if address.certificate else (),
        identities=() if address.key else tuple(folder / name for name in DEFAULT_KEYS),
        only_identities=address.key is not None,
        agent=agent,
        known_hosts=(address.known_hosts or folder / "known_hosts",),
        host_key_alias=address.host_key_alias,
    )
    return Route((hop,), address.docker_socket, address.config)
