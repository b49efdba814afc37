"""Every place of a file schema where a person writes a value, found by walking the pydantic models.

A field that is added to a schema is walked without anybody thinking of it.
"""

import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import PlainValidator

from orchestrator.checks.base import Check
from orchestrator.config.validation import StrictModel

REQUIRED = {
    "body": {"Name": "x"},
    "control_network": "plain",
    "control_service": "two",
    "count": 1,
    "does": "update",
    "from": "service:web",
    "image": "nginx",
    "key": "one",
    "message": "said",
    "network": "net",
    "of": "service:web",
    "on": "node:1",
    "port": 80,
    "post": "/services/create",
    "provider": "vm",
    "resolves_to": "vip",
    "role": "manager",
    "service": "web",
    "source": "conf",
    "state": "running",
    "status": 404,
    "target": 80,
    "to": "service:two",
}
"""Good values of the keys that a schema requires, whatever it is the schema of."""

NAMES = {"NetworkCheck": "net", "NamesCheck": "web", "Node": "n1", "InventoryFile": "walk"}
"""Good names, by the model that requires one."""

BESIDE = {"PayloadCheck": {"network": "net"}, "ReachCheck": {"network": "net"}, "UdpCheck": {"network": "net"}}
BESIDE |= {"NamesCheck": {"network": "net"}, "InterfacesCheck": {"has": ["lo"]}, "LabConfig": {"content": "x"}}
BESIDE |= {"IpamConfig": {"subnet": "10.9.0.0/24"}, "Healthcheck": {"test": "true"}}
"""Keys that must be there with others, by model."""

INSTEAD = {"file": "content", "disable": "test"}
"""Keys that exclude one of those."""


@dataclass(frozen=True)
class Spot:
    """A place where a value stands; ``make`` gives the document with a value there. A key of a mapping is ``KEY``.

    ``text`` says that any text may be meant there, not just a number or one of some words.
    """

    path: str
    make: Callable[[Any], Any]
    text: bool = True


def spots(model: type[StrictModel]) -> list[Spot]:
    """Every place of the files that the model describes; what all kinds of checks have in common, once."""
    return list({spot.path: spot for spot in _spots(model, ())}.values())


def _spots(annotation: Any, metadata: tuple[Any, ...]) -> Iterator[Spot]:
    if inspect.isclass(annotation) and issubclass(annotation, StrictModel):
        yield from _of_model(annotation)
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _spots(arguments[0], (*arguments[1:], *metadata))
        return
    if origin in (Union, types.UnionType):
        for form in arguments:
            yield from _spots(form, ()) if form is not types.NoneType else ()
        return
    if any(isinstance(item, PlainValidator) for item in metadata) or origin not in (list, tuple, dict):
        words = get_origin(annotation) is Literal or (inspect.isclass(annotation) and issubclass(annotation, Enum))
        number = annotation in (int, float, bool) and not any(isinstance(item, PlainValidator) for item in metadata)
        yield Spot("", lambda value: value, text=not words and not number)
    if origin in (list, tuple):
        for spot in _spots(arguments[0], ()):
            yield Spot(f"[0]{_after(spot.path)}", lambda value, spot=spot: [spot.make(value)], spot.text)
    if origin is dict:
        yield Spot("KEY", lambda value: {value: _least(arguments[1])})
        for spot in _spots(arguments[1], ()):
            yield Spot(f"x{_after(spot.path)}", lambda value, spot=spot: {"x": spot.make(value)}, spot.text)


def _of_model(model: type[StrictModel]) -> Iterator[Spot]:
    least = _least(model)
    for name, field in model.model_fields.items():
        key = field.alias or name
        for spot in _spots(field.annotation, tuple(field.metadata)):
            path = f"{_label(model, name)}{key}{_after(spot.path)}"
            good = {one: value for one, value in least.items() if one != INSTEAD.get(key)}
            yield Spot(path, lambda value, key=key, spot=spot, good=good: good | {key: spot.make(value)}, spot.text)


def _label(model: type[StrictModel], field: str) -> str:
    """Kinds of checks stand in one list: their name tells them apart, but for what all have."""
    return f"<{model.tag()[1:]}>." if model.tag() and field not in Check.model_fields else ""


def _after(path: str) -> str:
    return path if not path or path.startswith("[") else f".{path}"


def _least(annotation: Any) -> Any:
    """A good value with nothing in it that may be left out."""
    if get_origin(annotation) is Annotated:
        return _least(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return _least(get_args(annotation)[0])
    if not inspect.isclass(annotation) or not issubclass(annotation, StrictModel):
        return "x"
    wanted = {field.alias or name: field for name, field in annotation.model_fields.items() if field.is_required()}
    given = {key: NAMES[annotation.__name__] if key == "name" else REQUIRED.get(key) for key in wanted}
    given |= {"kind": annotation.tag()[1:]} if annotation.tag() else {}
    given |= {"nodes": [{"name": "n1", "role": "manager"}]} if "nodes" in wanted else {}
    assert None not in given.values(), f"schema_walk.py: say what is a good value for the keys of {annotation.__name__}"
    return {**BESIDE.get(annotation.__name__, {}), **given}
