"""From an address to an authenticated SSH connection, and what each way to fail means for a person."""

from __future__ import annotations

import getpass
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey
from paramiko.pkey import UnknownKeyType

from orchestrator.errors import NodeError
from orchestrator.transport.handshakes import handshake
from orchestrator.transport.wire import Wire, silence_paramiko

if TYPE_CHECKING:
    from orchestrator.model.inventory import SshAddress

KEEPALIVE_SECONDS = 15
USER_TIMEOUT_MS = 20_000
"""How long sent data may stay unacknowledged before the kernel gives the connection up (tcp(7))."""


def log_in(
    address: SshAddress, *, name: str, timeout: float, over: paramiko.Channel | None = None
) -> paramiko.SSHClient:
    """Connect, check the host key, authenticate. ``timeout`` (seconds) bounds each of the three.

    ``over`` is a channel at whose other end an sshd of the same host speaks already, in place of a connection.
    Raises ``NodeError`` that says which of them failed, and why.
    """
    silence_paramiko()
    key = _private_key(address, name)
    client = paramiko.SSHClient()
    known_hosts = _load_host_keys(client, address, name)
    client.set_missing_host_key_policy(_Unknown(address, name, known_hosts))
    # A login over a channel is one more on the sshd that serves it, which has let us in already.
    turn = nullcontext() if over else handshake(address.host, address.port)
    with turn, _explained(address, name, known_hosts, timeout):
        sock = over or _dial(address, name, timeout)
        try:
            _handshake(client, address, sock, key, timeout)
        except BaseException:
            client.close()
            sock.close()
            raise
    return client


def _handshake(
    client: paramiko.SSHClient,
    address: SshAddress,
    sock: socket.socket | paramiko.Channel,
    key: paramiko.PKey | None,
    timeout: float,
) -> None:
    # With an alias the name in known_hosts is the alias alone, as OpenSSH's HostKeyAlias has it.
    alias = address.host_key_alias
    client.connect(
        alias or address.host,
        port=22 if alias else address.port,
        username=address.user,
        pkey=key,
        allow_agent=key is None,
        look_for_keys=key is None,
        sock=sock,
        timeout=2 * timeout,  # the whole negotiation, so that silence before the banner is told as such
        banner_timeout=timeout,
        auth_timeout=timeout,
        transport_factory=_wire_for(client, _entry(address)),
    )


def _wire_for(client: paramiko.SSHClient, entry: str) -> Callable[..., Wire]:
    """A factory of wires that ask for the kinds of host key first that we know of this host.

    paramiko puts only the first known kind in front: a host with a further key would seem to have changed.
    """

    def make(sock: socket.socket, *, disabled_algorithms: Mapping[str, Iterable[str]] | None = None) -> Wire:
        wire = Wire(sock, disabled_algorithms=disabled_algorithms)
        known = client.get_host_keys().lookup(entry)
        kinds = set(known.keys()) if known else set()
        if "ssh-rsa" in kinds:
            kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
        security = wire.get_security_options()
        security.key_types = sorted(security.key_types, key=lambda kind: kind not in kinds)
        return wire

    return make


def _entry(address: SshAddress) -> str:
    """The name under which the host's key stands in a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    if address.host_key_alias:
        return address.host_key_alias
    return address.host if address.port == 22 else f"[{address.host}]:{address.port}"


def _dial(address: SshAddress, name: str, timeout: float) -> socket.socket:
    where = f"{address.host} port {address.port}"
    try:
        sock = socket.create_connection((address.host, address.port), timeout)
    except socket.gaierror as error:
        raise NodeError(
            f"the name {address.host} cannot be resolved: {error.strerror}",
            node=name,
            kind="unreachable",
            hint="check the node's ssh host in the inventory, and this machine's DNS",
        ) from error
    except TimeoutError as error:
        raise NodeError(
            f"no answer from {where} within {timeout:.0f} s",
            node=name,
            kind="timeout",
            hint="check that the machine runs, and that no firewall drops SSH on the way",
        ) from error
    except ConnectionRefusedError as error:
        raise NodeError(
            f"{where} refused the connection",
            node=name,
            kind="refused",
            hint="check that sshd runs there and listens on this port",
        ) from error
    except OSError as error:
        raise NodeError(
            f"{where} cannot be reached: {error.strerror or error}",
            node=name,
            kind="unreachable",
            hint="check the address and the routes to it",
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    return sock


def _private_key(address: SshAddress, name: str) -> paramiko.PKey | None:
    """The key that the address names; ``None`` means the agent and the user's default keys."""
    if address.key is None:
        return None
    try:
        return paramiko.PKey.from_path(address.key)
    except OSError as error:
        raise _key_error(address.key, name, error.strerror or str(error), "name a readable key file") from error
    except (paramiko.PasswordRequiredException, TypeError) as error:
        # TypeError is what the cryptography library raises for a key that needs a passphrase.
        advice = "load it into ssh-agent and leave `key` out of the inventory, or use a key without a passphrase"
        raise _key_error(address.key, name, "it is encrypted with a passphrase", advice) from error
    except (paramiko.SSHException, UnknownKeyType, ValueError) as error:
        advice = "name the private key file (not the .pub file), of kind ed25519, ecdsa or rsa"
        raise _key_error(address.key, name, "it is not a private key that can be read", advice) from error


def _key_error(key: Path, name: str, why: str, hint: str) -> NodeError:
    return NodeError(f"the SSH key {key} cannot be used: {why}", node=name, kind="auth", hint=hint)


def _load_host_keys(client: paramiko.SSHClient, address: SshAddress, name: str) -> Path:
    """Read the known_hosts file that holds for this address; returns its path for messages."""
    path = address.known_hosts or Path.home() / ".ssh" / "known_hosts"
    try:
        found = _known_keys(path, _entry(address))
    except FileNotFoundError as error:
        if address.known_hosts is None:
            return path  # a user who never used ssh: the host is unknown, which is the message that helps
        raise NodeError(
            f"the known_hosts file {path} does not exist",
            node=name,
            kind="host-key",
            hint=_how_to_learn(address, path),
        ) from error
    except (OSError, UnicodeDecodeError, InvalidHostKey, paramiko.SSHException) as error:
        raise NodeError(
            f"the known_hosts file {path} cannot be read: {error}",
            node=name,
            kind="host-key",
            hint="check the file and its permissions",
        ) from error
    for key in found:
        client.get_host_keys().add(_entry(address), key.get_name(), key)
    return path


def _known_keys(path: Path, entry: str) -> Iterable[paramiko.PKey]:
    """The keys that a known_hosts file has for one host, the first of each kind.

    paramiko would read the whole file for every connection, in a time that grows with the square of its lines.
    Raises ``OSError``, or paramiko's errors for a line of this host that holds no key.
    """
    stamp = path.stat()
    plain, hashed = _known_lines(path, stamp.st_mtime_ns, stamp.st_size)
    lines = [
        *plain.get(entry, ()),
        *(line for name, line in hashed if paramiko.HostKeys.hash_host(entry, name) == name),
    ]
    entries = (HostKeyEntry.from_line(line) for line in lines)
    keys = [found.key for found in entries if found is not None]
    return {key.get_name(): key for key in reversed(keys)}.values()


@lru_cache(maxsize=8)
def _known_lines(path: Path, mtime: int, size: int) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:  # noqa: ARG001
    """The lines of a file by the names in them, and those whose name is hashed; anew when the file has changed."""
    plain: dict[str, list[str]] = {}
    hashed = []
    for line in (line.strip() for line in path.read_text().splitlines()):
        names = [] if line.startswith("#") else line.partition("\t")[0].partition(" ")[0].split(",")
        for name in names:
            if name.startswith("|1|"):
                hashed.append((name, line))
            elif name:
                plain.setdefault(name, []).append(line)
    return plain, hashed


def _how_to_learn(address: SshAddress, known_hosts: Path) -> str:
    scan = f"ssh-keyscan -p {address.port} {address.host}"
    if address.host_key_alias:
        return f"compare the fingerprint on the node itself, then put its key into {known_hosts} as {_entry(address)}"
    return f"compare the fingerprint on the node itself, then add the key: {scan} >> {known_hosts}"


class _Unknown(paramiko.MissingHostKeyPolicy):
    """Refuses a host whose key is in no file. A key is never learned silently."""

    def __init__(self, address: SshAddress, name: str, known_hosts: Path) -> None:
        self._address = address
        self._name = name
        self._known_hosts = known_hosts

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        raise NodeError(
            f"the host key of {hostname} is not known: it shows {key.get_name()} {key.fingerprint}, "
            f"and {self._known_hosts} has no entry for it",
            node=self._name,
            kind="host-key",
            hint=_how_to_learn(self._address, self._known_hosts),
        )


@contextmanager
def _explained(address: SshAddress, name: str, known_hosts: Path, timeout: float) -> Iterator[None]:
    """Turn what paramiko raises into what a person can act on."""
    where = f"{address.host} port {address.port}"
    started = time.monotonic()
    try:
        yield
    except NodeError:
        raise
    except paramiko.BadHostKeyException as error:
        raise _changed(address, name, known_hosts, error) from error
    except paramiko.AuthenticationException as error:
        raise _rejected(address, name, error) from error
    except RuntimeError as error:
        # What Python raises where pthread_create(3) fails; paramiko runs a thread for each connection.
        raise NodeError(
            f"no thread could be started for the connection to {where}: {error}",
            node=name,
            hint=f"{threading.active_count()} threads run: see `ulimit -u`, and the limit of processes of a container",
        ) from error
    except (paramiko.SSHException, OSError, EOFError) as error:
        timed_out = time.monotonic() - started >= timeout  # paramiko's errors do not tell
        raise NodeError(
            f"{where} does not answer as an SSH server: {str(error).strip() or type(error).__name__}",
            node=name,
            kind="timeout" if timed_out else "unreachable",
            hint=f"check that sshd listens on this port and answers within {timeout:.0f} s; "
            "sshd also hangs up on too many logins at once (MaxStartups, PerSourcePenalties)",
        ) from error


def _changed(address: SshAddress, name: str, known_hosts: Path, error: paramiko.BadHostKeyException) -> NodeError:
    entry = _entry(address)
    return NodeError(
        f"the host key of {entry} has changed: it shows {error.key.get_name()} {error.key.fingerprint}, "
        f"{known_hosts} has {error.expected_key.get_name()} {error.expected_key.fingerprint}",
        node=name,
        kind="host-key",
        hint="somebody may listen in; if the machine was set up anew, forget the old key: "
        f"ssh-keygen -R '{entry}' -f {known_hosts}",
    )


def _rejected(address: SshAddress, name: str, error: paramiko.AuthenticationException) -> NodeError:
    offered = f"the key {address.key}" if address.key else "the keys of ssh-agent and of ~/.ssh"
    user = address.user or getpass.getuser()
    detail = str(error).strip().rstrip(".")
    return NodeError(
        f"{address.host} port {address.port} does not let user {user} in with {offered}: {detail}",
        node=name,
        kind="auth",
        hint=f"put the public key into ~{user}/.ssh/authorized_keys on the node, or correct user and key",
    )
