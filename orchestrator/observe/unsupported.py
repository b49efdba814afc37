"""Settings of a live service that a lab file cannot express. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# What the model can say, by where it stands in a ServiceSpec. ``None``: everything below is known.
_KNOWN: dict[str, Any] = {
    "Name": None,
    "Labels": None,
    "UpdateConfig": None,
    "Mode": {"Replicated": None, "Global": None},
    "EndpointSpec": {"Mode": None, "Ports": None},
    "TaskTemplate": {
        "ForceUpdate": None,  # counts `docker service update --force`; says nothing of the wanted state
        "Runtime": None,
        "RestartPolicy": None,
        "Networks": [{"Target": None, "Aliases": None}],
        "Placement": {"Constraints": None, "MaxReplicas": None, "Platforms": None},
        "ContainerSpec": {
            "Image": None,
            "Labels": None,
            "Command": None,
            "Args": None,
            "Env": None,
            "Hostname": None,
            "User": None,
            "Dir": None,
            "StopGracePeriod": None,
            "CapabilityAdd": None,
            "Isolation": None,
            "Healthcheck": {"Test": None, "Interval": None, "Timeout": None, "Retries": None, "StartPeriod": None},
            "Configs": [{"File": None, "ConfigID": None, "ConfigName": None}],
        },
    },
}


def unsupported(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of settings of a live service that a lab file cannot express (``TaskTemplate.ContainerSpec.Mounts``)."""
    # A job without settings is an empty object, which says something all the same.
    modes = {f"Mode.{mode}" for mode in spec.get("Mode") or {} if mode not in _KNOWN["Mode"]}
    return tuple(sorted(modes | set(_unknown(spec, _KNOWN, ""))))


def _unknown(raw: Any, known: Any, path: str) -> Iterator[str]:  # noqa: ANN401 (any JSON)
    if known is None or not _says_something(raw):
        return
    if isinstance(known, list):
        for item in raw:
            yield from _unknown(item, known[0], path)
        return
    for name, value in raw.items():
        place = f"{path}.{name}" if path else name
        if name in known:
            yield from _unknown(value, known[name], place)
        elif _says_something(value):
            yield place


def _says_something(value: Any) -> bool:  # noqa: ANN401 (any JSON)
    """Whether a value differs from an absent one: zero, empty, and what holds only such things does not."""
    if isinstance(value, Mapping):
        return any(_says_something(item) for item in value.values())
    return bool(value)
