"""Signals, threads and sinks, tried with a real process and a real terminal."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator.cli.session import run
from orchestrator.errors import Interrupted, NodeError
from orchestrator.model.events import Event, Notice
from orchestrator.runtime.context import Context

PROGRAM = """
import sys, threading
import typer
from orchestrator.cli.options import Output
from orchestrator.cli.output import Presentation, carry_out
from orchestrator.errors import ExitCode, NodeError

closed = threading.Event()

def patient(context):
    with context.phase("work", "Working"):
        print("ready", flush=True)
        while True:
            context.wait(60)

def blocked(context):
    "Blocked in a read that ends when its connection is closed, as SSH does it."
    with context.closing(closed.set):
        print("ready", flush=True)
        closed.wait()
        raise NodeError("connection lost")

def deaf(context):
    "Notices nothing."
    print("ready", flush=True)
    with context.phase("work", "Working"):
        threading.Event().wait()

def command(kind: str, output: Output = Output.TEXT):
    carry_out(globals()[kind], Presentation(lambda *_: [], lambda *_: {}), output)

app = typer.Typer()
app.command()(command)
app()
"""


@contextmanager
def program(*arguments: str, stderr: int = subprocess.PIPE) -> Iterator[subprocess.Popen]:
    """The little program, after its use case has begun."""
    argv = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("kind", "number"), [("patient", signal.SIGINT), ("blocked", signal.SIGTERM)])
def test_a_signal_stops_the_run_with_130(kind, number):
    with program(kind) as process:
        process.send_signal(number)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "stopping … (again to leave at once)" in stderr
    assert stderr.endswith("lab: interrupted\n")
    assert "Traceback" not in stderr


def test_a_second_signal_leaves_at_once_what_does_not_stop():
    with program("deaf") as process:
        process.send_signal(signal.SIGINT)
        for line in process.stderr:
            if "again to leave at once" in line:
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130


def test_leaving_at_once_gives_the_terminal_its_cursor_back():
    main, terminal = pty.openpty()
    with program("deaf", stderr=terminal) as process:
        os.close(terminal)
        seen = b""
        process.send_signal(signal.SIGINT)
        while b"again to leave at once" not in seen:
            seen += os.read(main, 4096)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
    try:
        while chunk := os.read(main, 4096):
            seen += chunk
    except OSError:  # the other side of a closed terminal on Linux
        pass
    os.close(main)
    assert process.returncode == 130
    assert seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l") >= 0


def test_an_interrupted_run_is_one_json_document_for_programs():
    with program("patient", "--output", "json") as process:
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert json.loads(stdout)["error"]["kind"] == "Interrupted"
    assert stderr == ""


class Collector:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.events: list[Event | str] = []
        self.closed = False

    def handle(self, event: Event) -> None:
        assert not self.closed
        self.events.append(event)

    def tick(self) -> None:
        pass

    def pause(self) -> None:
        self.events.append("paused")

    def resume(self) -> None:
        self.events.append("resumed")

    def close(self) -> None:
        self.closed = True


def test_events_reach_the_sinks_in_order_and_the_value_comes_back():
    sink = Collector()

    def work(context: Context) -> int:
        for number in range(100):
            context.notice(str(number))
        return 42

    assert run(work, [sink]) == 42
    assert sink.events == [Notice(str(number)) for number in range(100)]
    assert sink.closed


def test_an_error_of_the_work_is_raised_and_the_sinks_are_closed():
    sink = Collector()

    def work(context: Context) -> None:
        context.notice("before")
        raise NodeError("no")

    with pytest.raises(NodeError, match="no"):
        run(work, [sink])
    assert sink.events == [Notice("before")]
    assert sink.closed


def test_work_that_ends_well_in_spite_of_the_signal_has_its_value():
    def work(context: Context) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        context.cancelled.wait()
        return "done"

    assert run(work, []) == "done"


def test_what_fails_because_of_the_signal_is_an_interruption():
    def work(context: Context) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        context.cancelled.wait()
        raise NodeError("connection closed")

    with pytest.raises(Interrupted):
        run(work, [])


def test_the_handlers_of_before_are_back_afterwards():
    before = signal.getsignal(signal.SIGINT)
    run(lambda _context: None, [])
    assert signal.getsignal(signal.SIGINT) is before
