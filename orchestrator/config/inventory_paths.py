"""The files that an inventory names: keys, known hosts, labs. Looks at the file system, changes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from orchestrator.config.inventory_schema import InventoryFile, NodeSettings, Ssh
from orchestrator.config.paths import COMPOSE_NAMES, absolute, compose_files, unreadable
from orchestrator.config.problems import Loc
from orchestrator.config.validation import Checked
from orchestrator.model.inventory import NO_CONFIG, ProviderKind

_PLAIN = re.compile(r"\w[\w.+-]*", re.ASCII)
"""Names that mean nothing to OpenSSH but themselves: it takes blanks, quotes and % in a file's name for its own."""


def check_paths(checked: Checked[InventoryFile], base: Path, env: Mapping[str, str]) -> None:
    """Report files that the inventory names and that cannot be read."""
    file = checked.value
    _check_labs(checked, base, env)
    if file.provider is not ProviderKind.SSH or checked.incomplete("provider"):
        return
    _check_files(checked, ("defaults",), file.defaults, base, env)
    for index, node in enumerate(file.nodes):
        _check_files(checked, ("nodes", index), node, base, env)


def _check_files(
    checked: Checked[InventoryFile], loc: Loc, settings: NodeSettings, base: Path, env: Mapping[str, str]
) -> None:
    given = settings.ssh or Ssh()
    for key, text, what in (
        ("key", given.key, "the private key"),
        ("certificate", given.certificate, "the certificate of a key (KEY-cert.pub)"),
        ("config", given.config if given.config != NO_CONFIG else None, "a configuration file of OpenSSH, or none"),
    ):
        if not text:
            continue
        path = absolute(text, base, env)
        if problem := unreadable(path):
            checked.error((*loc, "ssh", key), f"{str(path)!r}: {problem}; expected {what}")
        elif key == "key" and path.suffix == ".pub":
            checked.error((*loc, "ssh", key), f"{text!r} is the public key; expected the private one beside it")
    if given.known_hosts:
        path = absolute(given.known_hosts, base, env)
        if problem := _no_place(path):
            checked.error(
                (*loc, "ssh", "known_hosts"),
                f"{str(path)!r}: {problem}; expected a known_hosts file, or a place for one (`lab trust` writes it)",
            )


def _no_place(path: Path) -> str:
    """Why a file can neither be read nor made; "" where it can. One that is not there yet must have a plain name."""
    try:
        if _PLAIN.fullmatch(path.name) and path.parent.is_dir() and not path.exists():
            return ""
    except (OSError, ValueError):
        pass  # unreadable() finds the words
    return unreadable(path)


def _check_labs(checked: Checked[InventoryFile], base: Path, env: Mapping[str, str]) -> None:
    seen: dict[Path, int] = {}
    for index, text in enumerate(checked.value.labs):
        path = absolute(text, base, env)
        if path in seen:
            checked.error(("labs", index), f"{text!r} is the same lab as labs[{seen[path]}]; expected it once")
        seen.setdefault(path, index)
        if not compose_files(path):
            checked.error(("labs", index), f"{str(path)!r}: {_no_lab(path)}")


def _no_lab(path: Path) -> str:
    expected = f"expected a Compose file, or a folder with {COMPOSE_NAMES[0]}"
    try:
        state = "there is no Compose file in this folder" if path.is_dir() else "there is no such file or folder"
    except (OSError, ValueError):
        state = "the path cannot be used"
    return f"{state}; {expected}"
