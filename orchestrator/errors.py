"""The errors a person may see. Each class knows its exit code; each instance says what to do next.

::

    LabError                 (4) what failed, on which node, the call, what came back, a hint
    ├── UsageError           (2) the command line asks for something that cannot be
    │   └── ConfigError      (2) problems of a configuration file, all at once, with file and line
    ├── EnvironmentProblem   (4) this machine lacks something: a program, a right, space
    ├── NodeError            (4) a node, its sshd or its engine did not do what was asked
    │   └── HostKeyChanged   (4) an sshd shows another key than the one we know: nothing goes on
    ├── RefusedError         (4) we will not do this, because something is in the way that is not ours
    ├── LockedError          (4) another process works on the same lab
    └── Interrupted        (130) Ctrl-C or SIGTERM

Exit codes: 0 pass, 1 a check failed (or ``--plan`` found changes), 2 usage or configuration,
3 inconclusive, 4 environment, 130 interrupted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """What the command's exit code means; part of the interface."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    ENVIRONMENT = 4
    INTERRUPTED = 130


_SECRET = re.compile(r"\b(SWMTKN|SWMKEY)-[\w-]+")
"""Join tokens and unlock keys of swarms, as engines write them (swarmkit, ``ca/config.go``, ``manager/encryption``)."""


def without_secrets(text: str) -> str:
    """The text without what would let somebody into a swarm: engines repeat a token that they refuse."""
    return _SECRET.sub(r"\1-…", text)


class LabError(Exception):
    """Something a person can act on; shown as message and hint, never as a traceback. Holds no join token."""

    exit_code: ExitCode = ExitCode.ENVIRONMENT

    def __init__(self, message: str, *, node: str = "", hint: str = "", details: Sequence[str] = ()) -> None:
        self.message = without_secrets(message)
        super().__init__(self.message)
        self.node = node
        self.hint = without_secrets(hint)
        self.details = tuple(without_secrets(detail) for detail in details)


class UsageError(LabError):
    """The command line asks for something that cannot be."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, order=True)
class ConfigProblem:
    """One problem of a configuration file. ``path`` is the key's place (``nodes[1].role``), "" for the file."""

    file: Path
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(UsageError):
    """All problems of a configuration file at once."""

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        self.problems = tuple(sorted(problems))
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        super().__init__(
            f"{count} {noun} in the configuration; nothing was touched",
            details=[str(problem) for problem in self.problems],
        )


class EnvironmentProblem(LabError):
    """This machine lacks something: a program, a right, space, a usable path."""


class NodeError(LabError):
    """A node, its sshd or its engine did not do what was asked.

    ``kind`` is a kind of :class:`orchestrator.model.observed.Problem`.
    """

    def __init__(
        self, message: str, *, node: str = "", hint: str = "", details: Sequence[str] = (), kind: str = "engine"
    ) -> None:
        super().__init__(message, node=node, hint=hint, details=details)
        self.kind = kind


class HostKeyChanged(NodeError):
    """An sshd shows another host key than the one we know. Somebody may sit in between: no host is worked on."""

    def __init__(self, message: str, *, node: str = "", hint: str = "") -> None:
        super().__init__(message, node=node, hint=hint, kind="host-key")


class RefusedError(LabError):
    """We will not do this, because something is in the way that is not ours."""


class LockedError(LabError):
    """Another process works on the same lab; the message says who."""


class Interrupted(LabError):
    """The person (or the system) asked us to stop."""

    exit_code = ExitCode.INTERRUPTED
