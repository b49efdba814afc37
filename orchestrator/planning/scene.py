"""Who is to blame when some of many ways fail: the fewest nodes that explain all failures.

Two things can fail on the way of a request. *Access*: the vantage does not get into the entry node; then every request
of that way fails. *Path*: the entry node does not get to a task on another node (VXLAN); then requests fail from
everywhere, in the rhythm in which round robin picks that task. Each failure concerns two nodes. A node that takes part
in most of them is blamed; where two take part in equally many, both are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.model.observed import ClusterView, LiveTask, SwarmState
from orchestrator.model.probe import Expectation, Outcome
from orchestrator.planning.cluster import running, why_unreachable
from orchestrator.planning.tally import Way, by_entry, seen_tasks

Pair = tuple[str, str]

CHANCE = 0.001
"""Below this probability nobody believes that every request of a way met a task that does not answer."""

READY = "ready"
"""State of a member from which the managers hear (``Status.State`` of ``GET /nodes``)."""


@dataclass(frozen=True)
class Scene:
    """One published port of one service with all that was seen of it.

    ``names`` maps node ids to node names; ``trouble`` tells of nodes that something is known to be wrong with.
    ``mesh`` is false for a port in host mode, at which a node hands requests to its own task only.
    """

    service: str
    port: int
    ways: tuple[Way, ...]
    tasks: tuple[LiveTask, ...]
    names: Mapping[str, str]
    trouble: Mapping[str, str]
    mesh: bool = True

    def host(self, task: LiveTask) -> str:
        """The name of the node on which a task runs."""
        return self.names.get(task.node_id, task.node_id)

    @cached_property
    def task_ids(self) -> frozenset[str]:
        """The tasks by id."""
        return frozenset(task.id for task in self.tasks)

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """The nodes on which tasks run."""
        return tuple(dict.fromkeys(self.host(task) for task in self.tasks))

    @cached_property
    def conclusive(self) -> tuple[Way, ...]:
        """The ways that tell something of where answers are due."""
        return tuple(way for way in self.ways if way.conclusive and way.probe.expect is Expectation.ANSWER)

    @cached_property
    def _by_entry(self) -> dict[str, list[Way]]:
        return by_entry(self.conclusive)

    @cached_property
    def _seen(self) -> dict[str, Counter[str]]:
        """How often each task answered, by the entry that led to it."""
        return {entry: seen_tasks(ways) for entry, ways in self._by_entry.items()}

    @cached_property
    def _seen_anywhere(self) -> Counter[str]:
        return sum(self._seen.values(), Counter())

    def through(self, entry: str) -> list[Way]:
        """The conclusive ways through an entry node."""
        return self._by_entry.get(entry, [])

    @cached_property
    def anonymous(self) -> bool:
        """Whether something answers, but no answer at all names its task: an image that knows nothing of us."""
        return any(way.answers for way in self.ways) and not seen_tasks(self.ways)

    def planned(self, entry: str) -> bool:
        """Whether as many requests were to go through an entry as are sure to show every task: two for each."""
        return sum(way.probe.count for way in self._planned.get(entry, ())) >= 2 * len(self.tasks)

    def thin(self, entry: str) -> bool:
        """Whether too few requests went through an entry to tell anything by a task that was not seen there."""
        made = sum(len(way.good) + len(way.bad) for way in self.through(entry))
        return not self.planned(entry) or made < len(self.tasks)

    @cached_property
    def _planned(self) -> dict[str, list[Way]]:
        return by_entry(self.ways)

    @cached_property
    def silent(self) -> bool:
        """Whether nothing answers anywhere."""
        return bool(self.conclusive) and all(way.dead for way in self.conclusive)

    @cached_property
    def mute(self) -> frozenset[str]:
        """Entries that let nobody in, not even the node itself."""
        return frozenset(entry for entry, ways in self._by_entry.items() if all(way.dead for way in ways))

    @cached_property
    def never_seen(self) -> tuple[LiveTask, ...]:
        """Running tasks that answered nobody, where others did."""
        seen = self._seen_anywhere
        return tuple(task for task in self.tasks if self.mesh and seen and task.id not in seen)

    def missed(self, entry: str) -> tuple[LiveTask, ...]:
        """Running tasks that answered through other entries, but not through this one, where they had to."""
        if self.thin(entry):
            return ()
        here, anywhere = self._seen.get(entry, Counter()), self._seen_anywhere
        return tuple(task for task in self.tasks if self.mesh and task.id in anywhere and task.id not in here)

    @cached_property
    def access(self) -> dict[Pair, tuple[str, ...]]:
        """For each pair of vantage and entry between which nothing gets through: the nodes to blame."""
        pairs = {(way.vantage, way.entry) for way in self.conclusive if self.blocked(way) and not way.own}
        return _blame(pairs, self._suspects)

    def blocked(self, way: Way) -> bool:
        """Whether nothing gets through at all, and not just because each request met a task that does not answer.

        With few requests that happens: four requests to two tasks, of which one hangs, all meet it once in 16 times.
        """
        if not way.dead or not self.tasks:
            return way.dead
        lost = len(self.never_seen) + len(self.missed(way.entry))
        return (lost / len(self.tasks)) ** len(way.bad) < CHANCE or way.entry in self.mute

    @cached_property
    def paths(self) -> dict[Pair, tuple[str, ...]]:
        """For each pair of entry and host of a task between which nothing gets through: the nodes to blame.

        A refused connection has reached somebody, so it says nothing against the path.
        """
        lossy = [entry for entry, ways in self._by_entry.items() if any(map(_lossy, ways))]
        pairs = {(entry, self.host(task)) for entry in lossy for task in self.missed(entry)}
        return _blame({pair for pair in pairs if pair[0] != pair[1]}, self._suspects)

    @cached_property
    def _suspects(self) -> frozenset[str]:
        """Nodes with something against them already: known trouble, deaf to all, or no vantage any more."""
        silent = {way.vantage for way in self.ways if way.unasked}
        return self.mute | frozenset(self.trouble) | silent


def scene(view: ClusterView, service: str, port: int, ways: Sequence[Way], *, mesh: bool) -> Scene:
    """Put together what is known of a published port; ``mesh`` is false for one in host mode."""
    swarm = view.swarm
    names = {member.id: member.hostname for member in swarm.nodes} if swarm else {}
    names |= {seen.node_id: seen.name for seen in view.nodes if seen.node_id}
    tasks = running(swarm, service) if swarm else ()
    return Scene(service, port, tuple(ways), tasks, names, _trouble(view), mesh)


def _trouble(view: ClusterView) -> dict[str, str]:
    """What is known to be wrong with nodes, by name."""
    members = {member.id: member for member in view.swarm.nodes} if view.swarm else {}
    found = {
        member.hostname: f"the managers see it as {member.state}"
        for member in members.values()
        if member.state != READY
    }
    for seen in view.nodes:
        member = members.get(seen.node_id)
        if not seen.reachable:
            found[seen.name] = f"it cannot be reached: {why_unreachable(seen)}"
        elif seen.swarm is not SwarmState.ACTIVE:
            found[seen.name] = f"it is not in the swarm (its state is {seen.swarm})"
        elif member and member.state != READY:
            found[seen.name] = f"the managers see it as {member.state}"
        else:
            found.pop(seen.name, None)
    return found


def _lossy(way: Way) -> bool:
    return any(seen.outcome in {Outcome.TIMEOUT, Outcome.UNREACHABLE, Outcome.RESET} for seen in way.bad)


def _blame(pairs: Collection[Pair], suspects: Collection[str]) -> dict[Pair, tuple[str, ...]]:
    """A small set of nodes that takes part in every pair, found greedily; of equals the suspects are taken."""
    blamed: dict[Pair, tuple[str, ...]] = {}
    rest = set(pairs)
    while rest:
        weight = {node: (times, node in suspects) for node, times in Counter(n for pair in rest for n in pair).items()}
        heaviest = max(weight.values())
        worst = {node for node in weight if weight[node] == heaviest}
        hit = {pair for pair in rest if worst & set(pair)}
        blamed |= {pair: tuple(node for node in pair if node in worst) for pair in hit}
        rest -= hit
    return blamed
