"""Where snapshots are kept, and what makes one whole.

::

    STATE/.snapshots/            0700, beside the clusters' own folders: `lab down` does not touch it
    ├── NAME/                    appears whole or not at all
    │   ├── snapshot.json        what is in it, with the size and digest of every other file
    │   └── …                    what the provider put there
    └── .bases/ID/               node images that came with snapshots of other machines

The files are not forced onto the disk before the snapshot appears: that would take longer than saving. After a power
cut the digests tell whether all of it had arrived.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import EnvironmentProblem, LabError, UsageError
from orchestrator.model.snapshot import Health, SavedFile, SavedMachines
from orchestrator.runtime.fanout import fan_out
from orchestrator.runtime.paths import private_dir, state_root, write_atomic
from orchestrator.runtime.state import ClusterState

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA = 1
MANIFEST = "snapshot.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a snapshot's name may be: it becomes a folder."""

_CHUNK = 1 << 22


@dataclass(frozen=True)
class Snapshot:
    """A snapshot: the cluster's whole state file, its machines, and every file that is in it.

    ``engines`` maps nodes to the version of their Docker engine ("" where it did not answer).
    """

    name: str
    created: datetime
    state: ClusterState
    machines: SavedMachines
    engines: Mapping[str, str]
    health: Health
    files: tuple[SavedFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Entry:
    """One entry of :func:`list_snapshots`: the snapshot, or the problem that keeps it from being read."""

    name: str
    snapshot: Snapshot | None = None
    problem: LabError | None = None


class DamagedSnapshot(EnvironmentProblem):
    """A snapshot that does not hold what was saved."""


def snapshots_root() -> Path:
    """The folder of all snapshots."""
    return state_root() / ".snapshots"


def bases_root() -> Path:
    """The folder of node images that were imported with snapshots."""
    return snapshots_root() / ".bases"


def snapshot_dir(name: str) -> Path:
    """The folder of a snapshot. Raises :class:`UsageError` for a name that cannot be one."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no snapshot's name", hint="letters, digits, dots, dashes and underscores")
    return snapshots_root() / name


def require_free(name: str) -> None:
    """Raise :class:`UsageError` where there is a snapshot of that name."""
    if snapshot_dir(name).exists():
        raise UsageError(
            f"there is a snapshot {name!r} already", hint=f"choose another name, or: lab snapshot rm {name}"
        )


@contextmanager
def appearing(name: str, owner: str) -> Iterator[Path]:
    """A folder to be filled, which becomes the snapshot ``name`` when the body succeeds and vanishes when it does not.

    ``owner`` is the cluster whose lock is held: what an earlier run of it left behind is taken away first.
    """
    with scratch(owner) as folder:
        yield folder
        require_free(name)
        folder.rename(snapshot_dir(name))


@contextmanager
def scratch(owner: str) -> Iterator[Path]:
    """A folder beside the snapshots, gone at the end unless the body has moved it.

    What an earlier run of ``owner``, whose lock is held, has left there is taken away first.
    """
    sweep(owner)
    root = private_dir(snapshots_root())
    folder = Path(tempfile.mkdtemp(prefix=f".{owner}.", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(owner: str) -> None:
    """Take away what an interrupted run of ``owner``, whose lock is held, has left beside the snapshots."""
    for leftover in snapshots_root().glob(f".{owner}.*"):
        shutil.rmtree(leftover, ignore_errors=True)


def write_manifest(folder: Path, snapshot: Snapshot) -> None:
    """Write what is in a snapshot beside its files."""
    document = {"schema": SCHEMA, **_adapter().dump_python(snapshot, mode="json")}
    write_atomic(folder / MANIFEST, (json.dumps(document, indent=2) + "\n").encode())


def read_manifest(folder: Path) -> Snapshot:
    """What is in the snapshot in ``folder``. Raises :class:`DamagedSnapshot`, or what kept it from being read."""
    path = folder / MANIFEST
    try:
        document = json.loads(path.read_bytes())
        schema = document.pop("schema")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise _damaged(folder, f"{MANIFEST} cannot be read: {error or type(error).__name__}") from error
    if schema != SCHEMA:
        raise EnvironmentProblem(
            f"the snapshot {folder.name} has the schema {schema}; this version of lab reads {SCHEMA}",
            hint="use the version of lab that saved it",
        )
    return _validate(folder, document)


def load_snapshot(name: str) -> Snapshot:
    """The snapshot of that name. Raises :class:`UsageError` where there is none, else as :func:`read_manifest`."""
    folder = snapshot_dir(name)
    if not folder.is_dir():
        known = [path.name for path in _folders()]
        hint = f"there are: {', '.join(known)}" if known else "there is none; `lab snapshot save` makes one"
        raise UsageError(f"there is no snapshot {name!r}", hint=hint)
    return read_manifest(folder)


def list_snapshots() -> list[Entry]:
    """Every snapshot, by name; one that cannot be read does not hide the others."""
    entries = []
    for folder in _folders():
        try:
            entries.append(Entry(folder.name, snapshot=read_manifest(folder)))
        except LabError as error:
            entries.append(Entry(folder.name, problem=error))
    return entries


def remove_snapshot(name: str) -> None:
    """Delete a snapshot, damaged or not. Raises :class:`UsageError` where there is none."""
    folder = snapshot_dir(name)
    if not folder.is_dir():
        load_snapshot(name)
    try:
        # From the first moment on nobody takes the rest of it for a snapshot.
        shutil.rmtree(folder.rename(folder.with_name(f".{folder.name}.removed")))
    except OSError as error:
        raise EnvironmentProblem(f"cannot delete {error.filename}: {error.strerror}") from error


def digests(folder: Path, check: Callable[[], None]) -> tuple[SavedFile, ...]:
    """Size and digest of every file below ``folder`` but the manifest; ``check`` may raise to end it early."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return digests_of({str(path.relative_to(folder)): path for path in paths}, check)


def digests_of(files: Mapping[str, Path], check: Callable[[], None]) -> tuple[SavedFile, ...]:
    """Size and digest of files, under the names given."""
    results = fan_out(list(files), lambda name: _digest(name, files[name], check))
    return tuple(result.get() for result in results)


def require_whole(folder: Path, snapshot: Snapshot, check: Callable[[], None]) -> None:
    """Raise :class:`DamagedSnapshot` where a file is not as it was saved; ``check`` may raise to end it early."""
    wrong = changed(folder, snapshot.files, check)
    if wrong:
        raise _damaged(folder, f"not as they were saved: {', '.join(wrong)}")


def changed(folder: Path, files: Sequence[SavedFile], check: Callable[[], None]) -> list[str]:
    """Which of the files below ``folder`` are missing or not as they were."""
    found = {file.path: file for file in digests(folder, check)}
    return [file.path for file in files if found.get(file.path) != file]


def _digest(name: str, path: Path, check: Callable[[], None]) -> SavedFile:
    from xxhash import xxh3_128

    digest, size = xxh3_128(), 0
    buffer = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            check()
            digest.update(buffer[:count])
            size += count
    return SavedFile(name, size, digest.hexdigest())


def _folders() -> Sequence[Path]:
    return sorted(path for path in snapshots_root().glob("[!.]*") if path.is_dir())


@cache
def _adapter() -> TypeAdapter[Snapshot]:
    from pydantic import TypeAdapter

    return TypeAdapter(Snapshot)


def _validate(folder: Path, document: dict[str, Any]) -> Snapshot:
    from pydantic import ValidationError

    try:
        return _adapter().validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _damaged(folder, f"{MANIFEST}: {place}: {first['msg']}") from error


def _damaged(folder: Path, why: str) -> DamagedSnapshot:
    return DamagedSnapshot(
        f"the snapshot {folder.name} is damaged; {why}",
        hint=f"nothing was touched; save a new one, and take this one away with: lab snapshot rm {folder.name}",
    )
