"""The sinks fold a run's events into lines, or into what moves on a terminal."""

import io

import pytest
from rich.console import Console

from orchestrator.errors import NodeError
from orchestrator.model.events import (
    Notice,
    PhaseFinished,
    PhaseStarted,
    StepFinished,
    StepProgress,
    StepStarted,
)
from orchestrator.report.errors import render_error
from orchestrator.report.live import LiveSink
from orchestrator.report.plain import PlainSink


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


EVENTS = (
    PhaseStarted("machines", "Bring up the machines"),
    StepStarted("vm n1", "resume", "n1", "it does not run"),
    StepProgress("vm n1", "copying", 0.25),
    StepStarted("vm n2", "n2: resume", "n2"),
    StepFinished("vm n1", 1.0, ok=True),
    StepFinished("vm n2", 2.0, ok=False, error="no memory"),
    Notice("slow machine", "warning", "n2"),
    PhaseFinished("machines", 3.0, ok=True, summary="1 started"),
    PhaseStarted("connect", "Connect"),
    PhaseFinished("connect", 0.5, ok=False),
    Notice("all well"),
)


def test_plain_writes_one_line_per_event_with_the_time():
    stream, clock = io.StringIO(), Clock()
    sink = PlainSink(stream, clock)
    for event in EVENTS:
        clock.now += 1
        sink.handle(event)
    assert stream.getvalue().splitlines() == [
        "[    1.0s] Bring up the machines …",
        "[    2.0s]   n1: resume (it does not run)",
        "[    3.0s]   n1: resume: copying 25%",
        "[    4.0s]   n2: resume",
        "[    5.0s]   n1: resume: done (1.0 s)",
        "[    6.0s]   n2: resume: FAILED: no memory (2.0 s)",
        "[    7.0s] warning: n2: slow machine",
        "[    8.0s] machines: 1 started (3.0 s)",
        "[    9.0s] Connect …",
        "[   10.0s] connect: failed (0.5 s)",
        "[   11.0s] all well",
    ]


def test_plain_does_not_flood_a_log_with_progress():
    stream, clock = io.StringIO(), Clock()
    sink = PlainSink(stream, clock)
    sink.handle(StepStarted("s", "build"))
    for number in range(100):
        clock.now += 0.1
        sink.handle(StepProgress("s", f"line {number}"))
    assert 9 <= len(stream.getvalue().splitlines()) <= 12


def test_plain_says_once_what_a_waiting_step_says_again_and_again():
    stream, clock = io.StringIO(), Clock()
    sink = PlainSink(stream, clock)
    sink.handle(StepStarted("s", "wait"))
    for message, fraction in [("0 of 2 run", -1)] * 5 + [("1 of 2 run", -1)] * 5 + [("sent", 0.5), ("sent", 0.9)]:
        clock.now += 2
        sink.handle(StepProgress("s", message, fraction))
    assert [line.split("wait: ")[-1] for line in stream.getvalue().splitlines()[1:]] == [
        "0 of 2 run",
        "1 of 2 run",
        "sent 50%",
        "sent 90%",
    ]


def test_plain_tells_news_that_came_too_soon_as_soon_as_they_are_repeated():
    stream, clock = io.StringIO(), Clock()
    sink = PlainSink(stream, clock)
    for message in ("a", "b", "b", "b"):
        sink.handle(StepProgress("s", message))
        clock.now += 0.6
    assert [line[-1] for line in stream.getvalue().splitlines()] == ["a", "b"]


@pytest.fixture
def terminal() -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, width=60, height=10, markup=False, highlight=False, color_system=None
    )


def shown(console: Console) -> str:
    return console.file.getvalue()


def test_live_keeps_what_is_final_and_shows_what_runs(terminal):
    sink = LiveSink(terminal, Clock())
    sink.handle(EVENTS[0])
    sink.handle(EVENTS[1])
    sink.handle(EVENTS[2])
    sink.tick()
    assert "Bring up the machines  0.0 s" in shown(terminal)
    assert "n1 resume  copying 25%" in shown(terminal)
    for event in EVENTS[3:]:
        sink.handle(event)
    sink.close()
    text = shown(terminal)
    assert text.count("n1 resume  copying") == 1, "what is over was drawn again"
    assert "✓ Bring up the machines  1 started  3.0 s" in text
    assert "✗ Connect  0.5 s" in text
    assert "✗ n2: resume: no memory" in text
    assert "! n2: slow machine" in text


def test_live_gives_the_cursor_back_and_may_be_closed_twice(terminal):
    sink = LiveSink(terminal, Clock())
    assert shown(terminal).endswith("\x1b[?25l")
    sink.close()
    sink.close()
    assert "\x1b[?25h" in shown(terminal)
    sink.tick()


def test_live_leaves_the_terminal_to_a_question_and_goes_on_afterwards(terminal):
    sink = LiveSink(terminal, Clock())
    sink.handle(EVENTS[0])
    sink.pause()
    before = shown(terminal)
    assert before.rindex("\x1b[?25h") > before.rindex("\x1b[?25l"), "the cursor is hidden while somebody types"
    sink.tick()
    assert shown(terminal) == before
    sink.resume()
    sink.tick()
    assert "Bring up the machines" in shown(terminal)[len(before) :]
    sink.close()


def test_live_never_draws_more_lines_than_the_terminal_has(terminal):
    sink = LiveSink(terminal, Clock())
    sink.handle(PhaseStarted("p", "Many"))
    for number in range(50):
        sink.handle(StepStarted(f"s{number}", f"step {number}", f"n{number}"))
    before = len(shown(terminal))
    sink.tick()
    drawn = shown(terminal)[before:]
    sink.close()
    assert drawn.count("\n") < terminal.height
    assert "and 44 more" in drawn


def test_live_shows_square_brackets_as_they_are(terminal):
    sink = LiveSink(terminal, Clock())
    sink.handle(Notice("nodes[1] is [bold]odd[/bold]"))
    sink.close()
    assert "nodes[1] is [bold]odd[/bold]" in shown(terminal)


def test_an_error_is_message_details_and_hint():
    error = NodeError("did not answer", node="n2", details=["first\nsecond", "third"], hint="look there")
    assert render_error(error) == "lab: n2: did not answer\n  first\n  second\n  third\n  → look there\n"


def test_an_error_does_not_name_its_node_twice():
    assert render_error(NodeError("n2 is gone", node="n2")) == "lab: n2 is gone\n"
