"""The whole way as a user who is not root, from an empty cache: image, golden node, up, verify, down."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.lab_command import REPOSITORY

USER = "lab-e2e-user"
SYSTEM_PYTHON = Path("/usr/bin/python3")
RUNUSER = "/usr/sbin/runuser"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a user; the other tests run as one already"),
    pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="needs a Python that every user may run"),
]


@pytest.fixture
def home() -> Iterator[Path]:
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", USER], check=True, capture_output=True)
    folder = Path(pwd.getpwnam(USER).pw_dir)
    try:
        yield folder
    finally:
        subprocess.run(["pkill", "-KILL", "-u", USER], check=False)
        subprocess.run(["userdel", "--remove", USER], check=False, capture_output=True)


def as_user(home: Path, line: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LAB_", "PYTEST", "VIRTUAL"))}
    return subprocess.run(
        [RUNUSER, "-u", USER, "--", "bash", "-c", line],
        cwd=home / "lab",
        env={**environment, "HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.timeout(2400)
def test_the_main_job_without_root(home: Path) -> None:
    files = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    for name in filter(None, files.stdout.split("\0")):
        target = home / "lab" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, target)
    shutil.chown(home / "lab", USER)
    subprocess.run(["chown", "-R", USER, str(home / "lab")], check=True)
    try:
        made = as_user(home, f"make lab PYTHON={SYSTEM_PYTHON}")
        assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-6000:]
        assert "PASS" in made.stdout
        assert "uid=0" not in as_user(home, "id").stdout
    finally:
        down = as_user(home, ".venv/bin/lab down")
    assert down.returncode == 0, down.stderr
    # A zombie is gone already; it waits for the system's init, not for us.
    left = [p.info for p in psutil.process_iter(["username", "status", "name"]) if p.info["username"] == USER]
    assert [info for info in left if info["status"] != psutil.STATUS_ZOMBIE] == []
