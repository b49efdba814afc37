"""What names resolve to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.checks.base import Check, Item, Names, Replies, of_kind
from orchestrator.checks.endpoints import EndpointsField, absent, members_of, silent, unknown_endpoints
from orchestrator.checks.topology import Member, Topology
from orchestrator.config.fields import Text, checked
from orchestrator.config.hints import shown
from orchestrator.model.question import Lookup, Resolved
from orchestrator.model.verdict import CheckResult
from orchestrator.planning.tally import enumerate_names

UNKNOWN = ("NXDOMAIN", "SERVFAIL", "REFUSED")
"""What Docker's name server says of a name that it does not know: what the node's own name server made of it."""

SHORT_ID = 12
"""Letters of a container's id that are a name of the container on its networks."""

_LABEL = r"[A-Za-z0-9_-]{1,63}"
_MOST = 253


def parse_name(value: object) -> str:
    """A name that a name server can be asked for (RFC 1035, 2.3.4). Raises ``ValueError``."""
    if not isinstance(value, str) or len(value) > _MOST or not re.fullmatch(rf"{_LABEL}(\.{_LABEL})*\.?", value):
        raise ValueError(f"expected a name such as web or tasks.web, got {shown(value)}")
    return value


Name = Annotated[str, *checked(parse_name, {"type": "string", "examples": ["web", "tasks.web"]})]


class NamesCheck(Check):
    """A name, asked for at Docker's own name server from inside containers, resolves to what it should.

    `resolves_to: vip` is the virtual address of the service on the network, `tasks` are the addresses of exactly its
    running tasks, `container` those of plain containers, `nothing` means that the name must not resolve. What
    Docker's name server does not know it asks the node's own name servers; where these keep silent, the container's own
    name must be known.
    """

    kind: Literal["names"]
    seen_from: EndpointsField = Field(alias="from", description="Containers in which the name is asked for.")
    name: Name = Field(description="The name.")
    resolves_to: Literal["vip", "tasks", "container", "nothing"] = Field(description="What it shall resolve to.")
    of: Text | None = Field(
        default=None, description="Key of the service or container whose addresses are meant. Default: the name itself."
    )
    network: Text | None = Field(
        default=None, description="Key of the network on which the addresses are. Needed unless it resolves to nothing."
    )

    @property
    def subject_key(self) -> str:
        """The service or container that is meant."""
        return self.of or self.name.removeprefix("tasks.")

    def plan(self, topology: Topology) -> Sequence[Item]:
        """One item for each container that asks."""
        askers = members_of(topology, self.seen_from)
        if not askers:
            return [absent(f"{self.name} seen from {self.seen_from}", self.seen_from)]
        return [self._item(topology, asker) for asker in askers]

    def _item(self, topology: Topology, asker: Member) -> Item:
        subject = f"{self.name} seen from {asker.label}"
        if asker.vantage is None:
            return silent(subject, asker)
        expected = frozenset(self._expected(topology))
        if self.resolves_to != "nothing" and not expected:
            reason = f"{self.subject_key} has no address on the network {self.network} to which it could resolve"
            return Item(subject, problem=reason)
        # Every container finds itself by its short id (moby, ``daemon/container_operations.go``): that tells a name
        # server that is silent from one that passes on what it does not know, to where nobody answers.
        known = [Lookup(asker.vantage, asker.container[:SHORT_ID])] if self.resolves_to == "nothing" else []
        return Item(subject, (Lookup(asker.vantage, self.name), *known), expected)

    def _expected(self, topology: Topology) -> Iterator[str]:
        network = topology.network_name(self.network or "")
        if self.resolves_to == "vip":
            vip = topology.vip(self.subject_key, self.network or "")
            yield from [vip] if vip else []
        elif self.resolves_to == "tasks":
            yield from (
                task.addresses[network] for task in topology.tasks(self.subject_key) if network in task.addresses
            )
        elif self.resolves_to == "container":
            plain = topology.containers(self.subject_key)
            yield from (one.addresses[network] for one in plain if one.addresses.get(network))

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """The addresses must be exactly the expected ones."""
        lookup = item.questions[0]
        assert isinstance(lookup, Lookup)  # noqa: S101 (planned above)
        reply, expected = of_kind(replies[lookup], Resolved), item.about
        node = lookup.vantage.node
        if self.resolves_to == "nothing":
            if (
                reply.failure == "refused"
                or reply.rcode in UNKNOWN
                or (reply.rcode == "NOERROR" and not reply.addresses)
            ):
                return self.passed(item, f"does not resolve ({_said(reply)})")
            if reply.failure and of_kind(replies[item.questions[1]], Resolved).addresses:
                return self.passed(item, "is not known here: a name server outside was asked, and did not answer")
            if reply.failure:
                reason = f"the name server must say that there is no such name, and did not answer: {reply.failure}"
                return self.failed(item, reason, _HINT, [node])
            return self.failed(item, f"must not resolve, and did: {_said(reply)}", _HINT, [node])
        if reply.rcode != "NOERROR":
            return self.failed(item, f"does not resolve: {_said(reply)}", _HINT, [node])
        missing, strange = sorted(expected - set(reply.addresses)), sorted(set(reply.addresses) - expected)
        if not missing and not strange:
            return self.passed(item, f"{enumerate_names(reply.addresses)}")
        parts = [f"{', '.join(missing)} missing"] if missing else []
        parts += [f"{', '.join(strange)} should not be there"] if strange else []
        reason = f"resolves to {enumerate_names(reply.addresses) or 'no address'}: {'; '.join(parts)}"
        return self.failed(item, reason, _HINT, [node])

    def problems(self, names: Names) -> Iterable[str]:
        """The key it is about must exist, and the network too."""
        if unknown := unknown_endpoints(self.seen_from, names):
            yield unknown
        if self.resolves_to == "nothing":
            return
        if self.network is None:
            yield "network is missing: expected the key of the network on which the addresses are"
        elif self.network not in names.any_network:
            yield f"there is no network {self.network!r} in this lab"
        known = names.containers if self.resolves_to == "container" else names.services
        if self.subject_key not in known:
            yield f"there is no service or container {self.subject_key!r} in this lab"


_HINT = "gossip between the nodes (7946/tcp and udp) spreads names: `journalctl -u docker` on that node"


def _said(reply: Resolved) -> str:
    """What the name server said, for a sentence."""
    if reply.failure == "refused":
        return "no name server at 127.0.0.11"
    return reply.failure or f"{reply.rcode} {', '.join(reply.addresses)}".strip()
