"""How many things come up at once."""

from __future__ import annotations

from orchestrator.apply.pace import CONTAINERS_PER_NODE, coming_services, next_step
from orchestrator.model.lab import Container, Service
from orchestrator.model.plan import AwaitService, CreateService, RunContainer, Step, UpdateService


def create(name: str) -> Step:
    return Step(f"service {name}", CreateService(Service(name, name, "web:1")), "", "")


def update(name: str) -> Step:
    return Step(f"service {name}", UpdateService(f"id-{name}", Service(name, name, "web:1")), "", "")


def awaiting(name: str) -> Step:
    return Step(f"await {name}", AwaitService(name), "", "", (f"service {name}",))


def container(name: str, node: str = "n1") -> Step:
    return Step(f"container {node} {name}", RunContainer(node, Container(name, name, "web:1")), "", "")


def test_the_first_that_may_start_does():
    assert next_step([create("a"), create("b")], [], set(), 3) == create("a")
    assert next_step([], [], set(), 3) is None


def test_services_wait_until_few_are_coming():
    assert next_step([create("c")], [awaiting("a")], {"a", "b"}, 2) is None
    assert next_step([update("c")], [awaiting("a")], {"a", "b"}, 2) is None
    assert next_step([create("c")], [awaiting("a")], {"a"}, 2) == create("c")


def test_other_steps_pass_a_service_that_waits():
    assert next_step([create("c"), awaiting("a")], [create("b")], {"a", "b"}, 2) == awaiting("a")


def test_containers_wait_for_those_of_their_own_node():
    running = [container(str(number)) for number in range(CONTAINERS_PER_NODE)]
    assert next_step([container("late")], running, set(), 1) is None
    assert next_step([container("late", "n2")], running, set(), 1) == container("late", "n2")
    assert next_step([container("late")], running[1:], set(), 1) == container("late")


def test_containers_come_after_the_services():
    assert next_step([container("late"), create("a")], [], set(), 3) == create("a")
    assert next_step([container("late")], [awaiting("a")], {"a"}, 3) is None
    assert next_step([container("late")], [awaiting("a")], set(), 3) == container("late")


def test_where_nothing_runs_something_is_started():
    assert next_step([create("c")], [], {"a", "b"}, 2) == create("c")


def test_a_service_is_coming_from_its_start_until_it_was_waited_for():
    steps = [create("a"), awaiting("a"), update("b"), awaiting("b"), create("alone")]
    assert coming_services(steps, {"service a", "service b", "service alone"}, {"service a"}) == {"a", "b"}
    assert coming_services(steps, {"service a", "await a"}, {"service a", "await a"}) == set()
    assert coming_services(steps, set(), set()) == set()
