"""Which keys are offered to an sshd, in which order: those of ssh-agent, key files, and certificates for both."""

from __future__ import annotations

import base64
import copy
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    load_ssh_public_identity,
    load_ssh_public_key,
)
from paramiko.agent import AgentKey, AgentSSH
from paramiko.pkey import UnknownKeyType

from orchestrator.errors import NodeError
from orchestrator.transport.route import Hop
from orchestrator.transport.secrets import Secrets

AGENT_SECONDS = 60.0
"""How long an agent may take for a signature: it may ask a person (ssh-add -c)."""

_CERTIFICATE = "-cert-v01@openssh.com"
_OPENSSH_FORMAT = b"openssh-key-v1\0"


@dataclass(frozen=True)
class Offer:
    """A key to log in with. ``label`` names it for a message; ``certificate`` is its certificate, if one is shown."""

    label: str
    key: paramiko.PKey
    certificate: Path | None = None


@contextmanager
def agent_keys(path: str) -> Iterator[tuple[AgentKey, ...]]:
    """The keys of the agent at a socket, none where no agent answers; usable while the body runs."""
    if not path:
        yield ()
        return
    with closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.settimeout(AGENT_SECONDS)
        agent = AgentSSH()
        try:
            sock.connect(path)
            agent._connect(sock)  # type: ignore[attr-defined]  # noqa: SLF001 (paramiko takes only $SSH_AUTH_SOCK)
        except (OSError, paramiko.SSHException):
            yield ()
            return
        yield agent.get_keys()


def make_ready(hop: Hop, agent: Sequence[AgentKey], secrets: Secrets, node: str) -> None:
    """Read the key that was named for this node before anything is dialled: an sshd does not wait for a passphrase.

    Raises ``NodeError`` where it cannot be used.
    """
    if hop.key is not None and _public_of(hop.key) not in {key.blob for key in agent}:
        _load(hop.key, hop, secrets, node)


def offers(hop: Hop, agent: Sequence[AgentKey], secrets: Secrets, node: str) -> Iterator[Offer]:
    """The keys for a hop, best first. A passphrase is asked for only when everything else was refused.

    Raises ``NodeError`` for a key that was named for this node and cannot be used.
    """
    files = [hop.key] if hop.key else [path for path in hop.identities if path.is_file()]
    held = {_public(key.blob): key for key in agent if not key.get_name().endswith(_CERTIFICATE)}
    of_agent = [(path, key) for path in files if (key := held.get(_public_of(path)))]
    for path, key in of_agent:
        yield from _with_certificates(hop, path, key, f"the key {path} (from ssh-agent)")
    wanted = {_public_of(path) for path in files}
    for key in agent:
        public = _public(key.blob)
        plain_named = public in wanted and not key.get_name().endswith(_CERTIFICATE)
        if plain_named or (hop.only_identities and public not in wanted):
            continue
        yield Offer(f"the key {key.comment or key.get_name()} of ssh-agent", key)
        if not hop.only_identities:
            yield from _named_certificates(hop, key)
    rest = [path for path in files if path not in {path for path, _ in of_agent}]
    for path in sorted(rest, key=_is_encrypted):
        loaded = _load(path, hop, secrets, node)
        if loaded is not None:
            yield from _with_certificates(hop, path, loaded, f"the key {path}")


def expiry(certificate: Path, user: str) -> str:
    """Why a certificate does not let a user in, as far as it tells itself; "" where it seems fine."""
    try:
        found = load_ssh_public_identity(certificate.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm):
        return f"the certificate {certificate} cannot be read"
    if not isinstance(found, SSHCertificate):
        return f"{certificate} is no certificate"
    now = datetime.now(UTC).timestamp()
    if now >= found.valid_before:
        return f"the certificate {certificate} has expired on {_date(found.valid_before)}"
    if now < found.valid_after:
        return f"the certificate {certificate} is not valid before {_date(found.valid_after)}"
    principals = [name.decode("utf-8", "replace") for name in found.valid_principals]
    if principals and user not in principals:
        return f"the certificate {certificate} is for {', '.join(principals)}, not for {user}"
    return ""


def _date(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _with_certificates(hop: Hop, path: Path, key: paramiko.PKey, label: str) -> Iterator[Offer]:
    """A key with each certificate for it, then by itself."""
    beside = path.with_name(f"{path.name}-cert.pub")
    for certificate in dict.fromkeys((*hop.certificates, beside)):
        if (made := _certified(key, certificate)) is not None:
            yield Offer(f"{label} with the certificate {certificate}", made, certificate)
        elif certificate in hop.certificates and not certificate.is_file() and hop.key:
            raise NodeError(f"the certificate {certificate} does not exist", kind="auth", hint="sign the key anew")
    yield Offer(label, key)


def _named_certificates(hop: Hop, key: AgentKey) -> Iterator[Offer]:
    """Certificate files of the configuration that belong to a key of the agent which no file was named for."""
    for certificate in hop.certificates:
        if (made := _certified(key, certificate)) is not None:
            yield Offer(f"a key of ssh-agent with the certificate {certificate}", made, certificate)


def _certified(key: paramiko.PKey, certificate: Path) -> paramiko.PKey | None:
    """The key as it shows this certificate; ``None`` where that is another key's, or none at all."""
    own = key.blob if isinstance(key, AgentKey) else key.asbytes()
    if not certificate.is_file() or _public_of(certificate) != _public(own):
        return None
    # A copy: the same key may be in use by a thread that shows another certificate.
    made = AgentKey(key.agent, key.blob, key.comment) if isinstance(key, AgentKey) else copy.copy(key)
    try:
        made.load_certificate(str(certificate))
    except (ValueError, paramiko.SSHException):
        return None
    return made


def _public(blob: bytes) -> bytes:
    """The public key in a blob: that of the key itself, where the blob is a certificate's."""
    name = paramiko.Message(blob).get_text()
    if not name.endswith(_CERTIFICATE):
        return blob
    return _public_of_line(f"{name} {base64.b64encode(blob).decode()}".encode()) or blob


def _public_of(path: Path) -> bytes:
    """The public key of a key file or a certificate; empty where it cannot be told without a passphrase."""
    beside = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
    try:
        return _public_of_line(beside.read_bytes())
    except OSError:
        pass
    key = _try_load(path, None)
    return key.asbytes() if key is not None else _public_part(path)


def _public_part(path: Path) -> bytes:
    """The public key that stands in clear in an encrypted file (OpenSSH's PROTOCOL.key); empty for other formats."""
    try:
        lines = path.read_text("ascii").split("-----")
        blob = base64.b64decode("".join(lines[2].split()))
    except (OSError, ValueError, IndexError):
        return b""
    if not blob.startswith(_OPENSSH_FORMAT):
        return b""
    message = paramiko.Message(blob[len(_OPENSSH_FORMAT) :])
    for _cipher_kdf_and_options in range(3):
        message.get_binary()
    message.get_int()
    return message.get_binary()


def _public_of_line(line: bytes) -> bytes:
    try:
        found = load_ssh_public_identity(line)
        key = found.public_key() if isinstance(found, SSHCertificate) else load_ssh_public_key(line)
        return paramiko.pkey.PublicBlob.from_string(
            key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        ).key_blob
    except (ValueError, UnsupportedAlgorithm):
        return b""


def _is_encrypted(path: Path) -> bool:
    try:
        paramiko.PKey.from_path(path)
    except (paramiko.PasswordRequiredException, TypeError):
        return True  # TypeError is what the cryptography library raises for a key that needs a passphrase
    except (OSError, ValueError, paramiko.SSHException, UnknownKeyType):
        return False
    return False


def _try_load(path: Path, passphrase: str | None) -> paramiko.PKey | None:
    """The key in a file, ``None`` where it cannot be read so."""
    try:
        return load_private(path, passphrase)
    except (OSError, TypeError, ValueError, paramiko.SSHException, UnknownKeyType):
        return None


def load_private(path: Path, passphrase: str | None) -> paramiko.PKey:
    """The private key in a file; its certificate, if one lies beside it, is left out.

    Raises what paramiko and the cryptography library do.
    """
    # paramiko says that it takes text, and hands it on to a library that takes bytes.
    secret: Any = passphrase.encode() if passphrase is not None else None
    key = paramiko.PKey.from_path(path, secret)
    key.public_blob = None
    return key


def _load(path: Path, hop: Hop, secrets: Secrets, node: str) -> paramiko.PKey | None:
    """The key in a file; ``None`` where it cannot be used and nobody named it for this node."""
    try:
        return load_private(path, None)
    except (paramiko.PasswordRequiredException, TypeError):
        return secrets.key(path, node, lambda passphrase: _try_load(path, passphrase))
    except OSError as error:
        problem, hint = error.strerror or str(error), "name a readable key file"
    except (paramiko.SSHException, UnknownKeyType, ValueError):
        problem = "it is not a private key that can be read"
        hint = "name the private key file (not the .pub file), of kind ed25519, ecdsa or rsa"
    if hop.key is None:
        return None
    raise NodeError(f"the SSH key {path} cannot be used: {problem}", node=node, kind="auth", hint=hint)
