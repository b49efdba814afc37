"""Whether an sshd is who it should be. Strict: a key is never learned on the way, a changed one ends everything."""

from __future__ import annotations

from collections.abc import Sequence

import paramiko

from orchestrator.errors import HostKeyChanged, NodeError
from orchestrator.transport.known_hosts import AUTHORITY, REVOKED, KnownKey, find, fingerprint
from orchestrator.transport.route import Hop

COMPARE = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
"""What shows the fingerprint on the host itself."""


def known_keys(hop: Hop, node: str) -> list[KnownKey]:
    """What is known of a hop's key. Raises ``NodeError`` where a file cannot be read."""
    try:
        return find(hop.known_hosts, hop.entry)
    except OSError as error:
        raise NodeError(
            f"the known_hosts file {error.filename} cannot be read: {error.strerror}",
            node=node,
            kind="host-key",
            hint="check the file and its permissions",
        ) from error


def kinds_first(wire: paramiko.Transport, known: Sequence[KnownKey]) -> None:
    """Ask for the kinds of host key first that are known: a host with a further key would seem to have changed."""
    kinds = {key.kind for key in known if not key.marker}
    if "ssh-rsa" in kinds:
        kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
    security = wire.get_security_options()
    security.key_types = sorted(security.key_types, key=lambda kind: kind not in kinds)


def check(hop: Hop, shown: paramiko.PKey, known: Sequence[KnownKey], node: str) -> None:
    """Raises ``HostKeyChanged`` for another key than the known one, ``NodeError`` for one that is not known."""
    blob = shown.asbytes()
    if any(key.blob == blob for key in known if key.marker == REVOKED):
        raise _revoked(hop, shown, next(key for key in known if key.marker == REVOKED and key.blob == blob), node)
    own = [key for key in known if not key.marker]
    if any(key.blob == blob for key in own):
        return
    if own:
        raise changed(hop, shown, own, node)
    raise _unknown(hop, shown, known, node)


def changed(hop: Hop, shown: paramiko.PKey, own: Sequence[KnownKey], node: str) -> HostKeyChanged:
    """The explanation: both fingerprints, file and line, and what to do."""
    same_kind = [key for key in own if key.kind == shown.get_name()] or list(own)
    has = ", ".join(f"{key.place} has {key.kind} {fingerprint(key.blob)}" for key in same_kind)
    file = same_kind[0].file
    return HostKeyChanged(
        f"the host key of {hop.entry} has changed: it shows {shown.get_name()} {fingerprint(shown.asbytes())}, {has}",
        node=node,
        hint=f"nothing is done on any host: somebody may listen in. Compare on the host's own console: {COMPARE}; "
        f"if the machine was set up anew, forget the old key: ssh-keygen -R '{hop.entry}' -f {file}, "
        "then run: lab trust",
    )


def _revoked(hop: Hop, shown: paramiko.PKey, line: KnownKey, node: str) -> HostKeyChanged:
    return HostKeyChanged(
        f"the host key of {hop.entry} is revoked: it shows {shown.get_name()} {fingerprint(shown.asbytes())}, "
        f"which {line.place} says must not be used any more",
        node=node,
        hint="whoever has this key may be somebody else: have the host make new keys, compare them on its console",
    )


def _unknown(hop: Hop, shown: paramiko.PKey, known: Sequence[KnownKey], node: str) -> NodeError:
    files = ", ".join(str(file) for file in hop.known_hosts[:1])
    there = "has no entry for it" if hop.known_hosts and hop.known_hosts[0].exists() else "does not exist"
    authority = next((key for key in known if key.marker == AUTHORITY), None)
    extra = f" ({authority.place} names an authority; certificates of hosts are not supported)" if authority else ""
    return NodeError(
        f"the host key of {hop.entry} is not known: it shows {shown.get_name()} {fingerprint(shown.asbytes())}, "
        f"and {files} {there}{extra}",
        node=node,
        kind="host-key",
        hint=_how_to_learn(hop),
    )


def _how_to_learn(hop: Hop) -> str:
    file = hop.known_hosts[0] if hop.known_hosts else "~/.ssh/known_hosts"
    if hop.host_key_alias:
        return f"compare the fingerprint on the node itself, then put its key into {file} as {hop.entry}"
    return (
        "`lab trust` shows the keys of all hosts and records them once you have compared them on the hosts themselves; "
        f"by hand, for this one: ssh-keyscan -p {hop.port} {hop.host} >> {file}"
    )
