"""The files that an inventory names: keys, known hosts, labs. Looks at the file system, changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.config.inventory_checks import ssh_incomplete
from orchestrator.config.inventory_schema import InventoryFile, NodeSettings, Ssh
from orchestrator.config.inventory_settings import effective
from orchestrator.config.paths import COMPOSE_NAMES, absolute, compose_files, unreadable
from orchestrator.config.problems import Loc
from orchestrator.config.validation import Checked
from orchestrator.model.inventory import ProviderKind

DEFAULT_KNOWN_HOSTS = "~/.ssh/known_hosts"


def known_hosts_of(ssh: Ssh, base: Path, env: Mapping[str, str]) -> Path:
    """The file in which the host's key stands."""
    return absolute(ssh.known_hosts or DEFAULT_KNOWN_HOSTS, base, env)


def check_paths(checked: Checked[InventoryFile], base: Path, env: Mapping[str, str]) -> None:
    """Report files that the inventory names and that cannot be read."""
    file = checked.value
    _check_labs(checked, base, env)
    if file.provider is not ProviderKind.SSH or checked.incomplete("provider"):
        return
    _check_files(checked, ("defaults",), file.defaults, base, env)
    for index, node in enumerate(file.nodes):
        _check_files(checked, ("nodes", index), node, base, env)
    _check_default_known_hosts(checked, absolute(DEFAULT_KNOWN_HOSTS, base, env))


def _check_files(
    checked: Checked[InventoryFile], loc: Loc, settings: NodeSettings, base: Path, env: Mapping[str, str]
) -> None:
    given = settings.ssh or Ssh()
    for key, text, what in (
        ("key", given.key, "the private key"),
        ("known_hosts", given.known_hosts, "a known_hosts file"),
    ):
        if not text:
            continue
        path = absolute(text, base, env)
        if problem := unreadable(path):
            checked.error((*loc, "ssh", key), f"{str(path)!r}: {problem}; expected {what}")
        elif key == "key" and path.suffix == ".pub":
            checked.error((*loc, "ssh", key), f"{text!r} is the public key; expected the private one beside it")


def _check_default_known_hosts(checked: Checked[InventoryFile], path: Path) -> None:
    """Report a missing default file once, at the first node that needs it."""
    file = checked.value
    needing = []
    for index, node in enumerate(file.nodes):
        settings = effective(file.defaults, node).ssh
        if settings and not settings.known_hosts and not ssh_incomplete(checked, index):
            needing.append(index)
    problem = unreadable(path) if needing else ""
    if problem:
        names = ", ".join(file.nodes[index].name for index in needing)
        checked.error(
            ("nodes", needing[0]),
            f"ssh.known_hosts is not given (for {names}), and the default {str(path)!r}: {problem}; "
            "expected a file with the hosts' keys (ssh-keyscan writes one; compare the fingerprints)",
        )


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
