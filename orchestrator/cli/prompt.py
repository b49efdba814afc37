"""Questions to the person: on the terminal, or by the program that ``SSH_ASKPASS`` names (ssh(1)).

The terminal itself (``/dev/tty``) is asked, so that neither a result on stdout nor a list on stdin plays a part.
"""

from __future__ import annotations

import os
import select
import subprocess
import termios
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

TERMINAL = "/dev/tty"
POLL_SECONDS = 0.1
LONGEST = 4096


def answer(question: str, *, secret: bool, stopped: Callable[[], bool], env: Mapping[str, str]) -> str | None:
    """Ask, and wait for a line. ``None`` where there is nobody to ask, and once ``stopped`` says so."""
    wish = env.get("SSH_ASKPASS_REQUIRE", "")
    program = env.get("SSH_ASKPASS", "") if secret and wish != "never" else ""
    if program and wish == "force":
        return _by_program(program, question)
    try:
        descriptor = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return _by_program(program, question) if program else None
    try:
        return _on_terminal(descriptor, question, secret=secret, stopped=stopped)
    finally:
        os.close(descriptor)


def _by_program(program: str, question: str) -> str | None:
    """What the program prints; ``None`` where it fails, which is how it says that the person cancelled."""
    try:
        result = subprocess.run([program, question], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    except OSError:
        return None
    return result.stdout.decode("utf-8", "replace").rstrip("\r\n") if result.returncode == 0 else None


def _on_terminal(descriptor: int, question: str, *, secret: bool, stopped: Callable[[], bool]) -> str | None:
    with _echo(descriptor, on=not secret):
        os.write(descriptor, question.encode())
        try:
            return _line(descriptor, stopped)
        finally:
            if secret:
                os.write(descriptor, b"\n")


def _line(descriptor: int, stopped: Callable[[], bool]) -> str | None:
    """One line. The terminal hands over whole lines; until there is one, Ctrl-C is looked for."""
    while not stopped():
        if select.select([descriptor], [], [], POLL_SECONDS)[0]:
            line = os.read(descriptor, LONGEST)
            return line.decode("utf-8", "replace").rstrip("\r\n") if line else None
    return None


@contextmanager
def _echo(descriptor: int, *, on: bool) -> Iterator[None]:
    """Whether the terminal shows what is typed, while the body runs."""
    if on:
        yield
        return
    before = termios.tcgetattr(descriptor)
    quiet = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
