"""One point on a ground: strike, look, mend, and search for what is left."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from tests.chaos.ground import HostGround, VmGround
from tests.chaos.points import BASE, COMMANDS, Point
from tests.e2e.lab_command import PATIENCE, REPOSITORY, Done

Ground = HostGround | VmGround
SIGNALS = {
    "kill": (signal.SIGKILL,),
    "truncate-state": (signal.SIGKILL,),
    "interrupt": (signal.SIGINT,),
    "interrupt-twice": (signal.SIGINT, signal.SIGINT),
    "terminate": (signal.SIGTERM,),
}


@dataclass
class Result:
    """What became of a point: ``faults`` is empty where all was well.

    ``code`` is the struck command's exit code. ``struck`` is false where it had ended before the blow could fall.
    """

    point: Point
    at: str = ""
    struck: bool = False
    code: int | None = None
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0


def try_point(ground: Ground, point: Point) -> Result:
    """Carry out one point."""
    result, started = Result(point), time.monotonic()
    command = COMMANDS[point.command]
    if command.from_up:
        _well(ground, result, "up")
    if command.saved:
        _well(ground, result, "snapshot", "save", BASE)
    result.code, result.at, result.struck = _struck(ground, point)
    if point.blow == "truncate-state":
        _truncate(ground, point.share)
    ground.revive()
    _judge_status(ground, result)
    if point.then == "up" and not _damaged(ground):
        _well(ground, result, "up")
        again = ground.lab.run("up", "-o", "json")
        if again.code or again.document["steps"]:
            result.faults.append(f"a second `lab up` is not empty: {_last(again)}")
    _well(ground, result, "down", "--name", "chaos")
    _forget(ground, result)
    result.faults += [f"left: {line}" for line in scan(ground)]
    result.seconds = time.monotonic() - started
    return result


def scan(ground: Ground) -> list[str]:
    """Processes, files (sockets are files) and, on hosts, swarm memberships and objects that are left."""
    return [*ground.lab.processes(), *ground.lab.files(), *ground.left()]


def _struck(ground: Ground, point: Point) -> tuple[int, str, bool]:
    """Run the command until it has told so much, and strike.

    Its exit code, the last line that it told before, and whether it was struck at all.
    """
    process = subprocess.Popen(
        ground.lab.command(*COMMANDS[point.command].words),
        env=ground.lab.environment(),
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.daemon = True  # or a run that is ended would wait for it
    watchdog.start()
    with process:
        said, struck = "", False
        for told, line in enumerate(process.stderr, 1):
            said = line.strip()
            if told >= max(1, round(point.moment * COMMANDS[point.command].lines)):
                _strike(ground, point, process)
                struck = True
                break
        process.stderr.read()
    watchdog.cancel()
    return process.returncode, said, struck


def _strike(ground: Ground, point: Point, process: subprocess.Popen) -> None:
    for number in SIGNALS.get(point.blow, ()):
        process.send_signal(number)
    if point.blow == "full-disk":
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))
    elif point.blow == "crash-vm":
        ground.crash()
    elif point.blow == "drop-ssh":
        ground.drop()
    elif point.blow == "clock":
        ground.jump()


def _state_file(ground: Ground):
    return ground.lab.state / "chaos" / "state.json"


def _truncate(ground: Ground, share: float) -> None:
    file = _state_file(ground)
    if file.exists():
        whole = file.read_bytes()
        file.write_bytes(whole[: int(share * len(whole))])


def _damaged(ground: Ground) -> bool:
    """Whether the state file cannot be read: `lab up` refuses then and says that `lab down` cleans."""
    try:
        return _state_file(ground).exists() and not json.loads(_state_file(ground).read_text())
    except ValueError:
        return True


def _judge_status(ground: Ground, result: Result) -> None:
    """`lab status` must work, and say of each host what that host says of itself."""
    done = ground.lab.run("status", "-o", "json")
    if done.code:
        result.faults.append(f"`lab status` fails: {_last(done)}")
        return
    told = {node["name"]: node["state"] for node in done.document["nodes"]}
    for name, state in ground.states().items():
        out = told[name] in {"swarm inactive", "down"}
        if out is not (state == "inactive"):
            result.faults.append(f"`lab status` says {told[name]!r} of {name}, whose engine says {state!r}")


def _well(ground: Ground, result: Result, *words: str) -> None:
    done = ground.lab.run(*words)
    if done.code:
        result.faults.append(f"`lab {' '.join(words)}` ends with {done.code}: {_last(done)}")


def _forget(ground: Ground, result: Result) -> None:
    """Delete all snapshots, which outlive a cluster on purpose; what is no snapshot stays, to be found."""
    folder = ground.lab.state / ".snapshots"
    if folder.exists():
        listed = ground.lab.run("snapshot", "ls", "-o", "json")
        if listed.code:
            result.faults.append(f"`lab snapshot ls` ends with {listed.code}: {_last(listed)}")
            return
        for snapshot in listed.document["snapshots"]:
            _well(ground, result, "snapshot", "rm", snapshot["name"])
        with suppress(OSError):
            folder.rmdir()


def _last(done: Done) -> str:
    return " | ".join((done.err or done.out).strip().splitlines()[-4:])
