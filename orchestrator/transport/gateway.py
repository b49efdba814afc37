"""Ways to all nodes of one run: each is resolved once, jump hosts are shared, and a person is asked once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.model.inventory import SshAddress
from orchestrator.transport.login import Session, log_in, shown_key
from orchestrator.transport.openssh import resolve
from orchestrator.transport.route import Route
from orchestrator.transport.secrets import Secrets
from orchestrator.transport.ssh import SshHost

if TYPE_CHECKING:
    import paramiko

    from orchestrator.runtime.context import Context


@dataclass
class _Relay:
    """A connection to a jump host, and how many go through it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    session: Session | None = None
    users: int = 0
    release: Callable[[], None] = lambda: None


class Gateway:
    """Opens connections to nodes. Methods may be called from several threads at once.

    However many nodes lie behind a jump host, it sees one login: its sshd limits how many may log in at once, and a
    person's security key is touched once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._routes: dict[tuple[SshAddress, str], Route] = {}
        self._relays: dict[Route, _Relay] = {}
        self._secrets: Secrets | None = None

    def route(self, address: SshAddress, name: str) -> Route:
        """The way to a node. Raises ``ConfigError`` for a configuration that cannot be read, ``NodeError``."""
        key = (address, name)
        with self._lock:
            known = self._routes.get(key)
        if known is None:
            known = resolve(address, name=name)
            with self._lock:
                self._routes[key] = known
        return known

    def connect(self, context: Context, address: SshAddress, *, name: str, timeout: float) -> SshHost:
        """Log in to a node, through its jump hosts. ``timeout`` (seconds) bounds each step. Raises ``NodeError``."""
        route = self.route(address, name)
        session, release = self._logged_in(context, route, name, timeout)
        return SshHost(session, name=name, route=route, secrets=self._asking(context), on_close=release)

    def shown_key(self, context: Context, route: Route, *, name: str, timeout: float) -> paramiko.PKey:
        """The host key that the last sshd of a way shows; the ones before it must be known. Raises ``NodeError``."""
        wire, release = self._through(context, route, name, timeout)
        try:
            return shown_key(
                route.target,
                name=name,
                timeout=timeout,
                through=wire.wire if wire else None,
                via=route.via,
                wait=context.wait,
            )
        finally:
            release()

    def _asking(self, context: Context) -> Secrets:
        with self._lock:
            if self._secrets is None:
                self._secrets = Secrets(lambda question: context.ask(question, secret=True))
            return self._secrets

    def _through(
        self, context: Context, route: Route, name: str, timeout: float
    ) -> tuple[Session | None, Callable[[], None]]:
        """The connection to the last jump host of a way, and what to call when it is needed no more."""
        before = route.before
        if before is None:
            return None, lambda: None
        with self._lock:
            relay = self._relays.setdefault(before, _Relay())
        with relay.lock:
            if relay.session is None or not relay.session.wire.is_active():
                self._leave(relay)
                relay.session, relay.release = self._logged_in(context, before, name, timeout)
            relay.users += 1
            session = relay.session
        return session, _once(lambda: self._let_go(relay, session))

    def _logged_in(
        self, context: Context, route: Route, name: str, timeout: float
    ) -> tuple[Session, Callable[[], None]]:
        """A login at the end of a way, and what leaves the jump hosts before it once it is closed."""
        wire, release = self._through(context, route, name, timeout)
        try:
            session = log_in(
                route.target,
                name=name,
                timeout=timeout,
                secrets=self._asking(context),
                through=wire.wire if wire else None,
                via=route.via,
                wait=context.wait,
            )
        except BaseException:
            release()
            raise
        return session, release

    def _let_go(self, relay: _Relay, session: Session) -> None:
        with relay.lock:
            if relay.session is not session:
                return  # it broke, and others have a new one
            relay.users -= 1
            if relay.users == 0:
                self._leave(relay)

    def _leave(self, relay: _Relay) -> None:
        """Close the connection to a jump host, and let go of the one before it."""
        if relay.session is not None:
            relay.session.close()
            relay.release()
        relay.session, relay.users, relay.release = None, 0, lambda: None


def _once(release: Callable[[], None]) -> Callable[[], None]:
    """``release``, done the first time only: a host may be closed twice, and from several threads."""
    lock = threading.Lock()

    def run() -> None:
        if lock.acquire(blocking=False):
            release()

    return run
