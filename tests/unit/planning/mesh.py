"""A routing mesh in memory: it answers probes as the real one would, with the faults that a test puts in."""

from collections import Counter
from dataclasses import dataclass, replace

from orchestrator.model.probe import OPERATOR, Answer, Observation, Outcome, Target
from orchestrator.planning.diff import plan_up
from orchestrator.planning.judge import judge
from orchestrator.planning.probes import plan_probes

from .builders import IMAGES, fresh, goal, inventory, mesh_lab
from .simulator import carry_out

WEB = "ingress-mesh_web"


@dataclass(frozen=True)
class Cluster:
    """A cluster that is up, and the probes for it."""

    inventory: object
    view: object
    plan: object

    @property
    def tasks(self):
        """The running tasks of the service by node name."""
        names = {node.node_id: node.name for node in self.view.nodes}
        due = [task for task in self.view.swarm.tasks if task.service == WEB and task.desired == "running"]
        return {task.id: names[task.node_id] for task in due}

    def node_of(self, address):
        return next(node.name for node in self.view.nodes if node.node_addr == address)


def cluster(nodes=3, replicas=2, operator=True, requests=20, **changes):
    """A cluster with one task per node as far as replicas go, from n1 on."""
    inv = inventory(managers=1, workers=nodes - 1)
    view = fresh(inv)
    view = carry_out(plan_up(inv, goal(inv, mesh_lab(replicas=replicas, **changes)), view), view, inv, IMAGES)
    routes = {(n.name, 8080): Target(n.name, "127.0.0.1", 31080 + i) for i, n in enumerate(inv.nodes) if operator}
    return asked(inv, view, routes, requests=requests)


def asked(inv, view, routes=(), **options):
    return Cluster(inv, view, plan_probes(inv.name, inv.nodes, view, dict(routes), **options))


@dataclass(frozen=True)
class Faults:
    """What is broken. Outcomes are what a request meets.

    ``link``: nodes whose cluster interface is down. ``closed``: entry nodes at which every request from elsewhere meets
    the outcome (``deaf``: also their own). ``loopback``: nodes that do not reach 127.0.0.1. ``data_path``: nodes whose
    VXLAN traffic is dropped. ``stopped``: tasks that answer nobody. ``forgotten``: (entry, task) that IPVS lacks.
    ``dead``: vantages without a connection. ``apart``: pairs of nodes that do not reach each other.
    """

    link: tuple = ()
    closed: dict = None
    deaf: dict = None
    loopback: tuple = ()
    data_path: tuple = ()
    stopped: tuple = ()
    forgotten: tuple = ()
    dead: tuple = ()
    apart: tuple = ()


def ask(cluster, faults=None, chooser=None):
    """What every probe of the plan meets; ``chooser`` (random) picks tasks where other traffic mixes up the turns."""
    faults = faults or Faults()
    turns = Counter() if chooser is None else Turns(chooser)
    return [
        observation
        for probe in cluster.plan.probes
        for observation in (_attempt(cluster, faults, probe, number, turns) for number in range(probe.count))
    ]


class Turns(dict):
    """Turns that nobody can foresee."""

    def __init__(self, chooser):
        super().__init__()
        self.chooser = chooser

    def __getitem__(self, entry):
        return self.chooser.randrange(1000)


def verdicts(cluster, faults=None, chooser=None):
    return judge(cluster.plan, ask(cluster, faults, chooser), cluster.view)


def _attempt(cluster, faults, probe, number, turns):
    outcome = _access(faults, probe)
    if outcome is not Outcome.ANSWERED:
        return Observation(probe.id, number, outcome, 0.01, error="what the system said")
    entry = probe.target.entry
    tasks = [task for task in cluster.tasks if (entry, task) not in faults.forgotten]
    task = tasks[turns[entry] % len(tasks)]
    turns[entry] += 1
    host = cluster.tasks[task]
    if task in faults.stopped or (entry != host and {entry, host} & {*faults.link, *faults.data_path}):
        return Observation(probe.id, number, Outcome.TIMEOUT, 5.0, error="timed out")
    answer = Answer(host, WEB, task, "1", "10.0.0.9", cluster.view.node(entry).ingress_address)
    return Observation(probe.id, number, Outcome.ANSWERED, 0.02, 200, answer)


def _access(faults, probe):
    vantage, entry = probe.vantage, probe.target.entry
    if vantage in faults.dead:
        return Outcome.VANTAGE_DEAD
    own = vantage == entry
    if entry in (faults.deaf or {}):
        return faults.deaf[entry]
    if not own and entry in (faults.closed or {}):
        return faults.closed[entry]
    if own and entry in faults.loopback and probe.target.address == "127.0.0.1":
        return Outcome.REFUSED
    cut = vantage != OPERATOR and {vantage, entry} & set(faults.link)
    if not own and (cut or {vantage, entry} in faults.apart):
        return Outcome.TIMEOUT
    return Outcome.ANSWERED


def drop_answers_of(observations, task):
    """The same answers without those of one task, each replaced by another task's."""
    others = [seen.answer for seen in observations if seen.answer.task != task]
    return [
        replace(seen, answer=replace(others[0], client=seen.answer.client)) if seen.answer.task == task else seen
        for seen in observations
    ]
