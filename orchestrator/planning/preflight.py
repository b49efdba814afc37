"""PURE: may a swarm be built on these hosts? Every reason against it, of all hosts at once.

What one host shows of itself is judged in :mod:`orchestrator.planning.preflight_host`; here the hosts are
compared with each other. A host that is a member of a swarm already is no matter of the preflight: the plan
knows whether that swarm is ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, groupby

from orchestrator.model.inventory import Inventory, NodeConfig, Role
from orchestrator.model.observed import Problem
from orchestrator.model.preflight import Complaint, EngineFacts, HostFacts, Judgment
from orchestrator.planning.preflight_host import CLUSTER_PORT, GOSSIP_PORT, judge_host

SKEW_WARNING = 5.0
"""Seconds of clock difference from which logs and time-outs of two hosts can no longer be compared."""

OUT_OF_REACH = frozenset({"unreachable", "timeout", "refused"})
"""Kinds of problems of a host that may only be off, or cut off."""

SKEW_FAILURE = 60.0
"""Seconds of clock difference at which we go no further: nodes prove who they are by TLS certificates with dates."""


def judge_preflight(
    inventory: Inventory, facts: Mapping[str, HostFacts | Problem], subnets: Sequence[str] = ()
) -> Judgment:
    """What the facts of all hosts mean; ``facts`` has an entry for every node of the inventory.

    ``subnets`` are the overlay subnets (CIDR) that labs ask for. Complaints stand in the inventory's order of hosts.
    """
    complaints: list[Complaint] = []
    for node in inventory.nodes:
        found = facts[node.name]
        complaints += (
            [_login(node, found)] if isinstance(found, Problem) else judge_host(inventory, node, found, subnets)
        )
    seen = {node.name: found for node in inventory.nodes if isinstance(found := facts[node.name], HostFacts)}
    complaints += [*_twins(seen), *_clocks(seen), *_reachability(seen), *_forwarding(seen)]
    place = {node.name: number for number, node in enumerate(inventory.nodes)}
    if seen and all(_is_away(facts[complaint.node]) for complaint in complaints if complaint.fatal):
        complaints = [replace(complaint, fatal=False) for complaint in complaints]
    complaints.sort(key=lambda complaint: place[complaint.node])
    return Judgment(
        failures=tuple(complaint for complaint in complaints if complaint.fatal),
        warnings=tuple(complaint for complaint in complaints if not complaint.fatal),
    )


def _is_away(found: HostFacts | Problem) -> bool:
    """Whether a host is only out of reach: `lab up` goes on without it and leaves it for later.

    One that answers and does not let us in, or is another host than it was, is something else.
    """
    return isinstance(found, Problem) and found.kind in OUT_OF_REACH


def ports_between(target: NodeConfig) -> tuple[int, ...]:
    """The TCP ports that every other node must be able to reach on ``target``."""
    return (CLUSTER_PORT, GOSSIP_PORT) if target.role is Role.MANAGER else (GOSSIP_PORT,)


def _login(node: NodeConfig, problem: Problem) -> Complaint:
    """The host could not be asked at all."""
    ssh = node.ssh
    asked = "SSH login"
    if ssh is not None:
        # What is not said here stands in ~/.ssh/config; the message names the place that was tried.
        asked += (f" as {ssh.user}" if ssh.user else "") + f" at {ssh.host}" + (f" port {ssh.port}" if ssh.port else "")
    return Complaint(node.name, asked, problem.message, problem.hint or f"try it by hand: lab ssh {node.name}")


def _twins(seen: Mapping[str, HostFacts]) -> Iterator[Complaint]:
    """Two names for one machine; or clones, which share one of the two ids but not both."""
    for (first, one), (second, other) in combinations(seen.items(), 2):
        same_machine = bool(one.machine_id) and one.machine_id == other.machine_id
        same_engine = _engine_id(one) != "" and _engine_id(one) == _engine_id(other)
        if same_machine and same_engine:
            yield Complaint(
                second,
                "machine-id and engine id",
                f"both are those of {first}",
                "name every machine once in the inventory; a clone of another machine needs ids of its own",
            )
        elif same_machine or same_engine:
            name, file = (
                ("machine-id", "/etc/machine-id") if same_machine else ("engine id", "/var/lib/docker/engine-id")
            )
            yield Complaint(
                second,
                name,
                f"is that of {first} too, as in a clone",
                f"give each clone its own: remove {file} on one of them and start it again",
                fatal=False,
            )


def _engine_id(facts: HostFacts) -> str:
    return facts.engine.id if isinstance(facts.engine, EngineFacts) else ""


def _clocks(seen: Mapping[str, HostFacts]) -> Iterator[Complaint]:
    """Compare every clock with the median one; what the measurement cannot tell is not held against a host."""
    if not seen:
        return
    by_offset = sorted(seen, key=lambda name: seen[name].clock.offset)
    reference = by_offset[(len(by_offset) - 1) // 2]
    base = seen[reference].clock
    for name, facts in seen.items():
        difference = facts.clock.offset - base.offset
        certain = abs(difference) - facts.clock.uncertainty - base.uncertainty
        if name == reference or certain <= SKEW_WARNING:
            continue
        side = "ahead of" if difference > 0 else "behind"
        yield Complaint(
            name,
            "clock",
            f"{abs(difference):.0f} s {side} that of {reference}",
            "run a time service on both (Debian: apt-get install chrony), or set it: date -s",
            fatal=certain > SKEW_FAILURE,
        )


def _reachability(seen: Mapping[str, HostFacts]) -> Iterator[Complaint]:
    """Ports that something between two hosts keeps shut; one complaint for all hosts that saw the same.

    A refused connection is fine: the packet arrived, and the port is free.
    """
    shut = [
        (reach.target, reach.address, reach.port, reach.outcome, reach.message, source)
        for source, facts in seen.items()
        for reach in facts.reach
        if reach.outcome in {"timeout", "unreachable"}
    ]
    for (target, address, port, outcome, message), group in groupby(sorted(shut), key=lambda entry: entry[:5]):
        sources = ", ".join(entry[5] for entry in group)
        came = "no answer" if outcome == "timeout" else message or "unreachable"
        yield Complaint(
            target,
            f"TCP connection from {sources} to {address} port {port}",
            came,
            f"let {port}/tcp through between all nodes (firewalls, security groups), and check advertise_addr",
        )


def _forwarding(seen: Mapping[str, HostFacts]) -> Iterator[Complaint]:
    """Hosts whose sshd opens no TCP connections for us: the mesh could not be verified from there."""
    for name, facts in seen.items():
        bad = next((reach for reach in facts.reach if reach.outcome not in _TELLING), None)
        if bad is None:
            continue
        asked = f"TCP connection to {bad.address} port {bad.port} through the host's sshd"
        advice = (
            "allow it in /etc/ssh/sshd_config (AllowTcpForwarding yes, no PermitOpen), reload sshd"
            if bad.outcome == "prohibited"
            else "look at the host's sshd: journalctl -u ssh"
        )
        yield Complaint(name, asked, bad.message or bad.outcome, advice)


_TELLING = frozenset({"open", "refused", "timeout", "unreachable"})
"""Outcomes that tell something about the target and not only about the vantage."""
