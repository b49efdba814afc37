"""Files of known host keys (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): who an sshd must prove to be.

paramiko reads them too, but forgets in which line a key stood, and takes a revoked key for any other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

import paramiko

REVOKED = "@revoked"
AUTHORITY = "@cert-authority"


@dataclass(frozen=True)
class KnownKey:
    """One line that holds for a host. ``marker`` is "", ``@revoked`` or ``@cert-authority``."""

    file: Path
    line: int
    kind: str
    blob: bytes
    marker: str = ""

    @property
    def place(self) -> str:
        """``FILE:LINE``."""
        return f"{self.file}:{self.line}"


def fingerprint(blob: bytes) -> str:
    """The fingerprint of a public key as OpenSSH shows it: ``SHA256:…``."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def find(files: Sequence[Path], entry: str) -> list[KnownKey]:
    """All lines of all files that hold for a host (``entry`` is a name, or ``[name]:port``).

    A file that does not exist holds nothing. Raises ``OSError`` for one that cannot be read.
    """
    return [key for file in files for key in _read(file, entry)]


def _read(file: Path, entry: str) -> Iterator[KnownKey]:
    try:
        stamp = file.stat()
        lines = _lines(file, stamp.st_mtime_ns, stamp.st_size)
    except (FileNotFoundError, NotADirectoryError):
        return
    for line in sorted((*lines.plain.get(entry.lower(), ()), *lines.others), key=lambda line: line.number):
        if not names(line.hosts, entry):
            continue
        try:
            blob = base64.b64decode(line.blob, validate=True)
        except (binascii.Error, ValueError):
            continue  # as ssh does: a line that cannot be read holds for nobody
        yield KnownKey(file, line.number, line.kind, blob, line.marker)


@dataclass(frozen=True)
class _Line:
    """A line as it stands in a file: the hosts it names, and a key that may be none."""

    number: int
    marker: str
    hosts: str
    kind: str
    blob: str


@dataclass(frozen=True)
class _Lines:
    """A file by the names that stand in it as they are; ``others`` (hashes, patterns) are compared one by one."""

    plain: dict[str, list[_Line]]
    others: list[_Line]


@lru_cache(maxsize=16)
def _lines(file: Path, mtime: int, size: int) -> _Lines:  # noqa: ARG001 (they tell that the file has changed)
    """A file is read once for all hosts, and anew when it has changed."""
    found = _Lines({}, [])
    for number, text in enumerate(file.read_text("utf-8", "replace").splitlines(), 1):
        words = text.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#"):
            continue
        line = _Line(number, marker, *words[:3])
        if line.hosts.startswith("|") or any(letter in line.hosts for letter in "*?!"):
            found.others.append(line)
            continue
        for name in dict.fromkeys(line.hosts.lower().split(",")):
            found.plain.setdefault(name, []).append(line)
    return found


def names(patterns: str, entry: str) -> bool:
    """Whether the first field of a line holds for a host: a hash of it, or patterns with ``*``, ``?`` and ``!``."""
    if patterns.startswith("|1|"):
        return _hashed(patterns, entry)
    found = False
    for pattern in patterns.lower().split(","):
        if _matches(pattern.removeprefix("!"), entry.lower()):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _matches(pattern: str, entry: str) -> bool:
    # Brackets are no set of letters here, as they are to fnmatch, but stand around a host with a port.
    return fnmatchcase(entry, re.sub(r"\[", "[[]", pattern))


def _hashed(field: str, entry: str) -> bool:
    try:
        _, _, salt, digest = field.split("|")
        want = base64.b64decode(digest)
        have = hmac.new(base64.b64decode(salt), entry.encode(), hashlib.sha1).digest()
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(want, have)


def line_for(entry: str, key: paramiko.PKey, *, hashed: bool) -> str:
    """The line that makes a key known."""
    name = paramiko.HostKeys.hash_host(entry) if hashed else entry
    return f"{name} {key.get_name()} {key.get_base64()}\n"


def append(file: Path, lines: Sequence[str]) -> None:
    """Add lines to a file, which is made (0600) where there is none. Raises ``OSError``.

    One write to the end, on a line of its own: what somebody else writes at the same time stays whole.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        unfinished = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (("\n" if unfinished else "") + "".join(lines)).encode())
    finally:
        os.close(descriptor)
