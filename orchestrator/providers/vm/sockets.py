"""UNIX sockets of the programs we start: whether somebody listens there, and addresses that are short enough."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def listens(path: Path) -> bool:
    """Whether somebody listens at the socket. That its file exists is true some moments before."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            with short_path(path) as address:
                client.connect(address)
        except OSError:
            return False
        return True


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A path to the same file that fits into a UNIX socket address (108 bytes), however deep the folder lies."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
