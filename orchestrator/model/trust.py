"""What ``lab trust`` found out about the host keys of an inventory, and what it did about them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class KeyState(StrEnum):
    """How well an sshd is known."""

    KNOWN = "known"
    RECORDED = "recorded"
    NEW = "new"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class HostKey:
    """One sshd on the way to one or more nodes.

    ``kind`` and ``fingerprint`` are of the key that it shows, "" where it could not be asked: ``message`` and ``hint``
    say why. ``file`` and ``line`` (from 1; 0 for none) are where its key stands, or would be recorded.
    """

    nodes: tuple[str, ...]
    host: str
    port: int
    via: str
    state: KeyState
    kind: str = ""
    fingerprint: str = ""
    file: Path | None = None
    line: int = 0
    message: str = ""
    hint: str = ""


@dataclass(frozen=True)
class TrustOutcome:
    """Every sshd of an inventory, jump hosts first. ``advice`` says how keys that are new come to be recorded."""

    cluster: str
    keys: tuple[HostKey, ...]
    advice: str = ""
