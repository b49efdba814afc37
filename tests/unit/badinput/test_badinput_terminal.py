"""What files and hosts say is shown; the terminal obeys none of it."""

import io
import json

import pytest
from mesh_standins import MemoryProvider, MeshHost, Recorder, inventory, lab
from rich.text import Text

from orchestrator.cli.output import print_document, print_text
from orchestrator.cli.presentations import UP, VERIFY
from orchestrator.errors import NodeError
from orchestrator.model.events import Notice, PhaseFinished, PhaseStarted, StepFinished, StepProgress, StepStarted
from orchestrator.report.console import make_console
from orchestrator.report.errors import render_error
from orchestrator.report.journal import Journal
from orchestrator.report.live import LiveSink
from orchestrator.report.plain import PlainSink
from orchestrator.report.tables import simple_table
from orchestrator.report.words import visible
from orchestrator.usecases.up import up
from orchestrator.usecases.verify import verify

TITLE, CLEAR, EIGHT_BIT = "\x1b]0;owned\x07", "\x1b[2J", "\x9b2J"
EVIL = f"a{TITLE}{CLEAR}{EIGHT_BIT}\r\x08\u202eb\u200b\x7f[red]c[/red]:boom:"
"""Sets the title, clears the screen, goes back over what was written, and turns the direction of reading."""

OBEYED = ("\x1b]", CLEAR, "\x9b", "\x07", "\x08", "\x7f", "\u202e", "\u200b")

EVENTS = (
    PhaseStarted("apply", EVIL),
    StepStarted("s", EVIL, "n1", EVIL),
    StepProgress("s", EVIL),
    StepFinished("s", 1.0, ok=False, error=EVIL),
    Notice(EVIL, "warning", EVIL),
    PhaseFinished("apply", 1.0, ok=False, summary=EVIL),
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal, so that rich styles what it writes."""

    def isatty(self) -> bool:
        return True


def check_shown(written: str) -> None:
    """The words are there, and nothing that would be obeyed."""
    assert "[red]c[/red]:boom:" in written
    assert not [sign for sign in OBEYED if sign in written]


def test_controls_become_pictures_and_text_stays_as_it_is():
    assert visible("a\x1b[1mb\rc\x85d\u2028e") == "a␛[1mb␍c�d�e"
    assert visible("plain ✓ ünïcode 漢字\tand\nlines") == "plain ✓ ünïcode 漢字\tand\nlines"


def test_progress_as_lines():
    stream = io.StringIO()
    sink = PlainSink(stream)
    for event in EVENTS:
        sink.handle(event)
    check_shown(stream.getvalue())
    assert "\r" not in stream.getvalue()


def test_a_line_of_a_log_cannot_be_forged():
    stream = io.StringIO()
    PlainSink(stream, clock=lambda: 0.0).handle(Notice("one\n[    0.0s] apply: done"))
    assert [line.startswith("[") for line in stream.getvalue().splitlines()] == [True, False]


def test_progress_that_moves(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    sink = LiveSink(make_console(stream, 100))
    for event in EVENTS:
        sink.handle(event)
        sink.tick()
    sink.close()
    assert "\x1b[" in stream.getvalue()  # rich's own
    check_shown(stream.getvalue())


def test_errors():
    check_shown(render_error(NodeError(EVIL, node="n1", hint=EVIL, details=[EVIL])))
    forged = render_error(NodeError("one\nlab: all is well", node="n1"))
    assert forged.splitlines()[1].startswith("  ")


def test_tables(capsys):
    table = simple_table("A", "B")
    table.add_row(EVIL, EVIL)
    print_text(lambda _width: [table, Text(EVIL)])
    check_shown(capsys.readouterr().out)


def test_documents_are_json_that_a_terminal_may_see(capsys):
    document = {EVIL: [EVIL, "half \ud800", "tag \U000e0041", "ünï"]}
    print_document(document)
    written = capsys.readouterr().out
    check_shown(written)
    assert "ünï" in written
    assert json.loads(written) == document


class EvilHost(MeshHost):
    """A host whose service answers with what a terminal would obey."""

    def _response(self, entry: str, service: dict) -> bytes:
        answer = super()._response(entry, service)
        head, _, body = answer.partition(b"\r\n\r\n")
        evil = json.loads(body) | {"node": EVIL, "service": EVIL, "client": EVIL, "slot": EVIL}
        return head + b"\r\n\r\n" + json.dumps(evil).encode()


class EvilProvider(MemoryProvider):
    def connect(self, context, node):
        return EvilHost(node.name, self.fake, self)


@pytest.fixture
def evil():
    provider = EvilProvider(inventory())
    return provider, up(Recorder().context, provider.inventory, [lab()], provider)


def test_what_hosts_answer(evil, capsys):
    provider, brought = evil
    outcome = verify(Recorder().context, provider.inventory, provider, requests=4)
    print_text(lambda width: VERIFY.text(outcome, Journal(), width))
    check_shown(capsys.readouterr().out)
    print_document(VERIFY.document(outcome, Journal()))
    check_shown(capsys.readouterr().out)
    print_text(lambda width: UP.text(brought, Journal(), width))
    assert not set(OBEYED) & set(capsys.readouterr().out)


def test_what_an_engine_says(evil):
    provider, _ = evil
    provider.fake.fail("n1", "POST /services/create", 400, EVIL, times=9)
    with pytest.raises(NodeError, match="1 step of 3 failed") as caught:
        up(Recorder().context, provider.inventory, [lab("other", 8081)], provider)
    check_shown(render_error(caught.value))
