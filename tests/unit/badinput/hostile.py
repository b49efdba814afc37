"""Values that would do harm if they were taken for anything but a value, and files that hold one of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from schema_walk import Spot

from orchestrator.config.compose import load_lab
from orchestrator.config.inventory import load_inventory
from orchestrator.config.problems import Loaded
from orchestrator.errors import ConfigError

ENV = {"HOME": "/nonexistent"}

VALUES = {
    "separator": ";reboot",
    "blanks": "; rm -rf /",
    "substitution": "$(reboot)",
    "backquotes": "`reboot`",
    "redirection": "a|b&c>d",
    "newline": "a\nb: c",
    "parent": "../../x",
    "option": "-oProxyCommand=x",
    "comma": "a,path=x",
    "quotes": "'\"\\",
    "NUL": "a\0b",
    "half a pair": "a\ud800b",
    "look-alike": "n\u0430me",
    "right to left": "a\u202eb",
    "terminal": "a\x1b]0;owned\x07\r\x9b2Jb",
    "markup": "[red]{{.Node.ID}}[/red]",
    "long": "x" * 10_000,
}

LAB = {
    "services": {"web": {"image": "nginx", "networks": ["net", "plain"]}, "two": {"image": "nginx"}},
    "networks": {"net": None, "plain": None, "x": None},
    "configs": {"conf": {"content": "x"}},
    "x-lab": {"containers": {"one": {"image": "nginx"}}},
}
"""What places of a lab file refer to."""

VM = {"name": "walk", "provider": "vm", "nodes": [{"name": "n1", "role": "manager"}]}
SSH = {"name": "walk", "provider": "ssh", "defaults": {"ssh": {"host": "192.0.2.1", "known_hosts": "known"}}}

Load = Loaded[Any] | ConfigError


def lab_with(spot: Spot, value: Any) -> dict[str, Any]:
    """A lab file that is good but for the value."""
    return _merged(LAB, spot.make(value))


def inventory_with(spot: Spot, value: Any) -> dict[str, Any]:
    """An inventory file that is good but for the value."""
    ssh = ".ssh." in spot.path or spot.path.endswith("_addr")
    return _merged(SSH | {"provider": "ssh"} if ssh else VM, spot.make(value) | ({"provider": "ssh"} if ssh else {}))


def load(kind: str, document: Mapping[str, Any], folder: Path) -> Load:
    """What becomes of a file with that content, of kind ``lab`` or ``inventory``."""
    (folder / "known").touch()
    file = folder / "file.yaml"
    file.write_text(yaml.safe_dump(_escaped(document), allow_unicode=True), encoding="utf-8")
    try:
        return load_lab(file, ENV) if kind == "lab" else load_inventory(file, ENV)
    except ConfigError as error:
        return error


def _merged(one: Any, other: Any) -> Any:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {key: _merged(one.get(key), other.get(key, one.get(key))) for key in {**one, **other}}
    return other


def _escaped(value: Any) -> Any:
    """A dollar sign stands doubled in a file; what YAML cannot write is left to its escapes."""
    if isinstance(value, Mapping):
        return {_escaped(key) if isinstance(key, str) else key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value
