"""Kinds of values that several schemas use: each is checked when read and described in the JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from orchestrator.config import units
from orchestrator.config.hints import shown
from orchestrator.model.labels import CLUSTER, STACK

_RESERVED_LABELS = (CLUSTER.split(".")[0] + ".", STACK.rsplit(".", 1)[0] + ".")


def checked(check: Callable[[Any], Any], schema: dict[str, Any]) -> tuple[PlainValidator, WithJsonSchema]:
    """The annotations of a value that ``check`` turns into what we use, or refuses with ``ValueError``."""
    return PlainValidator(check), WithJsonSchema(schema)


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("expected a text that is not empty")
    return value


def _harmless(value: str) -> str:
    """Host and user names go on the command line of ssh, and from there into what people let it run (ProxyCommand)."""
    if not re.fullmatch(r"(?!-)[A-Za-z0-9._:%+\\-]{1,255}", value):
        expected = "expected a name of letters, digits and . _ : % + \\ - that does not begin with '-'"
        raise ValueError(f"{shown(value)}: {expected}")
    return value


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError(f"{shown(value)}: expected one line without characters that cannot be seen")
    return value


def label_problem(key: str) -> str:
    """Why a label cannot have that name: it is empty, or we and ``docker stack`` find our own objects by it."""
    if not key.strip():
        return "expected a name for the label, got an empty text"
    prefix = next((prefix for prefix in _RESERVED_LABELS if key.startswith(prefix)), "")
    return f"labels that begin with {prefix!r} mark lab's own objects; expected another name" if prefix else ""


Text = Annotated[str, AfterValidator(_filled)]
Line = Annotated[Text, AfterValidator(_one_line)]
Name = Annotated[str, AfterValidator(_filled), AfterValidator(_harmless)]

# A variable may stand where a text of some form is wanted: hence the dollar sign in each pattern.
_NETWORK = {"type": "string", "pattern": r"^[0-9.]+/[0-9]+$|\$", "examples": ["10.0.9.0/24"]}
_ADDRESS = {"type": "string", "pattern": r"^[0-9.]+$|\$", "examples": ["10.0.9.1"]}
_DURATION = {"type": "string", "pattern": r"^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$|\$", "examples": ["10s", "1m30s"]}

Network = Annotated[str, *checked(units.network, _NETWORK)]
Address = Annotated[str, *checked(units.address, _ADDRESS)]
Interface = Annotated[str, *checked(units.interface, {"type": "string"})]
AddressOrInterface = Annotated[str, *checked(units.address_or_interface, {"type": "string"})]
JumpHosts = Annotated[
    str, *checked(units.jump_hosts, {"type": "string", "examples": ["bastion.example", "me@first:2222,second", "none"]})
]
HostPath = Annotated[
    str, *checked(units.host_path, {"type": "string", "pattern": r"^/|\$", "examples": ["/run/docker-lab.sock"]})
]
Duration = Annotated[float, *checked(units.duration, _DURATION)]
PositiveDuration = Annotated[float, *checked(units.positive_duration, _DURATION)]


def size_schema(unit: str, least: int, most: int) -> dict[str, Any]:
    """JSON Schema of a size: a whole number of ``unit``, or a text with its own unit."""
    text = {"type": "string", "pattern": r"^[0-9.]+ ?([MGT]i[Bb])$|\$", "examples": ["1GiB"]}
    return {"anyOf": [{"type": "integer", "minimum": least, "maximum": most, "description": f"in {unit}"}, text]}


MebiBytes = Annotated[
    int, *checked(partial(units.size, unit="MiB", least=512, most=1024 * 1024), size_schema("MiB", 512, 1024 * 1024))
]
GibiBytes = Annotated[int, *checked(partial(units.size, unit="GiB", least=4, most=4096), size_schema("GiB", 4, 4096))]
