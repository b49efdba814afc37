"""Which cluster a command is about: from the inventory file, from what is remembered, or from both."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.config.compose import check_labs_together, load_lab
from orchestrator.config.hints import shown
from orchestrator.config.inventory import load_inventory
from orchestrator.errors import ConfigError, ConfigProblem, UsageError
from orchestrator.model.inventory import Inventory, ProviderKind
from orchestrator.model.lab import Lab
from orchestrator.runtime.documents import UnusableDocument
from orchestrator.runtime.paths import state_dir
from orchestrator.runtime.state import ClusterState, list_states, load_state

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""What a cluster's name may be: it becomes a folder."""


@dataclass(frozen=True)
class Wish:
    """What the files ask for: the argument of ``lab up``."""

    inventory: Inventory
    labs: tuple[Lab, ...]
    warnings: tuple[ConfigProblem, ...] = ()

    @property
    def subnets(self) -> tuple[str, ...]:
        """The subnets that the labs' own networks ask for."""
        return tuple(network.subnet for lab in self.labs for network in lab.networks if network.subnet)


@dataclass(frozen=True)
class Existing:
    """A cluster as it was brought up (``state``), or, where nothing is remembered, as the inventory names it."""

    inventory: Inventory
    state: ClusterState | None
    warnings: tuple[str, ...] = ()


def read_wish(file: Path, labs: Sequence[str], env: Mapping[str, str]) -> Wish:
    """The inventory and the labs (those named, else the inventory's own).

    Raises :class:`ConfigError` with the problems of all files at once, :class:`UsageError` for a lab not found.
    """
    loaded = load_inventory(file, env)
    places = [lab_place(shelf_of(loaded.value.path), name) for name in labs] or list(loaded.value.labs)
    found: list[Lab] = []
    problems: list[ConfigProblem] = []
    warnings = list(loaded.warnings)
    for place in places:
        try:
            lab = load_lab(place, env)
        except ConfigError as error:
            problems += error.problems
        else:
            found.append(lab.value)
            warnings += lab.warnings
    if problems:
        raise ConfigError(problems)
    check_labs_together(found, loaded.value)
    return Wish(loaded.value, tuple(found), tuple(warnings))


def shelf_of(file: Path) -> Path:
    """Where labs are that can be called by name: ``labs/`` beside the inventory file."""
    return _place(file).parent / "labs"


def _place(path: Path) -> Path:
    """The path from the root; ``~`` is the home of who is known, and just a name else."""
    with contextlib.suppress(RuntimeError):
        path = path.expanduser()
    return path.absolute()


def lab_place(shelf: Path, name: str) -> Path:
    """The folder or file of a lab: ``NAME`` on this shelf, or ``name`` as a path from here.

    Raises :class:`UsageError` naming the labs that exist.
    """
    for place in (shelf / name, _place(Path(name))):
        with contextlib.suppress(OSError):  # a name that no file can have
            if name and place.exists():
                return place
    known = sorted(path.name for path in shelf.iterdir() if path.is_dir()) if shelf.is_dir() else []
    near = difflib.get_close_matches(name, known, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    there = f"{shelf} holds: {', '.join(known)}" if known else f"{shelf} holds no lab"
    raise UsageError(
        f"there is no lab {shown(name)}", hint=f"{guess}{there}; a path to a folder or Compose file is fine too"
    )


def find_existing(file: Path, env: Mapping[str, str], name: str | None = None) -> Existing | None:
    """The cluster that a command other than ``lab up`` is about; ``None`` where nothing is known of any.

    With ``name`` it is that cluster. Else it is the one that the inventory names, or, where that file is gone or
    broken, the one that was brought up from it. What was brought up counts, whatever the file says by now; where its
    state file is damaged, the inventory has to do.
    """
    if name is not None and not NAME.fullmatch(name):
        raise UsageError(f"{shown(name)} is no cluster's name", hint="1 to 32 lowercase letters, digits and dashes")
    inventory, trouble = _read(file, env)
    if name is not None:
        return _named(name, inventory, file)
    if inventory is None:
        return _brought_up_from(file, trouble)
    found = _remembered(inventory)
    others = [state.name for state in _states_of(file) if state.name != inventory.name]
    warnings = [f"cluster {other} was brought up from {file} too: see `lab down --name {other}`" for other in others]
    return replace(found, warnings=(*found.warnings, *warnings))


def require_existing(file: Path, env: Mapping[str, str]) -> Existing:
    """As :func:`find_existing`; raises the inventory's own error where nothing is known of any cluster."""
    existing = find_existing(file, env)
    if existing is None:
        return Existing(load_inventory(file, env).value, None)
    return existing


def _read(file: Path, env: Mapping[str, str]) -> tuple[Inventory | None, str]:
    """The inventory, or why there is none."""
    try:
        return load_inventory(file, env).value, ""
    except ConfigError as error:
        return None, str(error.problems[0]) if error.problems else error.message


def _named(name: str, inventory: Inventory | None, file: Path) -> Existing | None:
    if inventory is not None and inventory.name == name:
        return _remembered(inventory)
    try:
        state = load_state(name)
    except UnusableDocument as error:
        if not (state_dir(name) / "vm").is_dir():
            raise
        # Machines of ours are found by their folder and their processes: it takes no list of them to end them.
        nameless = Inventory(name, file, ProviderKind.VM, ())
        return Existing(nameless, None, (f"{error.message}; going by what is in {state_dir(name)}",))
    return Existing(state.inventory, state) if state else None


def _remembered(inventory: Inventory) -> Existing:
    """The cluster of this inventory as it was brought up, if that is known; an unusable state file is no dead end."""
    try:
        state = load_state(inventory.name)
    except UnusableDocument as error:
        return Existing(inventory, None, (f"{error.message}; going by {inventory.path}",))
    return Existing(state.inventory if state else inventory, state)


def _brought_up_from(file: Path, trouble: str) -> Existing | None:
    states = _states_of(file)
    if len(states) > 1:
        names = ", ".join(state.name for state in states)
        raise UsageError(
            f"{file} cannot be read ({trouble}), and several clusters were brought up from it: {names}",
            hint="choose one with --name, or put the file right",
        )
    if not states:
        return None
    return Existing(states[0].inventory, states[0], (f"{trouble}; going by what was brought up from it",))


def _states_of(file: Path) -> list[ClusterState]:
    """What is remembered of clusters that were brought up from this inventory file."""
    place = _place(file).resolve()
    states = [entry.state for entry in list_states() if entry.state is not None]
    return [state for state in states if state.inventory.path.resolve() == place]
