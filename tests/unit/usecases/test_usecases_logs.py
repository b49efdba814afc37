"""The logs of all nodes as one."""

import io
import json
import queue
import threading
from dataclasses import replace

import pytest
from mesh_standins import MemoryProvider, Recorder, inventory

from orchestrator.errors import Interrupted, NodeError, UsageError
from orchestrator.model.events import LogLine, Notice
from orchestrator.model.inventory import ProviderKind
from orchestrator.model.journal import LogEntry
from orchestrator.report.logs import LogSink
from orchestrator.transport.base import CommandResult
from orchestrator.transport.scripted import ScriptedHost
from orchestrator.usecases.logs import Wanted, logs

SECOND = 1_000_000
HOSTS = inventory(ProviderKind.SSH)


def line(second: float, message: str) -> str:
    usec = int(second * SECOND)
    return json.dumps({"__REALTIME_TIMESTAMP": str(usec), "MESSAGE": message, "__CURSOR": f"c{usec}", "PRIORITY": "6"})


class Journal(ScriptedHost):
    """A node with a journal: ``past`` is there already, what is put into ``news`` comes later (``None`` ends it)."""

    def __init__(self, name: str, *past: str, code: int = 0, stderr: str = "", may_be_root: bool = True) -> None:
        super().__init__(name)
        self.past, self.code, self.stderr, self.may_be_root = past, code, stderr, may_be_root
        self.news: queue.Queue[str | None] = queue.Queue()
        self.asked: list[tuple[str, ...]] = []
        self.followed: list[tuple[str, ...]] = []

    def run(self, argv, *, stdin=b"", timeout=30.0, root=False):
        if root and not self.may_be_root:
            raise NodeError("user u may not run commands as root", node=self.name, kind="auth")
        self.asked.append(tuple(argv))
        return CommandResult(tuple(argv), self.code, "\n".join([*self.past, ""]), self.stderr)

    def follow(self, argv, *, root=False):
        self.followed.append(tuple(argv))
        return Coming(self.news)


class Coming:
    def __init__(self, news: queue.Queue) -> None:
        self.news = news

    def __iter__(self):
        return iter(self.news.get, None)

    def close(self):
        self.news.put(None)


class Journals(MemoryProvider):
    def __init__(self, *hosts: Journal) -> None:
        super().__init__(HOSTS)
        self.journals = {host.name: host for host in hosts}

    def connect(self, context, node):
        if node.name not in self.journals:
            raise NodeError("no answer", node=node.name, kind="timeout", hint="is it on?")
        return self.journals[node.name]


def carry(*hosts: Journal, run: Recorder | None = None, node: str = "", **wanted):
    run = run or Recorder()
    outcome = logs(run.context, HOSTS, Journals(*hosts), Wanted(**wanted), node=node, hold=0)
    return outcome, [(one.entry.node, one.entry.message) for one in run.events if isinstance(one, LogLine)]


def three() -> tuple[Journal, Journal, Journal]:
    return (
        Journal("n1", line(1, "a"), line(4, "d")),
        Journal("n2", line(2.000001, "c"), line(5, "e")),
        Journal("n3", line(2, "b")),
    )


def test_entries_are_merged_by_time():
    outcome, told = carry(*three())
    assert told == [("n1", "a"), ("n3", "b"), ("n2", "c"), ("n1", "d"), ("n2", "e")]
    assert (outcome.entries, outcome.read, outcome.problems) == (5, ("n1", "n2", "n3"), {})


def test_one_node_alone():
    hosts = three()
    _outcome, told = carry(*hosts, node="n2")
    assert told == [("n2", "c"), ("n2", "e")]
    assert hosts[0].asked == []
    with pytest.raises(UsageError, match="no node 'n9'"):
        carry(*hosts, node="n9")


def test_a_dead_node_is_told_and_keeps_nobody():
    outcome, told = carry(*three()[:2])
    assert [node for node, _ in told] == ["n1", "n2", "n1", "n2"]
    assert outcome.problems["n3"].message == "no answer"


def test_a_node_without_journalctl_is_told_with_what_to_do():
    run = Recorder()
    outcome, told = carry(*three()[:2], Journal("n3", code=127), run=run)
    assert len(told) == 4
    assert "no journalctl" in outcome.problems["n3"].message
    notice = next(event for event in run.events if isinstance(event, Notice))
    assert (notice.node, notice.level) == ("n3", "warning")
    assert "/var/log/docker.log" in notice.message


def test_what_journalctl_complains_of_is_told():
    outcome, _ = carry(Journal("n1", code=1, stderr="No journal files were found."), node="n1")
    assert outcome.problems["n1"].message == "its journal cannot be read: No journal files were found."
    assert outcome.read == ()


def test_a_journal_that_is_empty_is_no_problem_and_told_all_the_same():
    run = Recorder()
    outcome, _ = carry(Journal("n1", stderr="Hint: You are currently not seeing messages"), node="n1", run=run)
    assert outcome.read == ("n1",)
    assert any("no entries of the unit docker; journalctl says: Hint" in getattr(e, "message", "") for e in run.events)


def test_who_may_not_be_root_reads_as_who_they_are():
    _outcome, told = carry(Journal("n1", line(1, "a"), may_be_root=False), node="n1")
    assert told == [("n1", "a")]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, {"--lines=100", "--unit=docker"}),
        ({"since": "10m"}, {"--since=-600.000000s"}),
        ({"since": "10m", "lines": 5}, {"--since=-600.000000s", "--lines=5"}),
        ({"unit": "ssh", "lines": 0}, {"--unit=ssh", "--lines=0"}),
    ],
)
def test_what_the_nodes_are_asked_for(wanted, words):
    host = Journal("n1")
    carry(host, node="n1", **wanted)
    (asked,) = host.asked
    assert words <= set(asked)
    assert ("--lines=100" in asked) == (wanted == {})


def test_a_moment_that_makes_no_sense_is_the_persons_mistake():
    with pytest.raises(UsageError, match="--since: expected how long ago"):
        carry(*three(), since="once upon a time")


def test_following_goes_on_after_the_last_entry_without_a_gap_or_an_echo():
    hosts = three()
    hosts[0].news.put(line(7, "g"))
    hosts[1].news.put(line(6, "f"))
    for host in hosts:
        host.news.put(None)
    outcome, told = carry(*hosts, follow=True)
    assert [message for _, message in told][:5] == ["a", "b", "c", "d", "e"]
    assert sorted(message for _, message in told[5:]) == ["f", "g"]
    assert outcome.entries == 7
    assert "--after-cursor=c4000000" in hosts[0].followed[0]


def test_new_entries_that_come_within_the_hold_are_put_in_order():
    """All are there before the first may be told: the clock stands still until the last one has come."""
    hosts = three()
    hosts[0].news.put(line(9, "late"))
    hosts[1].news.put(line(8, "early"))
    for host in hosts:
        host.news.put(None)
    run = Recorder()
    logs(run.context, HOSTS, Journals(*hosts), Wanted(follow=True), hold=1, clock=lambda: 0.0)
    told = [event.entry.message for event in run.events if isinstance(event, LogLine)]
    assert told[-2:] == ["early", "late"]


def test_a_log_that_ends_is_told_and_the_others_go_on():
    hosts, run = three(), Recorder()
    for host in hosts:
        host.news.put(None)
    carry(*hosts, follow=True, run=run)
    ended = {event.node for event in run.events if isinstance(event, Notice) and "its log ends here" in event.message}
    assert ended == {"n1", "n2", "n3"}


def test_an_interruption_ends_it_and_closes_every_log():
    hosts, run = three(), Recorder()
    threading.Timer(0, run.context.cancel).start()
    with pytest.raises(Interrupted):
        carry(*hosts, follow=True, run=run)


class TestSink:
    def told(self, *events, as_json=False):
        out, err = io.StringIO(), io.StringIO()
        sink = LogSink(out, err, ["n1", "worker"], as_json=as_json)
        for event in events:
            sink.handle(event)
        return out.getvalue(), err.getvalue()

    ENTRY = LogEntry(1767225600123456, "n1", "docker", "one\ntwo\x1b[31m", 6)

    def test_text_has_the_node_and_the_time_in_front_of_every_line(self, monkeypatch):
        monkeypatch.setenv("TZ", "UTC")
        __import__("time").tzset()
        out, err = self.told(LogLine(self.ENTRY), Notice("lost", "warning", "worker"))
        assert out.splitlines() == [
            "n1      2026-01-01 00:00:00.123456  one",
            "n1      2026-01-01 00:00:00.123456  two�[31m",
        ]
        assert err == "warning: worker: lost\n"

    def test_json_is_one_document_a_line(self):
        out, err = self.told(
            LogLine(self.ENTRY), LogLine(replace(self.ENTRY, priority=-1)), Notice("lost", node="n2"), as_json=True
        )
        assert err == ""
        first, second, third = map(json.loads, out.splitlines())
        assert first == {
            "node": "n1",
            "time": "2026-01-01T00:00:00.123456Z",
            "unit": "docker",
            "priority": 6,
            "message": "one\ntwo\x1b[31m",
        }
        assert second["priority"] is None
        assert third == {"node": "n2", "notice": "lost"}
