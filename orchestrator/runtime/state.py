"""What we remember of a cluster that is up, so that ``lab down`` works without its inventory.

One file per cluster, ``STATE/NAME/state.json``. It holds the whole inventory as it was resolved: the machines that
exist are those of the last ``lab up``, whatever the inventory file says now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import EnvironmentProblem, LabError
from orchestrator.model.inventory import Inventory
from orchestrator.runtime.documents import damaged, read_document, write_document
from orchestrator.runtime.paths import state_dir, state_root, sweep

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA = 1
FILE = "state.json"
HINT = "run `lab down` with the inventory at hand: it finds what is there by labels and processes"


@dataclass(frozen=True)
class LabRecord:
    """A lab that ``lab up`` has deployed, and the file or folder it came from."""

    name: str
    path: Path


@dataclass(frozen=True)
class ClusterState:
    """A cluster that we made or began to make.

    ``cluster_id`` is "" until the swarm stands; ``members`` are the node ids that were seen in that swarm, by which
    a worker is known to be ours when no manager is left. ``created`` is when the first ``lab up`` began.
    """

    inventory: Inventory
    created: datetime
    cluster_id: str = ""
    members: tuple[str, ...] = ()
    labs: tuple[LabRecord, ...] = ()

    @property
    def name(self) -> str:
        """The cluster's name, which is the inventory's."""
        return self.inventory.name


@dataclass(frozen=True)
class StateEntry:
    """One entry of :func:`list_states`: the state, or the problem that keeps it from being read."""

    name: str
    state: ClusterState | None = None
    problem: LabError | None = None


def state_file(name: str) -> Path:
    """The state file of the cluster ``name``."""
    return state_dir(name) / FILE


def save_state(state: ClusterState) -> None:
    """Write the state of a cluster; raises :class:`EnvironmentProblem` where the folder cannot be written."""
    write_document(state_file(state.name), SCHEMA, _adapter().dump_python(state, mode="json"))


def load_state(name: str) -> ClusterState | None:
    """The state of the cluster ``name``, ``None`` where there is none.

    Raises :class:`UnusableDocument` for a file that is damaged or was written by a newer version,
    :class:`EnvironmentProblem` for one that cannot be read.
    """
    path = state_file(name)
    document = read_document(path, SCHEMA, hint=HINT)
    return None if document is None else _validate(path, document)


def remove_state(name: str) -> None:
    """Forget the cluster ``name``, and remove its folder if nothing else is in it."""
    path = state_file(name)
    try:
        path.unlink(missing_ok=True)
        sweep(path)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot remove {path}: {error.strerror}", hint="look at its owner and mode"
        ) from error


def list_states() -> Sequence[StateEntry]:
    """Every cluster of which a state file exists, by name; one that cannot be read does not hide the others."""
    entries = []
    for path in sorted(state_root().glob(f"*/{FILE}")):
        name = path.parent.name
        try:
            entries.append(StateEntry(name, state=load_state(name)))
        except LabError as error:
            entries.append(StateEntry(name, problem=error))
    return entries


@cache
def _adapter() -> TypeAdapter[ClusterState]:
    from pydantic import TypeAdapter

    return TypeAdapter(ClusterState)


def _validate(path: Path, document: dict[str, Any]) -> ClusterState:
    from pydantic import ValidationError

    try:
        state = _adapter().validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise damaged(path, f"{place}: {first['msg']}", HINT) from error
    if state.name != path.parent.name:
        raise damaged(path, f"it describes the cluster {state.name!r}", HINT)
    return state
