"""A folder as one compressed file: a tar stream in a Zstandard frame.

Only plain files below plain folders go in and come out; a name that leads out of the folder, a link or a device in a
file that somebody sent is refused. Whether all of it has arrived is for the reader to know: a cut end may go unnoticed.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

import zstandard

from orchestrator.errors import EnvironmentProblem, UsageError
from orchestrator.runtime.paths import private_dir

LEVEL = 3
"""Zstandard's own default. Memory shrinks to about a third with it, and higher levels are slower than a network."""

_CHUNK = 1 << 20
_ZEROS = bytes(_CHUNK)

Told = Callable[[int], None]
"""Is told how many bytes of content have passed; may raise to end it."""


class DamagedArchive(EnvironmentProblem):
    """A file that is no archive of ours, or not all of it."""


def pack(target: Path, members: Mapping[str, Path], told: Told) -> None:
    """Write files into ``target`` (mode 0600), which appears whole; ``members`` maps names to files, in order.

    Raises ``UsageError`` where ``target`` exists, ``EnvironmentProblem`` where it cannot be written.
    """
    if target.exists():
        raise UsageError(f"{target} exists", hint="choose another name, or delete it first")
    try:
        with (
            _appearing(target) as raw,
            _compressor().stream_writer(raw, closefd=False) as stream,
            tarfile.open(fileobj=stream, mode="w|", bufsize=_CHUNK, format=tarfile.PAX_FORMAT) as tar,
        ):
            for name, file in members.items():
                _add(tar, name, file, told)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot write {target}: {error.strerror or error}", hint="is there space, and may you write there?"
        ) from error


def first_member(source: Path) -> tuple[str, bytes]:
    """Name and content of the first file of an archive (which is small). Raises as :func:`unpack`."""
    with _reading(source) as tar:
        member = tar.next()
        content = tar.extractfile(member) if member else None
        if member is None or content is None:
            raise tarfile.TarError("there is nothing in it")
        return member.name, content.read(_CHUNK)


def unpack(source: Path, folder: Path, told: Told) -> None:
    """Write all files of an archive below ``folder``, with mode 0600 in folders of mode 0700; zeros become holes.

    Raises ``DamagedArchive``, and ``EnvironmentProblem`` where something cannot be read or written.
    """
    with _reading(source) as tar:
        for member in tar:
            _extract(tar, member, folder, told)


@contextmanager
def _reading(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with (
            source.open("rb") as raw,
            zstandard.ZstdDecompressor().stream_reader(raw) as stream,
            tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK) as tar,
        ):
            yield tar
    except (zstandard.ZstdError, tarfile.TarError, EOFError) as error:
        raise DamagedArchive(
            f"{source} is no exported snapshot, or is damaged: {error}", hint="copy or export it again"
        ) from error
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot unpack {source}: {error.strerror or error}", hint="is there space, and may you read it?"
        ) from error


def _compressor() -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=LEVEL, threads=-1)


@contextmanager
def _appearing(target: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when the body succeeds and vanishes when it does not."""
    handle, scratch = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        Path(scratch).rename(target)
    finally:
        Path(scratch).unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, name: str, file: Path, told: Told) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = file.stat().st_size, 0o600
    with file.open("rb") as content:
        tar.addfile(info, cast("IO[bytes]", _Told(content, told)))


class _Told:
    """A file that tells how much of it was read."""

    def __init__(self, file: IO[bytes], told: Told) -> None:
        self._file = file
        self._told = told

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._told(len(data))
        return data


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, told: Told) -> None:
    path = PurePosixPath(member.name)
    if not member.isreg() or path.is_absolute() or ".." in path.parts:
        raise DamagedArchive(f"{member.name!r} has no place in an exported snapshot", hint="do not trust that file")
    target = folder / path
    private_dir(target.parent)
    content = tar.extractfile(member)
    if content is None:
        raise tarfile.TarError(f"{member.name} has no content")
    target.touch(mode=0o600, exist_ok=False)
    with content, target.open("r+b") as file:
        while data := content.read(_CHUNK):
            told(len(data))
            if data == _ZEROS[: len(data)]:
                file.seek(len(data), os.SEEK_CUR)
            else:
                file.write(data)
        file.truncate(member.size)
