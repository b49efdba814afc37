"""PURE: which command comes to grief when, how, and what is tried afterwards. A seed and a number tell it all."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command to strike at; ``from_up`` means that the cluster is up before, else it is gone.

    ``lines`` is about how many lines of progress it tells where nothing disturbs it. ``saved`` means that there is a
    snapshot :data:`BASE` before.
    """

    words: tuple[str, ...]
    from_up: bool
    lines: int
    saved: bool = False


BASE = "base"
"""The name of the snapshot that is saved where a command needs one."""


COMMANDS = {
    "up": Command(("up",), from_up=False, lines=28),
    "verify": Command(("verify", "--requests", "4"), from_up=True, lines=8),
    "down": Command(("down",), from_up=True, lines=20),
    "snapshot": Command(("snapshot", "save", "struck"), from_up=True, lines=11),
    "restore": Command(("restore", BASE), from_up=True, lines=19, saved=True),
}
"""What is struck at. A new command that changes something gets a line here, and nothing else."""

ONLY_MACHINES = ("snapshot", "restore")
"""Commands that hosts which exist do not know."""

BLOWS = {
    "kill": "SIGKILL",
    "interrupt": "Ctrl-C once (SIGINT)",
    "interrupt-twice": "Ctrl-C twice",
    "terminate": "SIGTERM",
    "full-disk": "no file can be written any more (RLIMIT_FSIZE 0), by no child either",
    "truncate-state": "SIGKILL, and the state file ends somewhere in its middle",
    "crash-vm": "a node loses its power, and the command goes on without it",
    "drop-ssh": "all SSH connections break, and the command goes on without them",
    "clock": "all nodes' clocks jump ten minutes ahead, and back afterwards",
}
"""What happens to the command, or around it."""

AFTERWARDS = ("up", "down")
"""What is tried first then; after an ``up`` a ``down`` follows."""


@dataclass(frozen=True)
class Point:
    """One point: ``moment`` is how much of the command's usual progress has been told (0 to 1), ``share`` is for blows
    that need one more random number (how much of the state file stays)."""

    number: int
    command: str
    blow: str
    moment: float
    share: float
    then: str

    def __str__(self) -> str:
        return f"{self.number}: {self.blow} at {self.moment:.0%} of `lab {self.command}`, then {self.then}"


def draw(
    seed: int, number: int, blows: tuple[str, ...] = tuple(BLOWS), commands: tuple[str, ...] = tuple(COMMANDS)
) -> Point:
    """The point of that number, whatever other points are tried."""
    chance = random.Random(f"{seed}/{number}")
    return Point(
        number,
        chance.choice(commands),
        chance.choice(blows),
        chance.random(),
        chance.random(),
        chance.choice(AFTERWARDS),
    )
