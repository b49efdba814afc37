"""A swarm in memory and a way to carry out actions on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from apply_support import InstantContext, init, join

from orchestrator.apply import ApplyReport, apply_plan
from orchestrator.model.image import LabImage
from orchestrator.model.inventory import Role
from orchestrator.model.plan import Plan, Step
from orchestrator.transport.fakeswarm import FakeSwarm
from orchestrator.transport.scripted import hosts_of


@pytest.fixture
def events():
    return []


@pytest.fixture
def context(events):
    return InstantContext(events)


@pytest.fixture
def swarm():
    return FakeSwarm("n1", "n2", "n3", images={"web:1": "sha256:aa"})


@pytest.fixture
def hosts(swarm):
    return hosts_of(swarm)


@pytest.fixture
def images(tmp_path: Path):
    archive = tmp_path / "web.tar"
    archive.write_text("web:1 sha256:aa")
    return {"web:1": LabImage("web:1", "sha256:aa", archive, "sha256:bb")}


@pytest.fixture
def carry_out(context, hosts, images):
    """Carry out actions, one after the other unless they are given as a plan."""

    def go(*actions, plan: Plan | None = None, **options) -> ApplyReport:
        steps = []
        for number, action in enumerate(actions):
            after = (f"step {number - 1}",) if number else ()
            steps.append(Step(f"step {number}", action, f"do {type(action).__name__}", "a test", after))
        options = {"images": images, "manager": "n1"} | options
        return apply_plan(context, plan or Plan(tuple(steps)), hosts, **options)

    return go


@pytest.fixture
def formed(carry_out, swarm):
    """A swarm of two managers and a worker, made by us."""
    carry_out(init(), join("n2", Role.MANAGER), join("n3"))
    swarm.changes.clear()
    return swarm
