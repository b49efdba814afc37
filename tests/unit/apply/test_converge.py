"""When a service has come up, when it has not, and when waiting is pointless."""

from __future__ import annotations

from dataclasses import replace

import pytest
from apply_support import CONFIG, NETWORK, SERVICE

from orchestrator.apply.converge import assess
from orchestrator.errors import Interrupted, NodeError
from orchestrator.model.lab import ServiceMode
from orchestrator.model.plan import AwaitService, CreateConfig, CreateNetwork, CreateService, UpdateService

TEMPLATE = {"ContainerSpec": {"Image": "sha256:aa"}, "Placement": {"Constraints": ["node.role==worker"]}}
OLD = {"ContainerSpec": {"Image": "sha256:00"}}


def service(replicas: int | None = 2, **more) -> dict:
    mode = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    return {"Spec": {"Mode": mode, "TaskTemplate": TEMPLATE}} | more


def task(state="running", desired="running", slot=1, node="n1", spec=TEMPLATE, number=0, error="") -> dict:
    return {
        "ID": f"{slot}-{state}-{number}",
        "Slot": slot,
        "NodeID": node,
        "Spec": spec,
        "DesiredState": desired,
        "Status": {"State": state, "Err": error},
    }


BOTH = [task(slot=1), task(slot=2)]


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (BOTH, ""),
        ([], "0 of 2 tasks run"),
        ([task(slot=1), task("starting", slot=2)], "1 of 2 tasks run"),
        ([*BOTH, task(slot=3)], "3 of 2 tasks run"),
        ([*BOTH, task("preparing", slot=3)], "2 of 2 tasks run"),
        ([*BOTH, task(spec=OLD)], "1 of the old specification remain"),
        ([*BOTH, task("shutdown", "shutdown", spec=OLD)], ""),
        ([*BOTH, task("running", "shutdown", spec=OLD)], "1 are still ending"),
        ([*BOTH, task("running", "shutdown", node="lost")], ""),
        ([task(slot=1), task(slot=2, spec=TEMPLATE | {"Placement": {}})], ""),
        ([*BOTH, task("failed", "shutdown", number=1)], ""),
    ],
)
def test_a_replicated_service(tasks, message):
    seen = assess(service(), tasks, down={"lost"})
    assert (seen.message, seen.done, seen.fatal) == (message, not message, "")


def test_what_the_engine_adds_to_a_service_only_does_not_make_its_tasks_old():
    """Engines fill empty objects and the runtime into a service's answer, but not into its tasks'."""
    added = {"Runtime": "container", "Resources": {"Limits": {}, "Reservations": {}}, "Networks": []}
    template = TEMPLATE | added | {"ContainerSpec": TEMPLATE["ContainerSpec"] | {"DNSConfig": {}, "Labels": None}}
    filled = {"Spec": {"Mode": {"Replicated": {"Replicas": 2}}, "TaskTemplate": template}}
    assert assess(filled, BOTH).done
    assert not assess(filled, [task(slot=1), task(slot=2, spec=TEMPLATE | {"Resources": {"Limits": {"Pids": 9}}})]).done


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([], "no node is eligible"),
        ([task(slot=None, node="n1"), task(slot=None, node="n2")], ""),
        ([task(slot=None, node="n1"), task("starting", slot=None, node="n2")], "1 of 2 tasks run"),
    ],
)
def test_a_global_service(tasks, message):
    assert assess(service(None), tasks).message == message


def test_nothing_wanted_is_there_at_once():
    assert assess(service(0), []).done


@pytest.mark.parametrize("state", ["updating", "rollback_started"])
def test_an_update_under_way_is_not_done(state):
    assert assess(service(UpdateStatus={"State": state}), BOTH).message == f"its update is {state}"


@pytest.mark.parametrize(
    ("state", "was", "fatal"),
    [
        ("paused", "", "its update is paused: task 1 failed"),
        ("paused", "paused", "its update is paused: task 1 failed"),
        ("rollback_completed", "", "its update is rollback completed: task 1 failed"),
        ("rollback_completed", "rollback_completed", ""),
        ("completed", "", ""),
    ],
)
def test_an_update_that_went_wrong_is_fatal(state, was, fatal):
    status = {"UpdateStatus": {"State": state, "Message": "task 1 failed"}}
    assert assess(service(**status), BOTH, was=was).fatal == fatal


def rejected(count: int, state="rejected", slot: int | None = 1) -> list[dict]:
    return [task(state, "shutdown", slot=slot, number=number, error="No such image") for number in range(count)]


@pytest.mark.parametrize(
    ("tasks", "fatal"),
    [
        (rejected(1), False),
        (rejected(2), True),
        (rejected(2, "failed"), False),
        (rejected(3, "failed"), True),
        (rejected(1, slot=1) + rejected(1, slot=2), False),
        ([task("rejected", "shutdown", slot=None, node=node) for node in ("n1", "n2", "n3")], False),
        ([task("rejected", "shutdown", number=number, spec=OLD) for number in range(5)], False),
    ],
)
def test_one_slot_that_is_refused_again_and_again_is_fatal(tasks, fatal):
    assert bool(assess(service(), tasks).fatal) is fatal


def test_failures_from_before_the_wait_do_not_count():
    tasks = rejected(4)
    assert not assess(service(), tasks, before={one["ID"] for one in tasks}).fatal


# -- the wait itself, against engines in memory


@pytest.fixture
def deploy(carry_out, formed):
    def go(spec=SERVICE, state="running"):
        for engine in formed.engines.values():
            engine.task_state = state
        carry_out(CreateNetwork(NETWORK), CreateConfig(CONFIG), CreateService(spec))
        formed.changes.clear()
        return formed

    return go


AWAIT = AwaitService("mesh_web")


def test_a_service_that_runs_is_not_waited_for(carry_out, deploy, context):
    swarm = deploy()
    assert carry_out(AWAIT).unchanged == ("step 0",)
    assert (context.waits, swarm.changes) == (0, [])


def test_a_service_that_comes_up_is_waited_for(carry_out, deploy, context):
    swarm = deploy(state="starting")
    context.on_wait = lambda number: swarm.settle() if number == 4 else None
    carry_out(AWAIT)
    assert context.waits == 4


def test_a_global_service_is_waited_for(carry_out, deploy, context):
    swarm = deploy(replace(SERVICE, mode=ServiceMode.GLOBAL, replicas=1), state="starting")
    context.on_wait = lambda number: swarm.settle() if number == 2 else None
    carry_out(AWAIT)
    assert context.waits == 2


def test_an_updated_service_must_be_calm(carry_out, deploy, context):
    """Right after an update Docker may not have begun it: one good look proves nothing."""
    swarm = deploy()
    live = swarm.named("services", "mesh_web")
    carry_out(UpdateService(live["ID"], replace(SERVICE, environment={"A": "b"})), AWAIT)
    assert context.waits == 1


def test_a_missing_image_fails_early_with_the_engines_words(carry_out, deploy, context):
    swarm = deploy(replace(SERVICE, image="sha256:none"))
    context.on_wait = lambda _: restart(swarm)
    with pytest.raises(NodeError) as caught:
        carry_out(AWAIT)
    assert "mesh_web does not come up: its tasks are rejected again and again: No such image" in caught.value.message
    assert any("mesh_web.1 on n" in line and "rejected: No such image" in line for line in caught.value.details)
    assert caught.value.hint
    assert context.waits < 5


def restart(swarm) -> None:
    """What swarm does with a rejected task: another in its place."""
    for one in list(swarm.tasks.values()):
        if one["Status"]["State"] == "rejected" and one["DesiredState"] == "running":
            one["DesiredState"] = "shutdown"
    swarm._reconcile(swarm.named("services", "mesh_web"))


BUSY = "rpc error: code = DeadlineExceeded desc = context deadline exceeded"
LEADERLESS = "rpc error: code = Unknown desc = The swarm does not have a leader."


@pytest.mark.parametrize(
    ("call", "status", "message"),
    [("GET /services/mesh_web", 500, BUSY), ("GET /tasks", 503, LEADERLESS), ("GET /swarm", 503, LEADERLESS)],
)
def test_managers_that_are_busy_or_choose_a_leader_are_asked_again(carry_out, deploy, context, call, status, message):
    swarm = deploy()
    for engine in swarm.engines:
        swarm.fail(engine, call, status, message, times=2)
    carry_out(AWAIT)
    assert context.waits == 2


def test_an_engine_that_cannot_answer_is_not_asked_again(carry_out, deploy, context):
    swarm = deploy()
    for engine in swarm.engines:
        swarm.fail(engine, "GET /tasks", 500, "database is broken")
    with pytest.raises(NodeError, match="database is broken"):
        carry_out(AWAIT)
    assert context.waits == 0


def test_the_deadline_tells_what_each_task_says(carry_out, deploy):
    swarm = deploy(state="pending")
    next(iter(swarm.tasks.values()))["Status"]["Err"] = "no suitable node"
    with pytest.raises(NodeError, match="service mesh_web has not converged within 0 s: 0 of 2 tasks run") as caught:
        carry_out(AWAIT, converge_seconds=0.0)
    assert caught.value.kind == "timeout"
    assert any(line.endswith("pending: no suitable node") for line in caught.value.details)
    assert "docker service ps --no-trunc mesh_web" in caught.value.hint


def test_a_service_that_is_gone_is_told(carry_out, formed):
    with pytest.raises(NodeError, match=r"look at service mesh_web: .* not found"):
        carry_out(AWAIT)


def test_waiting_is_cancelled(carry_out, deploy, context):
    deploy(state="starting")
    context.on_wait = lambda number: context.cancel() if number == 2 else None
    with pytest.raises(Interrupted):
        carry_out(AWAIT)
    assert context.waits == 2
