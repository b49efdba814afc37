"""The texts that people read, compared with golden files."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from orchestrator.cli.presentations import PLAN as PLAN_SHOWN
from orchestrator.cli.presentations import UP
from orchestrator.model.doctor import Finding
from orchestrator.model.events import Notice, PhaseFinished, PhaseStarted, StepFinished
from orchestrator.model.image import ImageInfo
from orchestrator.model.inventory import Availability, Role, SwarmOptions
from orchestrator.model.outcome import (
    BridgeStatus,
    ContainerStatus,
    DownOutcome,
    LeftBehind,
    MachineChange,
    NodeStatus,
    PlanOutcome,
    RestoreOutcome,
    Route,
    ServiceStatus,
    StatusOutcome,
    UpOutcome,
    VerifyOutcome,
)
from orchestrator.model.plan import (
    AwaitService,
    Deferral,
    InitSwarm,
    Plan,
    Refusal,
    RemoveContainer,
    RemoveService,
    Step,
    UpdateNode,
)
from orchestrator.model.probe import OPERATOR, Answer, Observation, Outcome, Pairs, Sample
from orchestrator.model.snapshot import Export, Health, SnapshotSummary
from orchestrator.model.verdict import Cell, CheckResult, PortReport, Verdict, VerifyReport
from orchestrator.report.journal import Journal
from orchestrator.report.plan import render_down, render_plan, render_up
from orchestrator.report.snapshots import (
    render_export,
    render_restored,
    render_saved,
    render_snapshot,
    render_snapshots,
)
from orchestrator.report.status import render_findings, render_images, render_status
from orchestrator.report.verify import render_verify
from orchestrator.report.words import count, latency, seconds

WHEN = datetime(2026, 11, 25, 12, 30)  # noqa: DTZ001 (local time, as it is shown)
SNAPSHOT = SnapshotSummary(
    "fresh",
    "lab",
    WHEN,
    1548 << 20,
    ("n1", "n2", "n3"),
    ("ingress-mesh",),
    ("26.1.5",),
    "QEMU 7.2.22",
    "tcg",
    Health(("n1", "n2", "n3"), 12, (), WHEN),
)
PLAN = Plan(
    (
        Step("init", InitSwarm("n1", "a", "a", SwarmOptions(), {}), "initialise the swarm on n1", "n1 is in no swarm"),
        Step(
            "node n2", UpdateNode("n2", Role.WORKER, Availability.DRAIN, {}), "drain n2", "availability: active → drain"
        ),
        Step("old", RemoveService("id", "x_old"), "remove service x_old", "no longer in the lab file"),
        Step("await x_web", AwaitService("x_web"), "wait for x_web", "it was created"),
        Step(
            "container n1 x_c", RemoveContainer("n1", "id", "x_c", "lab"), "remove container x_c on n1", "it has ended"
        ),
    ),
    notes=("labs left alone: [other]",),
)
ROUTES = (
    Route("x_web", 8080, "n1", "127.0.0.1", 31080),
    Route("x_web", 8080, "n2", absent="reached through a forwarded port"),
)


def journal() -> Journal:
    journal = Journal()
    for event in (
        PhaseStarted("machines", "Bring up the machines"),
        PhaseFinished("machines", 4.21, ok=True),
        StepFinished("init", 1.234, ok=True),
        PhaseStarted("apply", "Build"),
        PhaseFinished("apply", 75.0, ok=True),
        Notice("something"),
    ):
        journal.handle(event)
    return journal


def test_plan(golden):
    golden("plan", render_plan(PlanOutcome("lab", (MachineChange("n1", "create"), MachineChange("n2", "start")), PLAN)))


def test_plan_with_nothing_to_do(golden):
    golden("plan-empty", render_plan(PlanOutcome("lab", (), Plan())))


def test_plan_refused(golden):
    refusal = Refusal("n2", "it is in another swarm (abc)", "take it out there, or choose another host")
    golden("plan-refused", render_plan(PlanOutcome("lab", (), Plan(refusals=(refusal,)))))


def test_up(golden):
    golden("up", render_up(UpOutcome("lab", ("n1",), PLAN, ROUTES), journal()))


def test_up_while_nodes_are_out_of_reach(golden):
    left = (Deferral("n3", "cannot be reached (no answer): its steps are left out", "is it switched on?"),)
    golden("up-in-part", render_up(UpOutcome("lab", ("n1",), PLAN, ROUTES, left), journal()))
    golden("plan-in-part", render_plan(PlanOutcome("lab", (), Plan(left=left))))
    assert UP.exit_code(UpOutcome("lab", (), Plan(left=left), (), left)) == 4
    assert PLAN_SHOWN.exit_code(PlanOutcome("lab", (), Plan(left=left))) == 4
    assert PLAN_SHOWN.exit_code(PlanOutcome("lab", (), replace(PLAN, left=left))) == 1


def test_up_without_change(golden):
    golden("up-unchanged", render_up(UpOutcome("lab", (), Plan(), ROUTES), Journal()))


def test_down(golden):
    golden("down", render_down(DownOutcome("lab", (), PLAN, ("machine n1", "switch")), journal()))


def test_down_of_a_lab(golden):
    golden("down-lab", render_down(DownOutcome("lab", ("a", "b"), PLAN), Journal()))


def test_down_with_something_left(golden):
    left = LeftBehind("n3", "connection timed out", "repeat `lab down`")
    golden("down-left", render_down(DownOutcome("lab", (), Plan(), (), (left,)), Journal()))


def test_down_with_nothing_to_do(golden):
    golden("down-nothing", render_down(DownOutcome("lab", (), Plan()), Journal()))


def test_status(golden):
    nodes = (
        NodeStatus("n1", "running", "26.1.5", "manager", True, "active", "ready", "192.168.90.11"),
        NodeStatus("n2", "running", "26.1.5", "worker", False, "drain", "ready", "192.168.90.12"),
        NodeStatus("n3", "stopped", problem="the machine is stopped", hint="`lab up` makes or starts it"),
    )
    services = (
        ServiceStatus("x", "x_web", 1, 2, ("8080→80/tcp",), ROUTES),
        ServiceStatus("x", "x_quiet", 1, 1),
    )
    containers = (
        ContainerStatus("x", "x_a1", "n1", "x_blue", "running", "172.28.1.2"),
        ContainerStatus("x", "x_late", "n1", "host", "created: port is already allocated"),
    )
    bridges = (BridgeStatus("x", "x_blue", "n1", "172.28.1.0/24"),)
    swarm = "swarm abc, 2 of 3 nodes ready"
    golden("status", render_status(StatusOutcome("lab", "vm", swarm, nodes, services, containers, bridges)))


def test_findings(golden):
    findings = [
        Finding("qemu", True, "7.2"),
        Finding("kvm", None, "not usable: hangs at start; machines are emulated"),
        Finding("vde_switch", False, "not installed", "sudo apt install vde2"),
    ]
    golden("doctor", render_findings(findings))
    golden("doctor-well", render_findings(findings[:2]))


def test_images(golden):
    info = ImageInfo("trixie", Path("/cache/trixie"), 700 * 2**20, "2024-05-01 12:00", "Docker 26.1.5, kernel 6.12")
    golden("images", render_images([info]))
    golden("images-none", render_images([]))


def cell(
    vantage: str,
    entry: str,
    address: str,
    verdict: Verdict = Verdict.PASS,
    reason: str = "",
    answered: int = 20,
    asked: int = 20,
):
    tasks = {"task1": answered // 2, "task2": answered - answered // 2} if answered else {}
    return Cell(
        vantage, entry, address, 8080, verdict, asked, answered, 0.001, 0.0123 if answered else 0.0, 1.5, tasks, reason
    )


def matrix(size: int, broken: str = "", why: str = "{} → {}: timed out; packets are dropped") -> tuple[Cell, ...]:
    names = [f"n{number}" for number in range(1, size + 1)]
    cells = []
    for vantage in [*names, OPERATOR]:
        for number, entry in enumerate(names, 11):
            fails = entry == broken and vantage != broken
            address = "127.0.0.1" if vantage == OPERATOR else f"192.168.90.{number}"
            reason = why.format(vantage, entry) if fails else ""
            cells.append(
                cell(vantage, entry, address, Verdict.FAIL if fails else Verdict.PASS, reason, 0 if fails else 20)
            )
        if vantage != OPERATOR:
            cells.append(cell(vantage, vantage, "127.0.0.1"))
    return tuple(cells)


OBSERVATIONS = tuple(
    Observation("p", 0, Outcome.ANSWERED, 0.01, 200, Answer(f"n{slot}", "x_web", f"task{slot}", str(slot)))
    for slot in (1, 2)
)
GOOD = (CheckResult("mesh", "x_web :8080", Verdict.PASS), CheckResult("share", "via n1", Verdict.PASS))


def verify(cells: tuple[Cell, ...], checks: tuple[CheckResult, ...], notes: tuple[str, ...] = ()) -> VerifyOutcome:
    ports = (PortReport("x", "x_web", 8080, cells, checks),)
    report = VerifyReport("lab", ports, (), probes=len(cells), requests=20 * len(cells), seconds=1.9)
    return VerifyOutcome(report, OBSERVATIONS, notes)


def test_verify_passes(golden):
    golden("verify-pass", render_verify(verify(matrix(3), GOOD), 80))


def test_verify_fails_at_one_node(golden):
    checks = (
        *GOOD,
        CheckResult(
            "mesh", "x_web :8080 via n2", Verdict.FAIL, "n1 and n3 get no answer", "look at n2's firewall", ("n2",)
        ),
        CheckResult("entry", "via n2", Verdict.INCONCLUSIVE, "nothing answered there"),
    )
    golden("verify-fail", render_verify(verify(matrix(3, "n2"), checks, ("UDP 53 is not asked [yet]",)), 80))


def test_verify_tells_once_what_is_to_be_said_of_checks_that_passed(golden):
    remark = "the answers do not name their task"
    checks = [CheckResult("mesh", f"via n{number}", Verdict.PASS, remark) for number in (1, 2, 3)]
    golden("verify-remark", render_verify(verify(matrix(3), tuple(checks)), 80))


def test_verify_of_ten_nodes_fits_eighty_columns(golden):
    golden("verify-ten", render_verify(verify(matrix(10, "n7"), GOOD), 80))


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_table_is_wider_than_the_terminal(width, as_text):
    tables = [part for part in render_verify(verify(matrix(10, "n7"), GOOD), width) if type(part).__name__ == "Table"]
    assert tables
    for table in tables:
        text = as_text([table], 10_000)
        assert max(map(len, text.splitlines())) <= width


def test_verify_of_many_nodes_shows_what_is_not_fine(golden):
    sample = Sample(Pairs.PATHS, "every node is asked", 7, 60, 60, 240, 3660, 120, 120, 4800)
    found = verify(matrix(60, "n7", "time-out (20 of 20)"), GOOD)
    golden("verify-many", render_verify(replace(found, report=replace(found.report, sample=sample)), 80))


def test_verify_of_many_nodes_that_are_fine_has_no_table(golden, as_text):
    failed = [CheckResult("mesh", f"x_web :8080 via n{n}", Verdict.FAIL, "no answer") for n in range(25)]
    golden("verify-many-fine", render_verify(verify(matrix(60), (*GOOD, *failed)), 80))


def test_what_fails_at_many_nodes_is_cut_short_with_how_much_is_left(as_text):
    cells = tuple(replace(one, verdict=Verdict.FAIL, reason="no") for one in matrix(60))
    lines = as_text(render_verify(verify(cells, GOOD), 10_000), 10_000).splitlines()
    assert len(lines) < 60
    assert [line.strip() for line in lines if "more" in line] == [
        "… and 41 more rows; `-o json` has them all",
        "… and 41 more columns; `-o json` has them all",
    ]


def test_verify_with_dead_vantage_and_closed_port(golden):
    cells = (
        cell("n1", "n2", "192.168.90.12", Verdict.INCONCLUSIVE, "n1 cannot be asked from: gone", 0, 0),
        cell("n2", "n2", "192.168.90.12", answered=0),
    )
    golden("verify-odd", render_verify(verify(cells, GOOD[:1]), 80))


def test_verify_with_nothing_to_ask(golden):
    check = CheckResult("swarm", "cluster lab", Verdict.INCONCLUSIVE, "no manager answers", "`lab status`", ("n1",))
    golden("verify-nothing", render_verify(VerifyOutcome(VerifyReport("lab", (), (check,))), 80))


def test_two_tasks_of_the_same_slot_are_told_apart(as_text):
    """A task that was replaced while we asked has the slot and the node of its successor."""
    twins = tuple(
        Observation("p", 0, Outcome.ANSWERED, 0.01, 200, Answer("n1", "x_web", task, "1"))
        for task in ("task1", "task2")
    )
    report = verify(matrix(1), GOOD).report
    text = as_text(render_verify(VerifyOutcome(report, twins), 80), 80)
    assert "1 on n1 (task1)" in text
    assert "1 on n1 (task2)" in text


def test_words():
    assert [seconds(value) for value in (0.04, 59.94, 60, 185.9)] == ["0.0 s", "59.9 s", "1 min 0 s", "3 min 5 s"]
    assert [latency(value) for value in (0.0008, 0.0123, 1.25)] == ["0.8 ms", "12 ms", "1.2 s"]
    assert [count(number, "step") for number in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]


class TestSnapshots:
    """What is told of snapshots."""

    def test_list(self, golden):
        gone = SnapshotSummary("old", problem="the snapshot old is damaged; snapshot.json cannot be read")
        golden("snapshots", render_snapshots([SNAPSHOT, gone]), 100)

    def test_no_list(self, golden):
        golden("snapshots-none", render_snapshots([]), 100)

    def test_one(self, golden):
        misfits = ("it was saved by QEMU 7.2.22; here is QEMU 10.0.2",)
        golden("snapshot", render_snapshot(replace(SNAPSHOT, misfits=misfits)), 100)

    def test_saved(self, golden):
        broken = Health(("n1",), 12, ("a_web:80 n1 → n2 192.0.2.2",))
        golden("snapshot-saved", render_saved(replace(SNAPSHOT, health=broken), Journal()), 100)

    def test_restored(self, golden):
        route = Route("mesh_web", 8080, "n1", "127.0.0.1", 31080)
        outcome = RestoreOutcome("lab", "fresh", WHEN, current=False, routes=(route,), health=SNAPSHOT.health)
        golden("restored", render_restored(outcome, Journal()), 100)

    def test_exported(self, golden):
        golden("exported", render_export(Export("fresh", Path("fresh.lab"), 5 << 30, 600 << 20)), 100)
