"""What ``lab doctor`` finds on this machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    ``ok`` is ``None`` where it is neither right nor wrong (a slower way will be taken, or it could not be found
    out); ``fix`` says what to type to put it right, "" where there is nothing to do.
    """

    name: str
    ok: bool | None
    detail: str
    fix: str = ""
