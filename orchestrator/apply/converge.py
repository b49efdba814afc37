"""Wait until a service is what its specification says; the judgement is pure.

Docker's own word for a rolling update (``UpdateStatus``) is not there right after an update was asked for, so the
tasks themselves are looked at: those made from an older specification must go.
"""

# The stubs of the docker SDK leave many of its methods untyped.

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.apply.site import Job, Manager, Raw
from orchestrator.errors import NodeError
from orchestrator.model.plan import AwaitService
from orchestrator.runtime.retry import NotYet, until
from orchestrator.transport.engine_errors import engine_errors, hint_for, is_passing

WANTED = {"running", "ready"}
FAILED = {"rejected", "failed"}
REJECTIONS = 2
"""How often a task of one slot may be rejected (refused by the node's engine) before waiting is pointless."""
FAILURES = 3
"""How often a task of one slot may start and fail."""
CALM_LOOKS = 2
"""An updated service must be seen converged this often in a row: its update may not have begun at the first look."""


@dataclass(frozen=True)
class Assessment:
    """``done``, or what is missing; ``fatal`` says why waiting on is pointless."""

    done: bool
    message: str
    running: int
    wanted: int
    fatal: str = ""


def assess(
    service: Raw, tasks: Sequence[Raw], *, down: Collection[str] = (), before: Collection[str] = (), was: str = ""
) -> Assessment:
    """Judge a service by its tasks (all of them, as ``GET /tasks`` gives them).

    ``down`` are ids of nodes that are not ready: what they still call running cannot be helped. ``before`` are ids
    of tasks that had failed before the waiting began, ``was`` is the update's state at that time.
    """
    current = [task for task in tasks if _same_spec(task, service)]
    live = [task for task in current if task["DesiredState"] in WANTED]
    running = [task for task in live if _state(task) == "running"]
    wanted = _replicas(service, len(live))
    state = (service.get("UpdateStatus") or {}).get("State") or ""
    old = [task for task in tasks if task not in current and task["DesiredState"] in WANTED]
    ending = [
        t for t in tasks if t["DesiredState"] not in WANTED and _state(t) == "running" and t["NodeID"] not in down
    ]
    missing = [
        f"{len(running)} of {wanted} tasks run" if len(running) != wanted or wanted != len(live) else "",
        "no node is eligible" if _is_global(service) and not wanted else "",
        f"{len(old)} of the old specification remain" if old else "",
        f"{len(ending)} are still ending" if ending else "",
        f"its update is {state}" if state in {"updating", "rollback_started"} else "",
    ]
    message = ", ".join(part for part in missing if part)
    return Assessment(not message, message, len(running), wanted, _fatal(service, current, before, was))


def _same_spec(task: Raw, service: Raw) -> bool:
    """Whether a task was made from the service's present specification.

    Placement is left out: Docker keeps a task whose node still satisfies changed constraints. The engine fills empty
    objects into a service's answer (DNSConfig, Resources) and names its runtime, but not into a task's.
    """
    template, spec = _without_empty(service["Spec"]["TaskTemplate"]), _without_empty(task["Spec"])
    keys = (template.keys() | spec.keys()) - {"Placement", "Runtime"}
    return all(template.get(key) == spec.get(key) for key in keys)


def _without_empty(value: Any) -> Any:  # noqa: ANN401 (a JSON value)
    """A JSON value without members that are empty, at any depth."""
    if not isinstance(value, dict):
        return value
    slim = {key: _without_empty(member) for key, member in value.items()}
    return {key: member for key, member in slim.items() if member not in ({}, [], None, "")}


def _state(task: Raw) -> str:
    return str(task["Status"]["State"])


def _is_global(service: Raw) -> bool:
    return "Global" in service["Spec"]["Mode"]


def _replicas(service: Raw, live: int) -> int:
    """How many tasks shall run; for a global service Docker makes one per eligible node, so those it made count."""
    return live if _is_global(service) else int(service["Spec"]["Mode"]["Replicated"].get("Replicas", 1))


def _fatal(service: Raw, current: Sequence[Raw], before: Collection[str], was: str) -> str:
    status = service.get("UpdateStatus") or {}
    state = status.get("State") or ""
    if state in {"paused", "rollback_paused"} or (state == "rollback_completed" and was != state):
        return f"its update is {state.replace('_', ' ')}: {status.get('Message') or 'Docker does not say why'}"
    fresh = [task for task in current if _state(task) in FAILED and task["ID"] not in before]
    for kind, limit in (("rejected", REJECTIONS), ("failed", FAILURES)):
        slots = Counter((task.get("Slot"), _place(task)) for task in fresh if _state(task) == kind)
        if slots and max(slots.values()) >= limit:
            return f"its tasks are {kind} again and again: {_error(fresh[-1])}"
    return ""


def _place(task: Raw) -> str:
    """Where a task of a global service belongs; a slot's task may move."""
    return "" if task.get("Slot") else str(task.get("NodeID", ""))


def _error(task: Raw) -> str:
    status = task["Status"]
    return str(status.get("Err") or status.get("Message") or _state(task))


@dataclass
class _Watch:
    """One service being waited for."""

    job: Job
    name: str
    calm: int = 0
    before: set[str] | None = None
    was: str = ""
    tasks: list[Raw] = field(default_factory=list)
    manager: Manager | None = None

    def look(self) -> None:
        """One look. Raises ``NotYet``, or ``NodeError`` where waiting is pointless."""
        try:
            manager = self.manager = self.job.site.manager()
            with engine_errors(manager.name, f"look at service {self.name}"):
                service = manager.engine.inspect_service(self.name)
                self.tasks = manager.engine.tasks(filters={"service": self.name})
                down = {node["ID"] for node in manager.engine.nodes() if node["Status"]["State"] != "ready"}
        except NodeError as error:
            if is_passing(error):
                raise NotYet(error.message) from error
            raise
        if self.before is None:
            self.before = {task["ID"] for task in self.tasks if _state(task) in FAILED}
            self.was = (service.get("UpdateStatus") or {}).get("State") or ""
        seen = assess(service, self.tasks, down=down, before=self.before, was=self.was)
        if seen.fatal:
            raise self.failure(f"service {self.name} does not come up: {seen.fatal}", hint_for(seen.fatal))
        self.job.progress(seen.message or "converged", seen.running / seen.wanted if seen.wanted else -1.0)
        self.calm = self.calm + 1 if seen.done else 0
        if self.calm < (CALM_LOOKS if "PreviousSpec" in service else 1):
            raise NotYet(seen.message or "it has only just converged")

    def failure(self, message: str, hint: str, kind: str = "engine") -> NodeError:
        """The error of this wait, with what each unfinished task says."""
        return NodeError(message, details=self._stories(), hint=hint or self._where_to_look(), kind=kind)

    def _stories(self) -> list[str]:
        names = self._hostnames()
        stories = []
        for task in self.tasks:
            if _state(task) in FAILED or (task["DesiredState"] in WANTED and _state(task) != "running"):
                node = names.get(task.get("NodeID", ""), "no node")
                error = task["Status"].get("Err") or task["Status"].get("Message") or ""
                stories.append(
                    f"{self.name}.{task.get('Slot') or node} on {node}: {_state(task)}: {error}".rstrip(": ")
                )
        return stories

    def _hostnames(self) -> dict[str, str]:
        if self.manager is None:
            return {}
        with engine_errors(self.manager.name, "list nodes"):
            return {node["ID"]: node["Description"]["Hostname"] for node in self.manager.engine.nodes()}

    def _where_to_look(self) -> str:
        return f"look at its tasks on a manager: docker service ps --no-trunc {self.name}"


def await_service(job: Job, action: AwaitService) -> bool:
    """Wait until the service has converged. Raises ``NodeError`` with the tasks' own words where it does not."""
    watch = _Watch(job, action.service)
    deadline = job.site.converge_seconds
    try:
        until(job.context, watch.look, deadline=deadline)
    except NotYet as late:
        message = f"service {action.service} has not converged within {deadline:.0f} s: {late}"
        raise watch.failure(message, "", kind="timeout") from late
    return False
