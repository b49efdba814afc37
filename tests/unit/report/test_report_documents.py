"""JSON: complete, plain, and without what must not be in it."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError, ConfigProblem, NodeError
from orchestrator.model.events import Notice, PhaseFinished, PhaseStarted, StepFinished, StepStarted
from orchestrator.model.inventory import Role
from orchestrator.model.lab import ConfigObject
from orchestrator.model.outcome import MachineChange, PlanOutcome, Route, UpOutcome, VerifyOutcome
from orchestrator.model.plan import CreateConfig, JoinSwarm, Plan, Refusal, Step
from orchestrator.model.probe import Answer, Observation, Outcome, Pairs, Sample
from orchestrator.model.verdict import CheckResult, Verdict, VerifyReport
from orchestrator.report import documents
from orchestrator.report.journal import Journal

PLAN = Plan(
    (
        Step("join n2", JoinSwarm("n2", Role.WORKER, "n1", "a:2377", "b", "b"), "join n2", "not a member", ("init",)),
        Step("config c", CreateConfig(ConfigObject("c", "x_c-1", b"secret text")), "create c", "not there"),
    )
)


def journal() -> Journal:
    times = iter((100.0, 100.25))
    journal = Journal(clock=lambda: next(times))
    journal.handle(PhaseStarted("apply", "Build"))
    journal.handle(StepStarted("join n2", "join", "n2"))
    journal.handle(StepFinished("join n2", 1.5, ok=True))
    journal.handle(PhaseFinished("apply", 2.0, ok=True, summary="done"))
    journal.handle(Notice("odd", "warning", "n3"))
    return journal


def test_up_document_holds_steps_reasons_durations_phases_and_routes():
    outcome = UpOutcome("lab", ("n1",), PLAN, (Route("x_web", 8080, "n1", "127.0.0.1", 31080),))
    document = json.loads(json.dumps(documents.up_document(outcome, journal())))
    join, config = document["steps"]
    assert document["changed"] is True
    assert join["action"] == {
        "type": "JoinSwarm",
        "node": "n2",
        "role": "worker",
        "via": "n1",
        "remote_addr": "a:2377",
        "advertise_addr": "b",
        "data_path_addr": "b",
    }
    assert (join["reason"], join["after"], join["seconds"]) == ("not a member", ["init"], 1.5)
    assert "seconds" not in config
    assert config["action"]["spec"]["data"] == {"bytes": 11}
    assert document["phases"] == [{"phase": "apply", "title": "Build", "seconds": 2.0, "ok": True, "summary": "done"}]
    assert document["timeline"] == [{"step": "join n2", "node": "n2", "started": 0.25, "seconds": 1.5, "ok": True}]
    assert document["notices"] == [{"message": "odd", "level": "warning", "node": "n3"}]
    assert document["routes"][0]["port"] == 31080


def test_plan_document_tells_changes_and_refusals():
    outcome = PlanOutcome("lab", (MachineChange("n1", "create"),), Plan(refusals=(Refusal("n2", "why", "what"),)))
    document = documents.plan_document(outcome)
    assert document["changes"] is True
    assert document["machines"] == [{"node": "n1", "change": "create"}]
    assert document["refusals"] == [{"subject": "n2", "reason": "why", "hint": "what"}]


def test_verify_document_holds_every_observation_and_the_verdict():
    observations = tuple(Observation("p", n, Outcome.ANSWERED, 0.1, 200, Answer(task="t")) for n in range(3))
    report = VerifyReport("lab", (), (CheckResult("mesh", "s", Verdict.FAIL, nodes=("n1",)),), 1, 3, 0.5)
    report = replace(report, sample=Sample(Pairs.NODES, "every node is asked", ways=4, all_ways=9))
    document = documents.verify_document(VerifyOutcome(report, observations, ("note",)), Journal())
    assert document["sample"]["pairs"] == "nodes"
    assert (document["sample"]["ways"], document["sample"]["all_ways"]) == (4, 9)
    assert document["verdict"] == "fail"
    assert [item["attempt"] for item in document["observations"]] == [0, 1, 2]
    assert document["observations"][0]["outcome"] == "answered"
    assert document["checks"][0]["nodes"] == ["n1"]
    assert document["notes"] == ["note"]


def test_error_document_names_kind_code_and_problems():
    document = documents.error_document(NodeError("no", node="n1", hint="do", details=["a"]))
    assert document["error"]["kind"] == "NodeError"
    assert document["error"]["node"] == "n1"
    assert document["error"]["exit_code"] == 4
    problem = ConfigProblem(Path("/i.yaml"), 3, "nodes[0]", "wrong")
    document = documents.error_document(ConfigError([problem]))
    assert document["error"]["problems"] == [{"file": "/i.yaml", "line": 3, "path": "nodes[0]", "message": "wrong"}]
    assert document["error"]["exit_code"] == 2


def test_values_become_plain():
    when = datetime(2024, 5, 1, tzinfo=UTC)
    value = {"path": Path("/x"), "role": Role.MANAGER, "set": frozenset({1}), "none": None, "when": when}
    assert documents.plain(value) == {
        "path": "/x",
        "role": "manager",
        "set": [1],
        "none": None,
        "when": "2024-05-01T00:00:00+00:00",
    }
    with pytest.raises(TypeError, match="object"):
        documents.plain(object())
