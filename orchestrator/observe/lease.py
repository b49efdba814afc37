"""The lease among the configs of a swarm. Pure: JSON in, dataclass out."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from orchestrator.model.labels import CLUSTER
from orchestrator.model.lease import HOLDER, NAME, Holder, LiveLease

Raw = Mapping[str, Any]


def is_lease(raw: Raw) -> bool:
    """Whether a config of ``GET /configs`` is a lease; one of that name without our label is somebody else's."""
    spec = raw["Spec"]
    return spec.get("Name") == NAME and CLUSTER in (spec.get("Labels") or {})


def find_lease(configs: Collection[Raw], clock: datetime | None) -> LiveLease | None:
    """The lease among these configs; ``clock`` is the time that a manager showed (``SystemTime`` of ``GET /info``)."""
    return next((parse_lease(raw, clock) for raw in configs if is_lease(raw)), None)


def parse_lease(raw: Raw, clock: datetime | None) -> LiveLease:
    """A lease; without a clock it counts as new."""
    taken, renewed = moment(raw.get("CreatedAt")), moment(raw.get("UpdatedAt"))
    return LiveLease(
        raw["ID"], _holder(raw["Spec"]["Labels"].get(HOLDER, "")), _since(renewed, clock), _since(taken, clock)
    )


def write_holder(holder: Holder) -> str:
    """The label that tells the holder."""
    return json.dumps(asdict(holder))


def moment(text: object) -> datetime | None:
    """A time of the Engine API (RFC 3339, nanoseconds); ``None`` where it is none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _holder(text: str) -> Holder | None:
    try:
        return Holder(**json.loads(text))
    except (ValueError, TypeError):
        return None


def _since(then: datetime | None, clock: datetime | None) -> float:
    return (clock - then).total_seconds() if then and clock else 0.0
