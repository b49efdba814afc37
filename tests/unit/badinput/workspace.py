"""A folder of good and bad files, the command in it, and what it did besides telling something."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from typer.testing import CliRunner, Result

from orchestrator.cli.main import app

GOOD = {
    "inventory.yaml": "name: one\nprovider: vm\nnodes: [{name: n1, role: manager}]\n",
    "ssh.yaml": (
        "name: two\nprovider: ssh\nnodes:\n  - {name: h1, role: manager, ssh: {host: 192.0.2.1, known_hosts: known}}\n"
    ),
    "known": "",
    "labs/web/compose.yaml": "services: {web: {image: nginx, ports: ['8080:80']}}\n",
    "labs/twin/compose.yaml": "services: {web: {image: nginx, ports: ['8080:80']}}\n",
}
BAD = {
    "bad.yaml": "name: Bad\nprovider: moon\nnodes: []\n",
    "gone.yaml": "name: one\nprovider: vm\nnodes: [{name: n1, role: manager}]\nlabs: [labs/gone]\n",
    "labs/broken/compose.yaml": "services:\n  web:\n    imgae: nginx\n",
    "labs/tabs/compose.yaml": "services:\n\tweb: {image: nginx}\n",
    "labs/empty/README.md": "# no Compose file here\n",
    "labs/far/compose.yaml": "services: {web: {image: nginx}}\nx-lab: {containers: {one: {image: nginx, on: 7}}}\n",
}


def fill(folder: Path) -> None:
    """Write all files."""
    for name, text in (GOOD | BAD).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "folder.yaml").mkdir()


def lab(*arguments: str, **options) -> Result:
    """The command within this process."""
    return CliRunner().invoke(app, arguments, prog_name="lab", env={"COLUMNS": "100", "NO_COLOR": "1"}, **options)


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything below a folder with its size and when it was last written."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {str(path): (state.st_size, state.st_mtime_ns) for path, state in found.items() if not path.is_dir()}


_seen: list[str] | None = None
_ACTS = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.sendto",
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
)


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _seen is not None and event in _ACTS:
        _seen.append(f"{event} {arguments}")


sys.addaudithook(_hook)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Connections that are attempted and programs that are started meanwhile, in whatever thread."""
    global _seen
    acts: list[str] = []
    _seen = acts
    try:
        yield acts
    finally:
        _seen = None


def with_paths_left_out(text: str, folder: Path) -> str:
    """The text without what differs from one machine to the next."""
    return text.replace(str(folder.resolve()), "DIR").replace(os.fspath(folder), "DIR")
