"""Every kind of check that a lab file can name."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Annotated, Any, get_args

from pydantic import Discriminator, Tag

from orchestrator.checks.base import Check
from orchestrator.checks.consistency import ConsistencyCheck
from orchestrator.checks.container import ContainerCheck
from orchestrator.checks.disruption import DisruptionCheck
from orchestrator.checks.encryption import EncryptionCheck
from orchestrator.checks.interfaces import InterfacesCheck
from orchestrator.checks.mesh import MeshCheck
from orchestrator.checks.names import NamesCheck
from orchestrator.checks.network import NetworkCheck
from orchestrator.checks.payload import PayloadCheck
from orchestrator.checks.reach import ReachCheck
from orchestrator.checks.refusal import RefusalCheck
from orchestrator.checks.scale import ScaleCheck
from orchestrator.checks.tasks import TasksCheck
from orchestrator.checks.udp import UdpCheck
from orchestrator.checks.veths import VethsCheck
from orchestrator.config.validation import KIND_ERROR

_CLASSES: tuple[type[Check], ...] = (
    MeshCheck,
    NamesCheck,
    ReachCheck,
    PayloadCheck,
    UdpCheck,
    ConsistencyCheck,
    EncryptionCheck,
    InterfacesCheck,
    VethsCheck,
    NetworkCheck,
    TasksCheck,
    ContainerCheck,
    RefusalCheck,
    ScaleCheck,
    DisruptionCheck,
)


def kind_of(check: type[Check]) -> str:
    """The word by which a lab file names a kind of check."""
    (kind,) = get_args(check.model_fields["kind"].annotation)
    return str(kind)


KINDS: dict[str, type[Check]] = {kind_of(check): check for check in _CLASSES}
"""Every kind by its name, in the order in which the documentation lists them."""


def _tag(value: object) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return KINDS[kind].tag() if isinstance(kind, str) and kind in KINDS else None


_FORMS: Any = reduce(or_, (Annotated[check, Tag(check.tag())] for check in _CLASSES))

AnyCheck = Annotated[
    _FORMS,
    Discriminator(
        _tag,
        custom_error_type=KIND_ERROR,
        custom_error_message="no such kind",
        custom_error_context={"key": "kind", "kinds": list(KINDS)},
    ),
]
"""One entry of ``x-lab: checks:``; its ``kind`` tells which."""
