"""JSON Schemas of the two file formats, for editors. They are made from the models that read the files."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from orchestrator.config.compose_schema import LabFile
from orchestrator.config.inventory_schema import InventoryFile
from orchestrator.config.validation import StrictModel

_VARIABLE = {"type": "string", "pattern": r"\$", "description": "A variable: ${NAME} or ${NAME:-default}."}


class _FileSchema(GenerateJsonSchema):
    """JSON Schema as it holds for files: a key needs a value, and a variable may stand where no text is wanted."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """A key that may be left out; ``None`` in a model says that it was, and cannot be written."""
        return self.generate_inner(_without_none(schema["schema"]) if schema["default"] is None else schema["schema"])

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        """A whole number."""
        return _or_variable(super().int_schema(schema))

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        """A number."""
        return _or_variable(super().float_schema(schema))

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        """True or false."""
        return _or_variable(super().bool_schema(schema))

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        """One of some words."""
        words = super().enum_schema(schema)
        return _or_variable({key: value for key, value in words.items() if key in ("enum", "type")})

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """One of some words."""
        return _or_variable(super().literal_schema(schema))

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401 (any of pydantic's core schemas)
        """Titles made from the keys would only repeat them."""
        del schema
        return False


def inventory_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of inventory files."""
    return _published(InventoryFile, "Inventory of Swarm Mesh Lab")


def lab_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of lab files: the part of Compose that is supported."""
    return _published(LabFile, "Lab of Swarm Mesh Lab")


def _published(model: type[StrictModel], title: str) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=_FileSchema)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": title}


def _or_variable(schema: JsonSchemaValue) -> JsonSchemaValue:
    return {"anyOf": [schema, dict(_VARIABLE)]}


def _without_none(schema: Any) -> Any:  # noqa: ANN401 (any of pydantic's core schemas)
    """The schema of a value without the alternative ``None``, under whatever validators it stands."""
    if schema["type"] == "nullable":
        return schema["schema"]
    return {**schema, "schema": _without_none(schema["schema"])} if "schema" in schema else schema
