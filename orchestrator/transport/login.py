"""From a hop to an authenticated SSH connection, and what each way to fail means for a person."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import paramiko
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random

from orchestrator.errors import NodeError
from orchestrator.transport import host_keys
from orchestrator.transport.dial import Attempt, Connection, by_channel, by_command, by_tcp
from orchestrator.transport.handshakes import handshake
from orchestrator.transport.identities import Offer, agent_keys, expiry, make_ready, offers
from orchestrator.transport.secrets import Secrets
from orchestrator.transport.wire import Wire, silence_paramiko

if TYPE_CHECKING:
    from orchestrator.transport.route import Hop

Value = TypeVar("Value")

KEEPALIVE_SECONDS = 15

ATTEMPTS = 3
"""How often a login is tried where an sshd hangs up because too many log in at once. Nothing else is tried again:
a host that is silent stays silent, and each try counts towards a ban."""

_PAUSE = (0.3, 1.5)
"""Seconds between two tries; by chance, so that those who were turned away together do not come back together."""

# What OpenSSH says in place of its greeting (sshd.c, drop_connection).
_CROWDED = "Exceeded MaxStartups"
_BANNED = "Not allowed at this time"

_SHOWN = 4
"""Keys that an error names."""


class _Crowded(NodeError):
    """The sshd hung up before it said who it is: too many at once, as a rule."""


@dataclass
class Session:
    """An authenticated connection, and what carries it."""

    wire: Wire
    connection: Connection

    def close(self) -> None:
        """May be called twice."""
        self.wire.close()
        self.connection.close()


def log_in(
    hop: Hop,
    *,
    name: str,
    timeout: float,
    secrets: Secrets | None = None,
    through: Wire | None = None,
    via: str = "",
    over: paramiko.Channel | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Session:
    """Connect, check the host key, authenticate. ``timeout`` (seconds) bounds each of the steps.

    ``through`` is the connection to the last jump host, ``via`` its name; ``over`` is a channel at whose other end an
    sshd of the same host speaks already, in place of a connection. Raises ``NodeError`` that says which step failed,
    and why; ``HostKeyChanged`` where the host is not the one we know.
    """
    silence_paramiko()
    secrets = secrets or Secrets()

    def once(number: int) -> Session:
        with agent_keys(hop.agent) as agent:
            make_ready(hop, agent, secrets, name)
            attempt = Attempt(name, hop, timeout, via, number)
            # A login over a channel is one more on the sshd that serves it, which has let us in already.
            with nullcontext() if over else handshake(hop.host, hop.port):
                session = _greet(attempt, through, over)
                try:
                    _authenticate(attempt, session.wire, offers(hop, agent, secrets, name))
                except BaseException:
                    session.close()
                    raise
            session.wire.set_keepalive(KEEPALIVE_SECONDS)
            session.wire.rest()
            return session

    return _patiently(once, wait)


def shown_key(
    hop: Hop,
    *,
    name: str,
    timeout: float,
    through: Wire | None = None,
    via: str = "",
    wait: Callable[[float], None] = time.sleep,
) -> paramiko.PKey:
    """The host key that an sshd shows, of a kind that is known of it if it has one. No login is tried."""
    silence_paramiko()

    def once(number: int) -> paramiko.PKey:
        attempt = Attempt(name, hop, timeout, via, number)
        with handshake(hop.host, hop.port):
            session = _greet(attempt, through, None, check=False)
        try:
            return session.wire.get_remote_server_key()
        finally:
            session.close()

    return _patiently(once, wait)


def _patiently(once: Callable[[int], Value], wait: Callable[[float], None]) -> Value:
    """Try again where the sshd is crowded."""
    policy = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random(*_PAUSE),
        retry=retry_if_exception_type(_Crowded),
        sleep=wait,
        reraise=True,
    )
    for attempt in policy:
        with attempt:
            return once(attempt.retry_state.attempt_number)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _greet(attempt: Attempt, through: Wire | None, over: paramiko.Channel | None, *, check: bool = True) -> Session:
    """Connect, exchange keys, and see whether it is the host that we know."""
    hop = attempt.hop
    known = host_keys.known_keys(hop, attempt.node)
    connection = _connection(attempt, through, over)
    wire = Wire(connection.sock)  # type: ignore[arg-type]  # a channel has the methods of a socket that it needs
    wire.banner_timeout = wire.handshake_timeout = wire.auth_timeout = attempt.timeout
    session = Session(wire, connection)
    try:
        host_keys.kinds_first(wire, known)
        # Twice the time, so that silence before the greeting is told as such.
        wire.start_client(timeout=2 * attempt.timeout)
        _all_agreed(wire, 2 * attempt.timeout)
        if check:
            host_keys.check(hop, wire.get_remote_server_key(), known, attempt.node)
    except NodeError:
        session.close()
        raise
    except RuntimeError as error:
        # What Python raises where pthread_create(3) fails; paramiko runs a thread for each connection.
        session.close()
        raise attempt.failed(
            "key exchange",
            f"no thread could be started for the connection to {hop.place}: {error}",
            kind="engine",
            hint=f"{threading.active_count()} threads run: see `ulimit -u`, and the limit of processes of a container",
        ) from error
    except (paramiko.SSHException, OSError, EOFError) as error:
        complaint = connection.complaint()
        session.close()
        raise _ungreeted(attempt, wire, error, complaint) from error
    except BaseException:
        session.close()
        raise
    return session


def _all_agreed(wire: Wire, seconds: float) -> None:
    """Paramiko returns as well when the time is up."""
    if not wire.initial_kex_done:
        raise TimeoutError(f"nothing was agreed upon within {seconds:.0f} s")


def _connection(attempt: Attempt, through: Wire | None, over: paramiko.Channel | None) -> Connection:
    if over is not None:
        return Connection(over)
    if through is not None:
        return by_channel(attempt, through)
    return by_command(attempt) if attempt.hop.proxy_command else by_tcp(attempt)


def _ungreeted(attempt: Attempt, wire: Wire, error: Exception, complaint: str) -> NodeError:
    """Why no encrypted connection came about, told from how far it got."""
    place = attempt.hop.place
    why = str(error).strip() or type(error).__name__
    if wire.remote_version:
        return attempt.failed(
            "key exchange",
            f"{place} and lab agree on no way to speak: {why}",
            kind="timeout" if isinstance(error, TimeoutError) else "unreachable",
            hint=f"it says that it is {wire.remote_version}; try: ssh -v {attempt.hop.label}",
        )
    if complaint or attempt.hop.proxy_command:
        return attempt.failed(
            "ProxyCommand",
            f"`{attempt.hop.proxy_command}` leads to no SSH server: {complaint or why}",
            kind="unreachable",
            hint="try the command by hand; it must neither ask nor print anything",
        )
    if any(line.startswith(_BANNED) for line in wire.greeting):
        return attempt.failed(
            "SSH greeting",
            f"{place} turns this machine away: it says `{_BANNED}`",
            kind="refused",
            hint="after failed or broken-off logins sshd shuts their source out for a while (PerSourcePenalties, from "
            "OpenSSH 9.8): put user and key right and wait some minutes, or exempt this machine with "
            "PerSourcePenaltyExemptList",
        )
    if any(line.startswith(_CROWDED) for line in wire.greeting):
        crowded = attempt.failed(
            "SSH greeting",
            f"{place} turns this machine away: it says `{_CROWDED}`",
            kind="refused",
            hint="too many log in there at once: try again, or raise MaxStartups in its sshd_config",
        )
        return _Crowded(crowded.message, node=crowded.node, kind=crowded.kind, hint=crowded.hint)
    return _no_greeting(attempt, wire, why)


def _no_greeting(attempt: Attempt, wire: Wire, why: str) -> NodeError:
    place = attempt.hop.place
    silent = attempt.elapsed >= attempt.timeout  # paramiko's errors do not tell
    if silent or wire.greeting:
        said = f"it says {wire.greeting[0][:80]!r}" if wire.greeting else why
        return attempt.failed(
            "SSH greeting",
            f"{place} does not answer as an SSH server: {said}",
            kind="timeout" if silent else "unreachable",
            hint=f"check that sshd listens on this port and answers within {attempt.timeout:.0f} s",
        )
    return attempt.failed(
        "SSH greeting",
        f"{place} does not answer as an SSH server: it hung up without a word ({why})",
        kind="unreachable",
        hint="a forwarded port with no sshd behind it does so; also an sshd that shuts this machine out (hosts.deny, "
        "fail2ban, MaxStartups, PerSourcePenalties): look into its log: journalctl -u ssh",
    )


def _authenticate(attempt: Attempt, wire: Wire, keys: Iterable[Offer]) -> None:
    """Offer one key after the other. Raises ``NodeError`` that names them where none is taken."""
    refused: list[Offer] = []
    for offer in keys:
        try:
            more = wire.auth_publickey(attempt.hop.user, offer.key)
        except paramiko.BadAuthenticationType as error:
            raise _wants_more(attempt, offer, error.allowed_types) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            refused.append(offer)
            if not wire.is_active():
                raise _hung_up(attempt, refused) from error
            if "timeout" in str(error).lower():
                raise _no_verdict(attempt, offer) from error
        else:
            if not more:
                return
            raise _wants_more(attempt, offer, more)
    raise _rejected(attempt, refused)


def _wants_more(attempt: Attempt, offer: Offer, allowed: Iterable[str]) -> NodeError:
    user = attempt.hop.user
    return attempt.failed(
        "login",
        f"{attempt.hop.place} does not let user {user} in with {offer.label} alone: it wants {', '.join(allowed)}",
        kind="auth",
        hint="lab logs in by key only: let the host allow it (PubkeyAuthentication, AuthenticationMethods)",
    )


def _hung_up(attempt: Attempt, refused: list[Offer]) -> NodeError:
    return attempt.failed(
        "login",
        f"{attempt.hop.place} hung up on user {attempt.hop.user} after {len(refused)} keys: {_labels(refused)}",
        kind="auth",
        hint="an sshd takes a few tries only (MaxAuthTries): name the right key with ssh.key, or IdentitiesOnly in "
        "~/.ssh/config",
    )


def _no_verdict(attempt: Attempt, offer: Offer) -> NodeError:
    return attempt.failed(
        "login",
        f"{attempt.hop.place} said nothing within {attempt.timeout:.0f} s about {offer.label}",
        kind="timeout",
        hint="the host is very busy, or its sshd waits for something (PAM, a directory service, DNS)",
    )


def _rejected(attempt: Attempt, refused: list[Offer]) -> NodeError:
    user, place = attempt.hop.user, attempt.hop.place
    if not refused:
        what = f"there is no key to log in with at {place} as user {user}"
        hint = "load one into ssh-agent (ssh-add), or name its file with ssh.key"
        return attempt.failed("login", what, kind="auth", hint=hint)
    expired = [why for offer in refused if offer.certificate and (why := expiry(offer.certificate, user))]
    hint = f"put the public key into ~{user}/.ssh/authorized_keys on the node, or correct user and key"
    return attempt.failed(
        "login",
        f"{place} does not let user {user} in with {_labels(refused)}",
        kind="auth",
        hint=f"{expired[0]}: have it signed anew" if expired else hint,
    )


def _labels(keys: list[Offer]) -> str:
    shown = ", ".join(offer.label for offer in keys[:_SHOWN])
    return f"{shown} and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else shown
