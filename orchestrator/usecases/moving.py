"""``lab snapshot export`` and ``import``: a snapshot as one file, with all that it needs on another machine.

::

    export.json       the snapshot's name, and every file of `foundation/` with size and digest
    snapshot/…        the snapshot's folder as it is
    foundation/…      what the provider says that the saved machines need besides: disks below theirs, a kernel
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.model.snapshot import Export, SavedFile
from orchestrator.providers import make_provider
from orchestrator.providers.base import Freezable
from orchestrator.runtime.archive import DamagedArchive, first_member, pack, unpack
from orchestrator.runtime.context import Context, Progress
from orchestrator.runtime.lock import locked
from orchestrator.runtime.paths import state_dir
from orchestrator.runtime.snapshots import (
    MANIFEST,
    Snapshot,
    changed,
    digests_of,
    load_snapshot,
    read_manifest,
    require_free,
    require_whole,
    scratch,
    snapshot_dir,
)
from orchestrator.usecases.snapshot import freezable

SCHEMA = 1
HEADER, SNAPSHOT, FOUNDATION = "export.json", "snapshot", "foundation"

_IMPORT = "+import"
"""The name of a lock and of scratch folders; no cluster can be called so."""


def export(context: Context, name: str, target: Path) -> Export:
    """Write a snapshot into the file ``target``, mode 0600, compressed.

    Raises ``DamagedSnapshot`` where it is not whole, ``UsageError`` where ``target`` exists.
    """
    snapshot, folder = load_snapshot(name), snapshot_dir(name)
    with context.phase("check", "Check that the snapshot is whole"):
        require_whole(folder, snapshot, context.check)
        below = freezer_of(snapshot).foundation(snapshot.machines)
        described = digests_of(below, context.check)
    total = snapshot.size + sum(file.size for file in described)
    with _header(name, total, described) as header:
        members = {HEADER: header, f"{SNAPSHOT}/{MANIFEST}": folder / MANIFEST}
        members |= {f"{SNAPSHOT}/{file.path}": folder / file.path for file in snapshot.files}
        members |= {f"{FOUNDATION}/{path}": file for path, file in below.items()}
        with context.step("export", f"write {target}") as progress:
            pack(target, members, _counting(context, progress, total))
    context.notice(
        f"{target} holds all memory and all keys of the nodes: SSH host keys, the swarm's keys and secrets",
        level="warning",
    )
    return Export(name, target, total, target.stat().st_size)


def import_file(context: Context, source: Path) -> Snapshot:
    """Take a snapshot over from a file that :func:`export` has written; it appears whole or not at all.

    Raises ``DamagedArchive`` where the file is not whole, ``UsageError`` where a snapshot has that name already.
    """
    name, total, described = _read_header(source)
    require_free(name)
    with locked(_IMPORT, "lab snapshot import"), scratch(_IMPORT) as folder:
        with context.step("import", f"unpack {source}") as progress:
            unpack(source, folder, _counting(context, progress, total))
        with context.phase("check", "Check that the snapshot is whole"):
            snapshot = _checked(context, source, folder, name, described)
        freezer_of(snapshot).adopt(folder / FOUNDATION, snapshot.machines)
        require_free(name)
        (folder / SNAPSHOT).rename(snapshot_dir(name))
    return snapshot


def freezer_of(snapshot: Snapshot) -> Freezable:
    """The provider of a snapshot's cluster, as it would be on this machine."""
    inventory = snapshot.state.inventory
    return freezable(make_provider(inventory, state_dir(inventory.name)))


def _checked(context: Context, source: Path, folder: Path, name: str, described: tuple[SavedFile, ...]) -> Snapshot:
    wrong = changed(folder / FOUNDATION, described, context.check)
    if wrong or not (folder / SNAPSHOT).is_dir():
        raise _damaged(source, f"not as they were: {', '.join(wrong)}" if wrong else "there is no snapshot in it")
    snapshot = read_manifest(folder / SNAPSHOT)
    wrong = changed(folder / SNAPSHOT, snapshot.files, context.check)
    if wrong or snapshot.name != name:
        raise _damaged(source, f"not as they were: {', '.join(wrong)}" if wrong else "it has two names")
    return snapshot


@contextmanager
def _header(name: str, total: int, described: tuple[SavedFile, ...]) -> Iterator[Path]:
    document = {
        "schema": SCHEMA,
        "name": name,
        "bytes": total,
        "foundation": [[file.path, file.size, file.digest] for file in described],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(document, file)
        file.flush()
        yield Path(file.name)


def _read_header(source: Path) -> tuple[str, int, tuple[SavedFile, ...]]:
    """The snapshot's name, bytes of all content, and the files of its foundation."""
    first, content = first_member(source)
    try:
        document = json.loads(content)
        readable = first == HEADER and document["schema"] == SCHEMA
        described = tuple(SavedFile(*facts) for facts in document["foundation"])
        name, total = str(document["name"]), int(document["bytes"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(source, str(error)) from error
    if not readable:
        raise _damaged(source, f"its first part is {first}, of a kind that this version of lab does not read")
    return name, total, described


def _counting(context: Context, progress: Progress, total: int) -> Callable[[int], None]:
    """Counts bytes and tells them; ``total`` is 0 where it is not known."""
    passed = 0

    def told(count: int) -> None:
        nonlocal passed
        context.check()
        before, passed = passed, passed + count
        if before >> 26 != passed >> 26:
            progress(f"{passed >> 20} MiB", passed / total if total else -1.0)

    return told


def _damaged(source: Path, why: str) -> DamagedArchive:
    return DamagedArchive(f"{source} is no exported snapshot, or is damaged: {why}", hint="copy or export it again")
