"""Where this tool keeps its files, and how it writes them.

Everything is private to the user (folders 0700, files 0600): the state folder holds keys of the machines that we make.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from orchestrator.errors import EnvironmentProblem

APPLICATION = "swarm-mesh-lab"
STATE_VARIABLE = "LAB_STATE_DIR"
CACHE_VARIABLE = "LAB_CACHE_DIR"


def state_root() -> Path:
    """The folder that holds one folder per cluster; ``LAB_STATE_DIR`` overrides the platform's place."""
    return _folder(STATE_VARIABLE, "user_state_dir")


def cache_root() -> Path:
    """The folder for what can be made again (node images); ``LAB_CACHE_DIR`` overrides the platform's place."""
    return _folder(CACHE_VARIABLE, "user_cache_dir")


def state_dir(name: str) -> Path:
    """The folder of the cluster ``name``. Nothing is created: see :func:`private_dir`."""
    return state_root() / name


def private_dir(path: Path) -> Path:
    """Make ``path`` and its missing parents with mode 0700 and return it.

    Raises :class:`EnvironmentProblem` where that is not possible.
    """
    try:
        for folder in reversed([path, *path.parents]):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        if not path.is_dir():
            raise NotADirectoryError(f"{path} is not a folder")
    except OSError as error:
        raise _unusable(path, error) from error
    return path


def close_to_others(folder: Path) -> None:
    """Take all rights of others from the files of a folder that other programs have filled."""
    for path in folder.iterdir():
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)


def write_atomic(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` (mode 0600) so that a reader, or a crash, sees the old or the new file whole.

    Raises :class:`EnvironmentProblem` where the folder cannot be written or the disk is full.
    """
    folder = private_dir(path.parent)
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        _flush_folder(folder)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise _unusable(path, error) from error


def sweep(path: Path, *, older: float = 0.0) -> None:
    """Remove what writes of ``path`` that were cut off have left beside it.

    Nobody else may be writing ``path`` meanwhile, unless only what is ``older`` than so many seconds goes.
    """
    for part in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):
            if not older or time.time() - part.stat().st_mtime > older:
                part.unlink()


def _flush_folder(folder: Path) -> None:
    """Put the new name of a file on the disk too, so that it is there after a power failure."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _folder(variable: str, kind: str) -> Path:
    """The folder named by the environment variable, or the platform's folder of that kind."""
    chosen = os.environ.get(variable, "")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    place: str = getattr(platformdirs, kind)(APPLICATION, appauthor=False)
    return Path(place)


def _unusable(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"cannot write {path}: {error.strerror or error}",
        hint=f"make the folder writable, or choose others with {STATE_VARIABLE} and {CACHE_VARIABLE}",
    )
