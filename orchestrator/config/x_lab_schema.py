"""Plain containers and bridge networks under ``x-lab``: our own words, in the manner of Compose."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Tag

from orchestrator.config.compose_types import Capability, CommandLine, Image, Pairs, PortNumber, ShortPort, either
from orchestrator.config.fields import Network, Text, checked
from orchestrator.config.hints import did_you_mean, shown
from orchestrator.config.units import host_label
from orchestrator.config.validation import Form, StrictModel
from orchestrator.model.lab import Protocol

_POSITION = {"type": "integer", "minimum": 1}
_POSITIONS = {
    "anyOf": [
        _POSITION,
        {"type": "array", "items": _POSITION, "minItems": 1},
        {"type": "string", "pattern": r"^all$|\$"},
    ]
}


_EXPECTED = "expected the position of a node (1 is the first), a list of them, or all"


def _positions(value: object) -> tuple[int, ...]:
    """Positions of nodes in the inventory; empty for all of them."""
    if value == "all":
        return ()
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise ValueError("expected at least one node, got none; take the key out for the default")
    for index, number in enumerate(listed):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            near = did_you_mean(number, ["all"]) if isinstance(number, str) and listed is not value else ""
            raise ValueError(f"{_EXPECTED}, got {shown(number)}{near}")
        if number in listed[:index]:
            raise ValueError(f"the node {number} is given twice; expected once")
    return tuple(listed)


Positions = Annotated[tuple[int, ...], *checked(_positions, _POSITIONS)]


class ContainerPort(StrictModel):
    """A published port of a plain container in the long form."""

    target: PortNumber = Field(description="Port in the container.")
    published: int = Field(default=0, ge=0, le=65535, description="Port on the node. Default: the engine chooses.")
    protocol: Annotated[Protocol, Field(strict=False)] = Field(
        default=Protocol.TCP, description="tcp, udp or sctp. Default: tcp."
    )
    mode: Literal["host"] = Field(default="host", description="Only host: a container has no routing mesh.")


class LabBridge(StrictModel):
    """A user-defined bridge network: one on each chosen node, each for itself."""

    subnet: Network | None = Field(default=None, description="IPv4 network. Default: the engine chooses.")
    on: Positions = Field(default=(), description="Positions of nodes in the inventory, or all. Default: all.")


class LabContainer(StrictModel):
    """A plain container, as `docker run` makes it: no task of a service."""

    image: Image = Field(description="Image of the container.")
    on: Positions = Field(default=(1,), description="Positions of nodes in the inventory, or all. Default: 1.")
    network: Text = Field(
        default="bridge",
        description="bridge, host, none, a key of x-lab.bridges, or of an attachable network. Default: bridge.",
    )
    ports: list[
        Annotated[
            Annotated[ContainerPort, Tag(Form.MAP)] | Annotated[ShortPort, Tag(Form.TEXT)],
            either("a port such as '8080:80', or a mapping"),
        ]
    ] = Field(default=[], description="Ports that the node publishes.")
    environment: Pairs = Field(
        default={}, description="Variables; one without a value has that of your own environment."
    )
    hostname: Annotated[Text, AfterValidator(host_label)] | None = Field(
        default=None, description="Host name of the container. Default: its id."
    )
    command: CommandLine | None = Field(default=None, description="Arguments; a text is split as by a shell.")
    cap_add: list[Capability] = Field(default=[], description="Linux capabilities to add.")
    ends: bool = Field(default=False, description="Whether the container is expected to end by itself. Default: false.")
