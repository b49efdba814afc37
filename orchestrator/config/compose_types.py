"""Kinds of values that the parts of a lab file share, each with what it is called in the published JSON Schema."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from orchestrator.config import compose_values
from orchestrator.config.fields import Text, checked
from orchestrator.config.validation import Form, StrictModel
from orchestrator.model.lab import Port

_TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_TEXT_OR_TEXTS = {"anyOf": [{"type": "string"}, _TEXTS]}
_SCALAR = {"type": ["string", "number", "null"]}
_SHORT_PORT = {"type": ["string", "integer"], "examples": ["8080:80", "8080:80/udp", "8000-8002:80-82"]}


def _form(value: object) -> Form:
    return Form.LIST if isinstance(value, list) else Form.MAP if isinstance(value, dict) else Form.TEXT


def either(expected: str) -> Discriminator:
    """Tell the forms of a value apart by its kind, so that a message is about the form that was meant."""
    return Discriminator(_form, custom_error_type="form", custom_error_message=f"expected {expected}")


class ComposeModel(StrictModel):
    """Base of the parts of a Compose file."""

    model_config = ConfigDict(json_schema_extra={"patternProperties": {"^x-": {}}})
    format_name = "Compose"

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, data: object) -> object:
        """Keys that begin with ``x-`` are free for everybody; Docker ignores them, and so do we."""
        if not isinstance(data, dict):
            return data
        ours = {field.alias for field in cls.model_fields.values()}
        return {key: value for key, value in data.items() if not str(key).startswith("x-") or key in ours}


CommandLine = Annotated[tuple[str, ...], *checked(compose_values.command_line, _TEXT_OR_TEXTS)]
HealthTest = Annotated[tuple[str, ...], *checked(compose_values.health_test, _TEXT_OR_TEXTS)]
Image = Annotated[str, *checked(compose_values.image, {"type": "string"})]
Capability = Annotated[str, *checked(compose_values.capability, {"type": "string", "examples": ["NET_ADMIN"]})]
Constraint = Annotated[
    str, *checked(compose_values.constraint, {"type": "string", "examples": ["node.role == worker"]})
]
Scalar = Annotated[str | None, *checked(compose_values.scalar_text, _SCALAR)]
ShortPort = Annotated[tuple[Port, ...], *checked(compose_values.short_ports, _SHORT_PORT)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Pairs = Annotated[
    Annotated[dict[str, Scalar], Tag(Form.MAP)] | Annotated[list[Text], Tag(Form.LIST)],
    either("a mapping, or a list of NAME=VALUE"),
]
