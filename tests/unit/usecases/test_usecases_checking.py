"""Checks of labs carried out in rounds: what has passed is done, what is gone is forgotten."""

from pathlib import Path
from typing import ClassVar, Literal

import pytest
from mesh_standins import Recorder, inventory

from orchestrator.checks.base import Check, Item
from orchestrator.model.lab import Lab
from orchestrator.model.observed import ClusterView
from orchestrator.model.question import Read, Told, Unasked, Vantage
from orchestrator.model.verdict import Verdict
from orchestrator.observe import observe
from orchestrator.transport.scripted import Script, ScriptedHost
from orchestrator.usecases import checking
from orchestrator.usecases.checking import run_checks


class Exits(Check):
    """Programs on n1 that have to exit with 0; their names come from a list per look."""

    kind: Literal["exits"]
    looks: ClassVar[list[list[str]]] = []
    seen: ClassVar[list[list[str]]] = []

    def plan(self, topology):
        names = self.looks[min(len(self.seen), len(self.looks) - 1)]
        self.seen.append(names)
        return [Item(name, (Read(Vantage("n1"), (name,)),)) for name in names]

    def judge(self, item, replies):
        reply = replies[item.questions[0]]
        assert isinstance(reply, Told)
        return self.passed(item) if reply.exit_code == 0 else self.failed(item, f"exit code {reply.exit_code}")


class Alters(Exits):
    """The same, but it changes something."""

    kind: Literal["alters"]
    alters: ClassVar[bool] = True


class World:
    """A node whose programs exit with what a test says, and a clock that only waiting moves."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        self.run = Recorder()
        self.commands = {}
        self.host = ScriptedHost("n1")
        self.host._commands = self.commands
        self.events = []
        monkeypatch.setattr(self.run.context, "wait", self.wait)
        monkeypatch.setattr(checking, "observe", self.observe)
        self.observed = 0

    def exits(self, **codes):
        self.commands.update({f"env LC_ALL=C {name}": Script(exit_code=code) for name, code in codes.items()})

    def wait(self, seconds):
        assert seconds == checking.PAUSE
        self.now += seconds
        if self.events:
            self.events.pop(0)()

    def observe(self, *arguments):
        self.observed += 1
        return observe(*arguments)

    def check(self, *checks):
        lab = Lab("lab", Path("/x"), checks=checks)
        nodes = inventory(names=["n1"]).nodes
        return run_checks(self.run.context, {"n1": self.host}, nodes, ClusterView(()), [lab], clock=lambda: self.now)

    @property
    def ran(self):
        return [line.removeprefix("env LC_ALL=C ") for line in self.host.ran]


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(Exits, "looks", [["a", "b"]])
    monkeypatch.setattr(Exits, "seen", [])
    return World(monkeypatch)


def exits(kind="exits", **keys):
    made = {"exits": Exits, "alters": Alters}[kind]
    return made.model_validate({"kind": kind} | keys)


def verdicts(report):
    return {result.subject: result.verdict for result in report.results}


def test_what_passes_at_once_is_asked_once(world):
    world.exits(a=0, b=0)
    (report,), asked = world.check(exits(within="10s", title="Both", claims=[7]))
    assert verdicts(report) == {"a": Verdict.PASS, "b": Verdict.PASS}
    assert (report.lab, report.kind, report.title, report.claims, report.waited) == ("lab", "exits", "Both", (7,), 0.0)
    assert asked == 2
    assert world.observed == 0


def test_without_within_nothing_is_asked_again(world):
    world.exits(a=0, b=1)
    (report,), _ = world.check(exits())
    assert verdicts(report) == {"a": Verdict.PASS, "b": Verdict.FAIL}
    assert sorted(world.ran) == ["a", "b"]


def test_only_what_has_not_passed_is_asked_again_until_it_has(world):
    world.exits(a=0, b=1)
    world.events = [lambda: None, lambda: world.exits(b=0)]
    (report,), asked = world.check(exits(within="10s"))
    assert verdicts(report) == {"a": Verdict.PASS, "b": Verdict.PASS}
    assert (world.ran.count("a"), world.ran.count("b")) == (1, 3)
    assert asked == 4
    assert report.waited == 2 * checking.PAUSE
    assert world.observed == 2


def test_in_the_end_the_last_word_counts(world):
    world.exits(a=0, b=1)
    world.events = [lambda: world.exits(b=2)]
    (report,), _ = world.check(exits(within="2s"))
    assert verdicts(report)["b"] is Verdict.FAIL
    assert [result.reason for result in report.results if result.subject == "b"] == ["exit code 2"]
    assert report.waited == 2.0


def test_what_cannot_be_asked_may_still_come_right(world):
    world.exits(a=0)
    world.events = [lambda: world.exits(b=0)]
    (report,), _ = world.check(exits(within="10s"))
    assert verdicts(report) == {"a": Verdict.PASS, "b": Verdict.PASS}


def test_subjects_that_vanish_are_forgotten_and_new_ones_taken_up(world, monkeypatch):
    monkeypatch.setattr(Exits, "looks", [["a", "b"], ["a", "c"]])
    world.exits(a=0, b=1, c=0)
    (report,), _ = world.check(exits(within="10s"))
    assert verdicts(report) == {"a": Verdict.PASS, "c": Verdict.PASS}


def test_what_passed_and_is_replaced_is_forgotten_too(world, monkeypatch):
    monkeypatch.setattr(Exits, "looks", [["a", "b"], ["b"]])
    world.exits(a=0, b=1)
    world.events = [lambda: world.exits(b=0)]
    (report,), _ = world.check(exits(within="10s"))
    assert verdicts(report) == {"b": Verdict.PASS}


def test_each_check_waits_as_long_as_it_may(world):
    world.exits(a=0, b=1)
    (short, long), _ = world.check(exits(within="1s"), exits(within="2s"))
    assert (short.waited, long.waited) == (1.0, 2.0)


def test_a_node_that_cannot_be_asked_is_inconclusive(world):
    world.host = None
    lab = Lab("lab", Path("/x"), checks=(exits(),))
    reports, _ = run_checks(world.run.context, {}, (), ClusterView(()), [lab], clock=lambda: 0.0)
    assert set(verdicts(reports[0]).values()) == {Verdict.INCONCLUSIVE}


def test_a_question_without_an_answer_is_asked_once_more_and_only_that(world):
    world.exits(a=1)  # there is no program b
    (report,), asked = world.check(exits())
    assert verdicts(report) == {"a": Verdict.FAIL, "b": Verdict.INCONCLUSIVE}
    assert asked == 3
    assert world.ran.count("a") == 1


def test_an_answer_to_the_second_asking_counts(world, monkeypatch):
    rounds = []
    once = checking.ask

    def ask(context, questions, hosts):
        rounds.append(len(questions))
        if len(rounds) == 1:
            return dict.fromkeys(questions, Unasked("the node stands still"))
        world.exits(a=0, b=0)
        return once(context, questions, hosts)

    monkeypatch.setattr(checking, "ask", ask)
    (report,), _ = world.check(exits())
    assert set(verdicts(report).values()) == {Verdict.PASS}
    assert rounds == [2, 2]


def test_checks_that_change_something_are_left_out(world):
    world.exits(a=0, b=0)
    reports, asked = world.check(exits("alters"), exits())
    assert [report.kind for report in reports] == ["exits"]
    assert asked == 2
