"""A plain container's specification as text, for the label that keeps it on the container."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from orchestrator.model.lab import Container, Port, Protocol, PublishMode

_LEFT_OUT = {"key", "on", "labels"}
"""What does not make the container what it is: where it runs, and how we know it."""


def container_text(spec: Container) -> str:
    """The specification as JSON, with what differs from the defaults only."""
    given = {part.name: getattr(spec, part.name) for part in dataclasses.fields(spec) if part.name not in _LEFT_OUT}
    given["ports"] = [dataclasses.astuple(port) for port in spec.ports]
    return json.dumps({name: value for name, value in given.items() if value}, sort_keys=True, ensure_ascii=False)


def container_of(text: str, key: str) -> Container | None:
    """The way back; ``None`` for a text that :func:`container_text` cannot have written (somebody has damaged it)."""
    try:
        parts: dict[str, Any] = {name: _value(value) for name, value in json.loads(text).items()}
        parts["ports"] = tuple(_port(*port) for port in parts.get("ports", ()))
        return Container(key=key, **parts)
    except (ValueError, TypeError, AttributeError):
        return None


def _value(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _port(published: int, target: int, protocol: str, mode: str) -> Port:
    return Port(published, target, Protocol(protocol), PublishMode(mode))
