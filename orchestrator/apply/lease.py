"""Taking, renewing, checking and giving back the lease of a cluster, which is a config in its swarm.

Docker gives a config's name only once and its id never again. So creating the config is taking the lease, whoever else
tries at the same time; its id is the proof of still having it; and removing it by that id can never remove the lease
that somebody else has taken since.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from docker import APIClient

from orchestrator.apply.site import Site
from orchestrator.errors import Interrupted, LockedError, NodeError
from orchestrator.model.labels import CLUSTER
from orchestrator.model.lease import HOLDER, NAME, RENEWED, Holder, LiveLease
from orchestrator.observe.lease import parse_lease, write_holder
from orchestrator.planning.lease import FENCE, RENEW, may_take, told
from orchestrator.runtime.holder import has_ended
from orchestrator.runtime.retry import while_busy
from orchestrator.transport.engine_errors import engine_errors, is_passing, status_of

Value = TypeVar("Value")

NOTE = (
    b"Held while lab changes this swarm: see the labels. It frees itself two minutes after its holder was last seen.\n"
)
"""What the config holds: a config cannot be empty, and a person may wonder what it is."""

BUSY_SECONDS = 30.0
"""How long a manager may be busy before a call is given up."""

HINT = "wait until that is done; a lease whose holder is gone frees itself two minutes after its last renewal"


class Lease:
    """A lease that this run holds, renewed in the background until :meth:`release`."""

    def __init__(self, site: Site, cluster: str, identity: str, taken: float, clock: Callable[[], float]) -> None:
        self._site = site
        self._cluster = cluster
        self._id = identity
        self._clock = clock
        self._seen = taken
        self._lost = False
        self._turn = threading.Lock()
        self._over = threading.Event()
        threading.Thread(target=self._keep, name="lease", daemon=True).start()

    def fence(self) -> None:
        """Raise ``LockedError`` unless the lease is still ours. It costs no call while the last one was not long ago.

        The clock counts while this machine sleeps. Raises ``NodeError`` where no manager can be asked any more.
        """
        if not self._lost and self._clock() - self._seen > FENCE:
            self.renew()
        if self._lost:
            raise LockedError(
                f"the lease on the cluster {self._cluster!r} was taken over: this run was not seen for too long",
                hint="see `lab status` for who works on it; `lab up` finishes what was left",
            )

    def renew(self) -> None:
        """Tell the managers that we are still at it. Raises ``NodeError`` where none answers."""
        with self._turn:
            begun = self._clock()
            if _of_manager(self._site, "renew the lease", lambda engine: _touch(engine, self._id)):
                self._seen = begun
            else:
                self._lost = True

    def end(self) -> None:
        """Renew no more."""
        self._over.set()

    def release(self, site: Site) -> None:
        """Give the lease back through the connections of ``site``. Raises ``NodeError`` where no manager answers."""
        self.end()
        _of_manager(site, "give the lease back", lambda engine: _remove(engine, self._id))

    def _keep(self) -> None:
        while not self._over.wait(RENEW):
            try:
                self.renew()
            except Interrupted:
                return
            except NodeError as error:  # it is tried again, and a step that comes too late will not be done
                message = f"the lease on the cluster {self._cluster!r} could not be renewed: {error.message}"
                self._site.context.notice(message, level="warning")


def take(
    site: Site, cluster: str, found: LiveLease | None, holder: Holder, clock: Callable[[], float] | None = None
) -> Lease:
    """Take the lease of a cluster, whose swarm must be ours; ``found`` is the one that was seen in it.

    ``clock`` is in seconds and goes on while the machine sleeps. Raises ``LockedError`` where somebody else has it.
    """
    if found is not None and not tidy(site, found):
        raise _held(cluster, found)
    clock = clock or _boottime
    begun = clock()
    labels = {CLUSTER: cluster, HOLDER: write_holder(holder), RENEWED: "0"}
    identity = _of_manager(site, "take the lease", lambda engine: _create(engine, labels))
    return Lease(site, cluster, identity or _made_before(site, cluster, holder), begun, clock)


def tidy(site: Site, found: LiveLease) -> bool:
    """Remove a lease whose holder is gone; False where it may still be at work. Raises ``NodeError``."""
    if not may_take(found, gone=found.holder is not None and has_ended(found.holder)):
        return False
    _of_manager(site, "remove a lease whose holder is gone", lambda engine: _remove(engine, found.id))
    return True


def _held(cluster: str, lease: LiveLease) -> LockedError:
    return LockedError(told(lease, cluster, datetime.now().astimezone()), hint=HINT)


def _made_before(site: Site, cluster: str, holder: Holder) -> str:
    """The id of the lease that appeared between looking and taking, if it is our own after all.

    It is where a manager's answer was lost and another manager was asked. Raises ``LockedError`` for anybody else's.
    """

    def look(engine: APIClient) -> LiveLease | None:
        raw = _inspect(engine, NAME)
        return parse_lease(raw, None) if raw and CLUSTER in (raw["Spec"].get("Labels") or {}) else None

    lease = _of_manager(site, "look at the lease", look)
    if lease is None:
        raise LockedError(f"somebody else was faster to take the lease on the cluster {cluster!r}", hint="try again")
    if lease.holder is None or lease.holder.id != holder.id:
        raise _held(cluster, lease)
    return lease.id


def _create(engine: APIClient, labels: dict[str, str]) -> str:
    """The new config's id, "" where one of its name exists."""
    try:
        with engine_errors("", f"create config {NAME}"):
            created: Any = engine.create_config(NAME, NOTE, labels=labels)
    except NodeError as error:
        if status_of(error) == 409:
            return ""
        raise
    return str(created["ID"])


def _inspect(engine: APIClient, identity: str) -> dict[str, Any] | None:
    try:
        with engine_errors("", f"inspect config {NAME}"):
            return dict(engine.inspect_config(identity))
    except NodeError as error:
        if status_of(error) == 404:
            return None
        raise


def _touch(engine: APIClient, identity: str) -> bool:
    """Date the lease anew; False where it is gone. The docker SDK has no method for ``POST /configs/{id}/update``."""
    raw = _inspect(engine, identity)
    if raw is None:
        return False
    labels = dict(raw["Spec"]["Labels"])
    labels[RENEWED] = str(int(labels.get(RENEWED) or 0) + 1)
    with engine_errors("", "renew the lease"):
        answer = engine.post(
            f"{engine.base_url}/v{engine.api_version}/configs/{identity}/update",
            json=raw["Spec"] | {"Labels": labels},
            params={"version": raw["Version"]["Index"]},
            timeout=30,
        )
    if not answer.ok:
        raise NodeError(f"renew the lease: the engine says: {answer.text.strip()} (HTTP {answer.status_code})")
    return True


def _remove(engine: APIClient, identity: str) -> None:
    try:
        with engine_errors("", f"remove config {NAME}"):
            engine.remove_config(identity)
    except NodeError as error:
        if status_of(error) != 404:
            raise


class _Busy(NodeError):
    """No manager has done it, and one of them may do so a little later."""


def _of_manager(site: Site, what: str, call: Callable[[APIClient], Value]) -> Value:
    """What ``call`` returns at the first node where it works, tried again while managers are busy."""
    return while_busy(
        site.context, lambda: _tried(site, what, call), lambda error: isinstance(error, _Busy), deadline=BUSY_SECONDS
    )


def _tried(site: Site, what: str, call: Callable[[APIClient], Value]) -> Value:
    """What ``call`` returns at the first node where it works: others are no managers, or do not answer."""
    reasons, kind = [], NodeError
    for name in dict.fromkeys([site.first_manager, *site.hosts]):
        try:
            return call(site.host(name).engine())
        except NodeError as error:
            kind = _Busy if is_passing(error) else kind
            reasons.append(f"{name}: {error.message}")
    raise kind(
        f"no manager of the swarm answers to {what}",
        node=site.first_manager,
        details=reasons,
        hint="more than half of the managers must be up and reachable",
    )


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
