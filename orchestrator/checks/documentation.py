"""What a person can know of each kind of check, taken from its class: docstring, keys, types and defaults."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from orchestrator.checks.base import Check
from orchestrator.checks.kinds import KINDS, kind_of
from orchestrator.model.catalogue import KeyDoc, KindDoc

_DEFAULT = re.compile(r"(?P<rest>.*?)\s*Default: (?P<default>.+)\.", re.DOTALL)
"""How a description ends that tells what holds where the key is not there."""

_TYPES = {"integer": "whole number", "number": "number", "boolean": "true or false", "object": "mapping"}


def kinds() -> list[KindDoc]:
    """Every kind of check, in the order in which they are documented."""
    return [describe(check) for check in KINDS.values()]


def describe(check: type[Check]) -> KindDoc:
    """One kind of check."""
    keys = _keys(check.model_json_schema())
    common = set(Check.model_fields)
    return KindDoc(
        name=kind_of(check),
        paragraphs=tuple(" ".join(part.split()) for part in (inspect.getdoc(check) or "").split("\n\n")),
        keys=tuple(key for key in keys if key.name not in common),
        common=tuple(key for key in keys if key.name in common - {"kind"}),
        alters=check.alters,
    )


def _keys(schema: dict[str, Any]) -> list[KeyDoc]:
    required = schema.get("required", ())
    return [_key(name, found, name in required) for name, found in schema["properties"].items()]


def _key(name: str, schema: dict[str, Any], required: bool) -> KeyDoc:
    told = schema.get("description", "")
    split = _DEFAULT.fullmatch(told)
    if split:
        return KeyDoc(name, _type(schema), required, split["default"], split["rest"])
    value = schema.get("default")
    default = "" if value in (None, [], {}) else value if isinstance(value, str) else json.dumps(value)
    return KeyDoc(name, _type(schema), required, default, told)


def _type(schema: dict[str, Any]) -> str:
    """A type of JSON Schema in words; a key without a value is an error, so null is not among them."""
    if "anyOf" in schema:
        return ", or ".join(_type(form) for form in schema["anyOf"] if form.get("type") != "null")
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        *first, last = schema["enum"]
        return f"{', '.join(first)} or {last}" if first else str(last)
    if schema["type"] == "array":
        return f"list: {_type(schema['items'])}"
    if schema["type"] == "string":
        examples = schema.get("examples")
        return f"text such as {' or '.join(examples)}" if examples else "text"
    return _TYPES[schema["type"]] + _range(schema)


def _range(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None:
        return ""
    return f" from {least} to {most}" if most is not None else f", at least {least}"
