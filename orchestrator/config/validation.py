"""Plain data → pydantic models, with every problem told in this project's words and at its line.

When something is wrong, the rest is still validated: the wrong parts are left out and what remains is checked
again, so that problems *between* values (a name given twice, overlapping subnets) show in the same run.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from orchestrator.config.hints import did_you_mean, one_of, shown
from orchestrator.config.problems import Loc
from orchestrator.config.source import Source


class Form(StrEnum):
    """Tags of the forms that a value can have. No key of a file can look like them: keys are printable."""

    LIST = "\0list"
    MAP = "\0map"
    TEXT = "\0text"


class StrictModel(BaseModel):
    """Base of all file schemas: unknown keys, other types and keys without a value are errors."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    format_name: ClassVar[str] = ""
    """The format of which this is a part, where there are keys of it that we do not support."""
    unsupported: ClassVar[frozenset[str]] = frozenset()
    """Keys that the format knows and that we do not support."""

    @classmethod
    def tag(cls) -> str:
        """What tells this form of a value from the others in a place that pydantic reports; "" where it is the only."""
        return ""

    @field_validator("*", mode="before")
    @classmethod
    def _has_value(cls, value: object) -> object:
        if value is None:
            raise PydanticCustomError(
                "no_value", "the key has no value; write one, or take the key out if it is optional"
            )
        return value


KIND_ERROR = "kind"
"""Type of the problem that a mapping does not tell which of several kinds it is."""

Model = TypeVar("Model", bound=StrictModel)


@dataclass(frozen=True)
class _Rest:
    """A document without its broken parts; ``kept`` has, per list, the positions of its items in the file."""

    data: Any
    kept: Mapping[Loc, list[int]]

    def in_file(self, loc: Loc) -> Loc:
        """A place in this data as a place in the file."""
        found: Loc = ()
        for part in loc:
            positions = self.kept.get(found, [])
            found = (*found, positions[part] if isinstance(part, int) and positions else part)
        return found


@dataclass(frozen=True)
class Checked(Generic[Model]):
    """A validated document in which broken parts may be left out.

    Places are counted as in ``value``; :meth:`error` and :meth:`warn` translate them to the file.
    """

    value: Model
    source: Source
    dropped: frozenset[Loc]
    rest: _Rest

    def error(self, loc: Loc, message: str) -> None:
        """Report a problem at a place of ``value``."""
        self.source.report.error(self.rest.in_file(loc), message)

    def warn(self, loc: Loc, message: str) -> None:
        """Report a warning at a place of ``value``."""
        self.source.report.warn(self.rest.in_file(loc), message)

    def line(self, loc: Loc) -> int:
        """The line of a place of ``value``."""
        return self.source.report.line(self.rest.in_file(loc))

    def in_file(self, loc: Loc) -> Loc:
        """A place of ``value`` as a place in the file."""
        return self.rest.in_file(loc)

    def incomplete(self, *loc: str | int) -> bool:
        """Whether something at or below that place of the file was left out."""
        return any(part[: len(loc)] == loc for part in self.dropped)


def validate(source: Source, model: type[Model], placeholders: Mapping[str, object]) -> Checked[Model] | None:
    """Validate a document, reporting what is wrong; ``None`` where too little is left to look further.

    ``placeholders`` stand in for required top-level keys that are missing or broken.
    """
    dropped = set(source.broken)
    typed = _typed_where_wanted(source, model, _without(source.data, dropped, {}))
    rest = _without(source.data, dropped, typed)
    problems = _problems(model, rest.data)
    for problem in problems:
        _report(problem, model, rest, source)
    while problems:
        before = len(dropped)
        dropped |= {_to_drop(problem, rest) for problem in problems}
        if () in dropped or len(dropped) == before:
            return None
        rest = _without(source.data, dropped, typed, placeholders)
        problems = _problems(model, rest.data)
    return Checked(model.model_validate(rest.data), source, frozenset(dropped), rest)


def _typed_where_wanted(source: Source, model: type[StrictModel], rest: _Rest) -> dict[Loc, object]:
    """Values of variables as numbers or truth values, wherever their text does not fit."""
    places = {_place(problem, rest) for problem in _problems(model, rest.data)}
    return {place: value for place, value in source.typed.items() if place in places}


def _problems(model: type[StrictModel], data: object) -> list[ErrorDetails]:
    try:
        model.model_validate(data)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _without(
    data: object, dropped: set[Loc], replaced: Mapping[Loc, object], placeholders: Mapping[str, object] | None = None
) -> _Rest:
    kept: dict[Loc, list[int]] = {}

    def copy(value: object, loc: Loc) -> object:
        if isinstance(value, list):
            kept[loc] = [index for index in range(len(value)) if (*loc, index) not in dropped]
            return [copy(value[index], (*loc, index)) for index in kept[loc]]
        if isinstance(value, dict):
            return {key: copy(item, (*loc, key)) for key, item in value.items() if (*loc, key) not in dropped}
        return replaced.get(loc, value)

    root = copy(data, ())
    return _Rest({**(placeholders or {}), **root} if isinstance(root, dict) else root, kept)


def _place(problem: ErrorDetails, rest: _Rest) -> Loc:
    """Where in the file the problem is, without the tags of forms and kinds that pydantic puts into the place."""
    return rest.in_file(tuple(part for part in problem["loc"] if not _is_tag(part)))


def _is_tag(part: str | int) -> bool:
    return isinstance(part, str) and part.startswith("\0")


def _to_drop(problem: ErrorDetails, rest: _Rest) -> Loc:
    """What must go so that the problem is gone: without a required key, all that is around it."""
    place = _place(problem, rest)
    return place[:-1] if problem["type"] == "missing" and len(place) > 1 else place


def _report(problem: ErrorDetails, model: type[StrictModel], rest: _Rest, source: Source) -> None:
    place = _place(problem, rest)
    if place in source.broken:
        return
    if problem["type"] == "extra_forbidden":
        tags = {part for part in problem["loc"] if _is_tag(part)}
        models = _models_at(model, place[:-1])
        message = _unknown_key(str(place[-1]), [found for found in models if found.tag() in tags] or models)
    else:
        message = _message(problem)
    if place in source.substituted:
        message += f" (from {source.substituted[place]!r})"
    source.report.error(place, message)


def _models_at(annotation: object, loc: Loc) -> list[type[StrictModel]]:
    """The schema classes that a place of a document can have; of a value with several forms, those of all."""
    if inspect.isclass(annotation) and issubclass(annotation, StrictModel):
        if not loc:
            return [annotation]
        fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
        return _models_at(fields[str(loc[0])].annotation, loc[1:]) if loc[0] in fields else []
    collection = get_origin(annotation)
    if collection in (list, dict):
        fits = bool(loc) and isinstance(loc[0], int) == (collection is list)
        return _models_at(get_args(annotation)[-1], loc[1:]) if fits else []
    return [model for argument in get_args(annotation) for model in _models_at(argument, loc)]


def _unknown_key(key: str, models: list[type[StrictModel]]) -> str:
    """What to say of a key that no schema has at its place."""
    ours = [field.alias or name for model in models for name, field in model.model_fields.items()]
    if any(key in model.unsupported for model in models):
        return f"{models[0].format_name} knows this key, but lab does not support it; supported here: {', '.join(ours)}"
    return f"unknown key{did_you_mean(key, ours) or f'; expected {one_of(ours)}'}"


def _message(problem: ErrorDetails) -> str:
    value, context = problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return "the required key is missing"
        case "enum" | "literal_error":
            choices = re.findall(r"'([^']*)'", str(context["expected"])) or [str(context["expected"])]
            near = did_you_mean(value, choices) if isinstance(value, str) else ""
            return f"expected {one_of(choices)}, got {shown(value)}{near}"
        case "value_error":
            return str(context["error"])
        case "form":
            return f"{problem['msg']}, got {shown(value)}"
        case "kind":
            return _unknown_kind(value, context["key"], context["kinds"])
    if size := _SIZES.get(problem["type"]):
        return size.format(got=shown(value), **context)
    if expected := _KINDS.get(problem["type"]):
        return f"expected {expected}, got {shown(value)}{_type_advice(problem['type'], value)}"
    return problem["msg"]


_SIZES = {
    "too_short": "expected at least one entry, got none",
    "too_long": "expected one entry, got {actual_length}",
    "greater_than_equal": "expected at least {ge:g}, got {got}",
    "less_than_equal": "expected at most {le:g}, got {got}",
}


def _unknown_kind(value: object, key: str, kinds: list[str]) -> str:
    """What to say of a mapping that does not name which of several kinds it is."""
    given = value.get(key) if isinstance(value, dict) else None
    if given is None:
        got = f"the required key {key} is missing" if isinstance(value, dict) else f"got {shown(value)}"
        return f"{got}; expected a mapping with {key}: {one_of(kinds)}"
    near = did_you_mean(given, kinds) if isinstance(given, str) else ""
    return f"{key}: expected {one_of(kinds)}, got {shown(given)}{near}"


_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def _type_advice(kind: str, value: object) -> str:
    if kind == "string_type" and isinstance(value, int | float):
        return "; put it in quotes"
    if kind in ("int_type", "float_type") and isinstance(value, str) and value.isdigit():
        return "; leave the quotes out"
    if kind == "bool_type" and isinstance(value, str):
        near = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(value.lower(), value.lower())
        return f"; did you mean {near}?" if near in ("true", "false") else ""
    return ""
