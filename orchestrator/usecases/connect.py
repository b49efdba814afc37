"""Connections to all nodes at once; a node that cannot be reached is data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from orchestrator.errors import HostKeyChanged, Interrupted, LabError, UsageError
from orchestrator.model.inventory import NodeConfig
from orchestrator.model.observed import Problem
from orchestrator.providers.base import Machine, Provider
from orchestrator.runtime.bounded import fan_out_within
from orchestrator.runtime.context import Context
from orchestrator.runtime.fanout import Result, fan_out
from orchestrator.runtime.limits import room_for
from orchestrator.transport.base import Host, problem_of

Hosts = Mapping[str, Host | Problem]
"""Every node of the inventory by name: the connection to it, or why there is none."""

LOGINS = 32
"""Logins under way at once, at all nodes together."""

NOT_RUNNING = ("stopped", "absent")
"""States of a machine to which no connection is tried."""

PATIENCE = 5.0
"""Seconds within which nodes must be connected to, where a dead one may not keep a person waiting for the others."""

ENGINE_PATIENCE = 7.0
"""Seconds within which the engines of all nodes must have told what they know, in the same case."""


@contextmanager
def connections(
    context: Context, provider: Provider, nodes: Sequence[NodeConfig], *, patience: float | None = None
) -> Iterator[Hosts]:
    """Connect to ``nodes`` in parallel; closes what was opened at the end, or at once when cancelled.

    ``patience`` is how many seconds all of them have together, or twice as long as those took that were reached;
    without it each connection has its own time-outs.
    """
    with ExitStack() as stack:
        hosts = reach(context, provider, nodes, patience=patience)
        for host in hosts.values():
            if not isinstance(host, Problem):
                stack.callback(host.close)
                stack.enter_context(context.closing(host.close))
        context.check()
        yield hosts


def reach(context: Context, provider: Provider, nodes: Sequence[NodeConfig], *, patience: float | None = None) -> Hosts:
    """Connections to ``nodes``, those that stand already where there are; nobody closes them.

    Raises ``EnvironmentProblem`` where this process may not have so many.
    """
    room_for(len(nodes))
    machines = {machine.name: machine for machine in provider.machines()}

    def connect(node: NodeConfig) -> Host | Problem:
        return _not_running(node.name, machines) or provider.connect(context, node)

    if patience is None:
        results = fan_out(nodes, connect, limit=LOGINS)
    else:
        results = fan_out_within(context, nodes, connect, patience, pace=True, limit=LOGINS)
    return {result.item.name: _outcome(result, patience) for result in results}


@contextmanager
def connected(
    context: Context, provider: Provider, nodes: Sequence[NodeConfig], *, patience: float | None = None
) -> Iterator[Hosts]:
    """As :func:`connections`, and the connecting itself is reported as a phase."""
    with ExitStack() as stack:
        with context.phase("connect", "Connect to the nodes") as phase:
            hosts = stack.enter_context(connections(context, provider, nodes, patience=patience))
            lost = unreachable(hosts)
            phase.summary = f"{len(hosts) - len(lost)} of {len(hosts)}"
        for name, problem in lost.items():
            context.notice(problem.message, level="warning", node=name)
        yield hosts


def unreachable(hosts: Hosts) -> dict[str, Problem]:
    """The nodes to which no connection stands, and why."""
    return {name: host for name, host in hosts.items() if isinstance(host, Problem)}


def _outcome(result: Result[NodeConfig, Host | Problem], patience: float | None) -> Host | Problem:
    """A failed connection as a problem; what is no answer of a node is raised.

    That is a bug, an interruption, a mistake in a configuration file, and a host that may be somebody else's.
    """
    if patience is not None and isinstance(result.error, TimeoutError):
        hint = "check that the machine runs and that no firewall drops SSH on the way"
        return Problem("timeout", f"no connection over SSH within {patience:.0f} s, while others were reached", hint)
    if isinstance(result.error, LabError) and not isinstance(result.error, Interrupted | UsageError | HostKeyChanged):
        return problem_of(result.error)
    return result.get()


def _not_running(name: str, machines: Mapping[str, Machine]) -> Problem | None:
    machine = machines.get(name)
    if machine is None or machine.state not in NOT_RUNNING:
        return None
    return Problem("unreachable", f"the machine is {machine.state}", "`lab up` makes or starts it")
