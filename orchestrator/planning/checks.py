"""The checks of one published port: each a question with a verdict, the reason, and the nodes to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from orchestrator.model.observed import ClusterView, LiveTask
from orchestrator.model.probe import Expectation, Observation
from orchestrator.model.verdict import CheckResult, Verdict
from orchestrator.planning.localise import findings
from orchestrator.planning.scene import Scene
from orchestrator.planning.tally import SILENCE, Way, by_entry, enumerate_names, seen_tasks, task_name

ANONYMOUS = "the answers do not name their task, so who answered, shares and entry addresses are not checked"

OTHER_PROTOCOL = "it answers, but not in HTTP, so who answered, shares and entry addresses are not checked"

QUIET = "a service that waits to be spoken to in its own protocol looks like this, and one that hangs does too"
QUIET_HINT = "ask it with a client of its own, at the address of {entry}"

QUANTUM = 1.0
"""Requests by which a task's share may always differ: so many cannot be dealt out evenly in any case."""


def subject(found: Scene, entry: str) -> str:
    """What a check is about: ``ingress-mesh_web :8080 via n2``."""
    return f"{found.service} :{found.port} via {entry}"


def _left_out(found: Scene) -> str:
    """What is not checked of a port that answers, and why; "" where everything is."""
    if found.anonymous:
        return ANONYMOUS
    replies = any(way.replies for way in found.ways)
    return OTHER_PROTOCOL if replies and not any(way.answers for way in found.ways) else ""


def mesh_checks(found: Scene) -> Iterator[CheckResult]:
    """Whether every entry does what it must, as far as we could ask, and from where we could not ask.

    A port in host mode is judged the same way, as ``publish-mode``: there only nodes with a task must answer.
    """
    check = "mesh" if found.mesh else "publish-mode"
    for entry, ways in by_entry(found.ways).items():
        yield _mesh(found, check, entry, [way for way in ways if way.conclusive])
    lost = {way.vantage: way.unasked for way in found.ways if way.unasked}
    for vantage, reason in lost.items():
        about = f"{found.service} :{found.port} from {vantage}"
        nodes = (vantage,) if vantage in {way.entry for way in found.ways} else ()
        yield CheckResult(check, about, Verdict.INCONCLUSIVE, reason, "`lab status` shows every node", nodes)


def identity_check(found: Scene, entry: str, ways: Sequence[Way], view: ClusterView) -> CheckResult:
    """Whether every answer comes from a running task of this service (in host mode: on this node)."""
    due = found.task_ids if found.mesh else {task.id for task in found.tasks if found.host(task) == entry}
    answers = [seen for way in ways for seen in way.answers]
    strange = Counter(_stranger(seen, found, view) for seen in answers if not _known(seen, found, due))
    if not strange:
        return CheckResult("identity", subject(found, entry), Verdict.PASS)
    said = "; ".join(f"{text} ({times} of {len(answers)} answers)" for text, times in strange.most_common())
    hint = f"`docker service ps {found.service}`, and what else listens on port {found.port} of {entry}"
    return CheckResult("identity", subject(found, entry), Verdict.FAIL, said, hint, (entry,))


def coverage_check(found: Scene, entry: str, ways: Sequence[Way]) -> CheckResult:
    """Whether the answers through an entry, from all vantages together, come from all running tasks."""
    seen = seen_tasks(ways)
    missing = [task for task in found.tasks if task.id not in seen]
    if not missing:
        return CheckResult("coverage", subject(found, entry), Verdict.PASS)
    names = enumerate_names(task_name(task, found.host(task)) for task in missing)
    reason = f"{len(found.tasks) - len(missing)} of {len(found.tasks)} running tasks answered; never seen: {names}"
    return CheckResult(
        "coverage",
        subject(found, entry),
        Verdict.FAIL,
        reason,
        _coverage_hint(found, entry),
        _absent(found, missing, entry),
    )


def uncovered_check(found: Scene, entry: str) -> CheckResult:
    """That a plan had enough requests to see every task through an entry, but too many vantages of them are lost."""
    made = sum(len(way.good) + len(way.bad) for way in found.through(entry))
    reason = f"only {made} requests could be made through it, too few to see all {len(found.tasks)} running tasks"
    hint = "`lab status` shows every node; `lab verify --pairs all` asks from all others too"
    return CheckResult("coverage", subject(found, entry), Verdict.INCONCLUSIVE, reason, hint)


def share_check(found: Scene, entry: str, ways: Sequence[Way], tolerance: float) -> CheckResult:
    """Whether the running tasks, which must all have answered, did so equally often.

    IPVS deals requests out in turn on each entry node, whatever vantage they come from.
    """
    seen = seen_tasks(ways)
    even = sum(seen[task.id] for task in found.tasks) / len(found.tasks)
    allowed = max(tolerance * even, QUANTUM)
    if all(abs(seen[task.id] - even) <= allowed for task in found.tasks):
        return CheckResult("share", subject(found, entry), Verdict.PASS)
    said = ", ".join(f"{task_name(task, found.host(task))} {seen[task.id]}" for task in found.tasks)
    reason = f"answers are not shared evenly: {said}; even would be {even:g} each, give or take {allowed:g}"
    hint = f"`ipvsadm -ln` in the ingress namespace of {entry}; other traffic through it, tasks that restart"
    return CheckResult("share", subject(found, entry), Verdict.FAIL, reason, hint, (entry,))


def entry_check(found: Scene, entry: str, ways: Sequence[Way], ingress: Mapping[str, str]) -> CheckResult:
    """Whether the tasks saw the requests come from the entry node's own address on the ingress network.

    Also what a node sends to itself passes its ingress sandbox, so there is no exception. ``ingress`` maps nodes to
    these addresses; those that are not known are left out.
    """
    seen = Counter(got.answer.client for way in ways for got in way.answers if got.answer.client)
    own = ingress.get(entry)
    if not seen:
        reason = "the answers do not tell which address the task saw"
        return CheckResult("entry", subject(found, entry), Verdict.INCONCLUSIVE, reason)
    if own is None:
        reason = f"the address of {entry} on the ingress network is not known"
        return CheckResult("entry", subject(found, entry), Verdict.INCONCLUSIVE, reason)
    others = {address: times for address, times in seen.items() if address != own}
    if not others:
        return CheckResult("entry", subject(found, entry), Verdict.PASS)
    owners = {address: node for node, address in ingress.items()}
    said = ", ".join(
        f"{address} ({owners.get(address, 'no node of ours')}), {n} times" for address, n in others.items()
    )
    reason = f"requests came in by {said}, and not by {own} of {entry}"
    nodes = (entry, *(owners[address] for address in others if address in owners))
    hint = f"does the address that was asked belong to {entry}? is another NAT on the way?"
    return CheckResult("entry", subject(found, entry), Verdict.FAIL, reason, hint, nodes)


def _mesh(found: Scene, check: str, entry: str, ways: Sequence[Way]) -> CheckResult:
    about = subject(found, entry)
    if not ways:
        return CheckResult(check, about, Verdict.INCONCLUSIVE, "there is no vantage from which it could be asked")
    failed = [way for way in ways if way.failed]
    if not failed and any(way.silent for way in ways):
        return CheckResult(check, about, Verdict.INCONCLUSIVE, f"{SILENCE}: {QUIET}", QUIET_HINT.format(entry=entry))
    if not failed:
        return CheckResult(check, about, Verdict.PASS, _left_out(found))
    if failed[0].probe.expect is Expectation.REFUSED:
        return _not_closed(found, check, entry, failed)
    causes = findings(found, entry)
    nodes = tuple(dict.fromkeys(node for cause in causes for node in cause.nodes))
    reason = "; ".join(dict.fromkeys(cause.reason for cause in causes))
    hint = "; ".join(dict.fromkeys(cause.hint for cause in causes))
    return CheckResult(check, about, Verdict.FAIL, reason, hint, nodes)


def _not_closed(found: Scene, check: str, entry: str, failed: Sequence[Way]) -> CheckResult:
    """Something other than a refusal came back where no task can answer."""
    said = "; ".join(f"from {way.vantage}: {way.failures}" for way in failed)
    why = f"{entry} runs no task of it" if not found.mesh else "it has no replicas"
    reason = f"{why}, so the connection must be refused, and was not: {said}"
    hint = f"on {entry}: what listens (`ss -ltnp sport = :{found.port}`), does a firewall drop the packets?"
    return CheckResult(check, subject(found, entry), Verdict.FAIL, reason, hint, (entry,))


def _known(seen: Observation, found: Scene, due: Collection[str]) -> bool:
    return seen.answer.task in due and seen.answer.service in {"", found.service}


def _stranger(seen: Observation, found: Scene, view: ClusterView) -> str:
    """Who answered instead of a running task of the service."""
    answer = seen.answer
    if not answer.task:
        return "an answer does not name its task"
    there = {task.id: task for task in view.swarm.tasks} if view.swarm else {}
    task = there.get(answer.task)
    if task is None:
        return f"task {answer.task} answered, which the managers do not know"
    name = task_name(task, found.host(task))
    if task.service != found.service:
        return f"{name} of the service {task.service} answered"
    if task.id in {running.id for running in found.tasks}:
        return f"{name} answered, which calls itself {answer.service}" if found.mesh else f"{name} answered"
    return f"{name} answered, which is {task.state} and shall be {task.desired}"


def _absent(found: Scene, missing: Sequence[LiveTask], entry: str) -> tuple[str, ...]:
    """Where to look for tasks that never answered through an entry."""
    nodes: list[str] = []
    for task in missing:
        host = found.host(task)
        if task in found.never_seen:
            nodes.append(host)
        else:
            nodes += found.paths.get((entry, host), (entry,))
    return tuple(dict.fromkeys(nodes))


def _coverage_hint(found: Scene, entry: str) -> str:
    if found.never_seen:
        return f"`docker service ps {found.service}`; does that task listen, and does {entry} know it (`ipvsadm -ln`)?"
    return f"does {entry} know the task (`ipvsadm -ln` in its ingress namespace), does VXLAN pass between the nodes?"
