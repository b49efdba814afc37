"""File systems made of Debian packages, through ``mmdebstrap`` and the machine's own apt configuration.

The mirror, its keys and any proxy come from what ``apt`` on this machine already uses, so a machine that can
install packages can build nodes. Where apt knows no Debian archive (on Ubuntu), mmdebstrap's default is used.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import EnvironmentProblem
from orchestrator.runtime.context import Context, Progress

_FETCH_OPTION = re.compile(r'^(Acquire::(?:http|https|Retries|Check-Valid-Until|Check-Date)\S*) "([^"]+)";$')


@dataclass(frozen=True)
class RootTar:
    """What to put into a root file system.

    ``variant`` is mmdebstrap's word (``minbase`` is a working system, ``extract`` only unpacks files);
    ``hooks`` are mmdebstrap customize hooks, run after the packages are installed; ``excludes`` are paths
    that dpkg shall not unpack.
    """

    suite: str
    packages: tuple[str, ...]
    variant: str = "minbase"
    hooks: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()


def debian_mirror(index_targets: str) -> str:
    """The first archive in apt's index targets that is Debian's main archive, or "".

    ``index_targets`` is what ``apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)'`` prints.
    """
    for line in index_targets.splitlines():
        origin, _, rest = line.partition("|")
        label, _, uri = rest.partition("|")
        if origin == "Debian" and label == "Debian" and uri:
            return uri
    return ""


def fetch_options(dump: str) -> list[str]:
    """The lines of ``apt-config dump`` that decide how packages are fetched (proxies, checks), as apt options."""
    matches = (_FETCH_OPTION.match(line) for line in dump.splitlines())
    return [f'{match[1]} "{match[2]}"' for match in matches if match]


def mmdebstrap_command(tar: RootTar, output: Path, mirror: str, options: Sequence[str], *, root: bool) -> list[str]:
    """The command that builds ``tar``; as an ordinary user it works in a user namespace."""
    command = ["mmdebstrap", f"--mode={'root' if root else 'unshare'}", f"--variant={tar.variant}", "--format=tar"]
    command.append(f"--include={','.join(tar.packages)}")
    always = ('APT::Install-Recommends "false"', 'Acquire::Languages "none"')
    command += [f"--aptopt={option}" for option in (*always, *options)]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in tar.excludes]
    command += [f"--customize-hook={hook}" for hook in tar.hooks]
    return [*command, tar.suite, str(output), *([mirror] if mirror else [])]


def build_tar(context: Context, tar: RootTar, output: Path, progress: Progress) -> None:
    """Build the file system into the tar file ``output``.

    Raises ``EnvironmentProblem`` with the end of mmdebstrap's own output where it fails.
    """
    wanted = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
    mirror = debian_mirror(_output_of(["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"]))
    options = fetch_options(_output_of(["apt-config", "dump"]))
    command = mmdebstrap_command(tar, output, mirror, options, root=os.geteuid() == 0)
    run_told(context, command, progress, hint="is a Debian mirror in reach? see: apt-get update; lab doctor")


def run_told(context: Context, command: Sequence[str], progress: Progress, *, hint: str) -> None:
    """Run a long command in its own session, telling each line that it prints.

    A cancelled run ends the command. Raises ``EnvironmentProblem`` where it is missing or fails.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise EnvironmentProblem(f"cannot start {command[0]}: {error.strerror}", hint="run: lab doctor") from error

    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)

    tail: deque[str] = deque(maxlen=12)
    with process:
        try:
            with context.closing(end):
                for line in process.stdout or ():
                    tail.append(line.rstrip())
                    progress(line.rstrip().removeprefix("I: "))
        except BaseException:
            end()
            for _ in process.stdout or ():  # until its children are gone, too
                pass
            raise
    context.check()
    if process.returncode:
        raise EnvironmentProblem(
            f"{command[0]} ended with exit code {process.returncode}", hint=hint, details=tuple(tail)
        )


def _output_of(command: Sequence[str]) -> str:
    """What a small command prints; "" where it does not exist or fails (apt is not everywhere)."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
