"""PURE: when a lease that lies in the swarm may be taken over.

The times are such that clocks of managers may differ by a minute, which is what the preflight allows at most: a holder
that has not renewed for :data:`FENCE` seconds does nothing more before it has, and only after :data:`TERM` seconds
does anybody else take the lease for free.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from orchestrator.model.lease import LiveLease

RENEW = 30.0
"""Seconds between two renewals."""

FENCE = 60.0
"""Seconds after the last renewal from which its holder must renew before it changes anything more."""

TERM = 120.0
"""Seconds after the last renewal from which a lease is free for anybody."""


def expired(lease: LiveLease) -> bool:
    """Whether its holder has not been heard of for a whole term.

    A date that lies further than a term in the future was written by a clock that has been set right since, so it tells
    nothing: a holder that lives will notice that it lost the lease, while one that does not would keep it for ever.
    """
    return abs(lease.age) > TERM


def may_take(lease: LiveLease, *, gone: bool) -> bool:
    """Whether the lease is free; ``gone`` means that its holder is known to have ended."""
    return gone or expired(lease)


def told(lease: LiveLease, cluster: str, now: datetime) -> str:
    """Who holds it, since when and until when, by the clock of the person who is told (``now``)."""
    who = str(lease.holder) if lease.holder else "somebody whose note cannot be read"
    since = now - timedelta(seconds=max(lease.held, 0.0))
    until = now + timedelta(seconds=TERM - lease.age)
    return f"{who} works on the cluster {cluster!r} since {since:%H:%M:%S}, at least until {until:%H:%M:%S}"
