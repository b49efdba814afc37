"""Which network interfaces a container has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from pydantic import Field

from orchestrator.checks.base import Check, Item, Names, Replies, of_kind
from orchestrator.checks.endpoints import EndpointsField, absent, members_of, silent, unknown_endpoints
from orchestrator.checks.links import ADDRESSES, Interface, interfaces
from orchestrator.checks.topology import Member, Topology
from orchestrator.config.fields import Network, Text
from orchestrator.model.question import Question, Read, Told, Vantage
from orchestrator.model.verdict import CheckResult

NAMESPACE = ("readlink", "/proc/self/ns/net")
"""Tells which network namespace a process is in (namespaces(7)): two names are equal if the namespaces are."""


class InterfacesCheck(Check):
    """Containers (or nodes) have the network interfaces and addresses that they should, and no others.

    `only` names all interfaces that there may be, `has` some that must be there. With `same_as_node: true` the
    container must be in the node's own network namespace, so that its interfaces are the node's; with `false` it must
    not. At least one of the keys besides `of` is needed.
    """

    kind: Literal["interfaces"]
    of: EndpointsField = Field(description="Whose interfaces are looked at.")
    only: list[Text] | None = Field(default=None, description="Names of all interfaces, for instance lo and eth0.")
    has: list[Text] | None = Field(default=None, description="Names of interfaces that must be among them.")
    same_as_node: bool | None = Field(default=None, description="Whether the network namespace is the node's own.")
    address_in: Network | None = Field(
        default=None, description="IPv4 network in which an interface must have an address; /32 is just that address."
    )
    no_address_in: Network | None = Field(
        default=None, description="IPv4 network in which no interface may have an address."
    )

    def plan(self, topology: Topology) -> Sequence[Item]:
        """One item for each container or node."""
        members = members_of(topology, self.of)
        return [self._item(member) for member in members] or [absent(f"interfaces of {self.of}", self.of)]

    def _item(self, member: Member) -> Item:
        subject = f"interfaces of {member.label}"
        if member.vantage is None:
            return silent(subject, member)
        questions: list[Question] = [Read(member.vantage, ADDRESSES)]
        if self.same_as_node is not None:
            questions += [Read(member.vantage, NAMESPACE), Read(Vantage(member.node), NAMESPACE)]
        return Item(subject, tuple(questions))

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """The interfaces must be as every key says."""
        told = [of_kind(replies[question], Told) for question in item.questions]
        nodes = [item.questions[0].vantage.node]
        for question, reply in zip(item.questions, told, strict=True):
            if reply.exit_code:
                assert isinstance(question, Read)  # noqa: S101 (planned above)
                reason = f"`{' '.join(question.argv)}` failed there: {reply.stderr.strip() or reply.exit_code}"
                return self.inconclusive(item, reason, "is the container still there?", nodes)
        found = interfaces(told[0])
        seen = ", ".join(map(str, found)) or "no interface"
        faults = [*self._wrong(found), *self._foreign([reply.stdout.strip() for reply in told[1:]])]
        if faults:
            return self.failed(item, f"{'; '.join(faults)} (there: {seen})", _HINT, nodes)
        return self.passed(item, seen)

    def _wrong(self, found: Sequence[Interface]) -> Iterator[str]:
        names = {interface.name for interface in found}
        missing = sorted({*(self.only or ()), *(self.has or ())} - names)
        strange = sorted(names - set(self.only)) if self.only is not None else []
        if missing:
            yield f"{', '.join(missing)} missing"
        if strange:
            yield f"{', '.join(strange)} should not be there"
        if self.address_in and not any(interface.is_in(self.address_in) for interface in found):
            yield f"no address in {self.address_in}"
        if self.no_address_in:
            inside = [str(interface) for interface in found if interface.is_in(self.no_address_in)]
            if inside:
                yield f"an address in {self.no_address_in}, where none should be: {', '.join(inside)}"

    def _foreign(self, namespaces: Sequence[str]) -> Iterator[str]:
        """Whether the namespace is the node's own and should not be, or the reverse."""
        same = len(set(namespaces)) == 1
        if self.same_as_node is True and not same:
            yield f"a network namespace of its own ({namespaces[0]}), not the node's ({namespaces[1]})"
        elif self.same_as_node is False and same:
            yield f"in the node's own network namespace ({namespaces[0]})"

    def problems(self, names: Names) -> Iterable[str]:
        """Something must be expected, of something that exists."""
        if unknown := unknown_endpoints(self.of, names):
            yield unknown
        wanted = (self.only, self.has, self.same_as_node, self.address_in, self.no_address_in)
        if all(value is None for value in wanted):
            yield "nothing is expected; expected one of only, has, same_as_node, address_in or no_address_in"


_HINT = "`docker inspect` shows the networks of a container: each gives it one interface"
