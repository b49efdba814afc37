"""How large a packet may be, and whether a large answer arrives whole."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.checks.base import Check, Item, Names, Replies, of_kind
from orchestrator.checks.endpoints import EndpointsField
from orchestrator.checks.topology import Topology
from orchestrator.checks.ways import Way, paired, way_problems
from orchestrator.config.fields import Text, checked
from orchestrator.config.hints import shown
from orchestrator.images.nginx import payload
from orchestrator.model.probe import Outcome
from orchestrator.model.question import Fetch, Fetched, Question, Read, Reply, Told
from orchestrator.model.verdict import CheckResult
from orchestrator.planning.tally import WORDS

HEADERS = 28
"""Bytes of an ICMP echo before its data: 20 of IPv4 without options (RFC 791), 8 of ICMP (RFC 792)."""

TOO_LONG = ("message too long", "frag needed")
"""What ping (iputils) says of a packet that its own interface, or a router on the way, may not split."""

_OK = 200


def parse_path(value: object) -> str:
    """The path of a request: what would end its line, or begin another, is not part of one. Raises ``ValueError``."""
    if not isinstance(value, str) or not re.fullmatch(r"/[!-~]{0,1000}", value):
        raise ValueError(f"expected a path such as /payload, without blanks, got {shown(value)}")
    return value


Path = Annotated[str, *checked(parse_path, {"type": "string", "pattern": r"^/|\$", "examples": ["/payload"]})]


class PayloadCheck(Check):
    """A packet of exactly `packet` bytes passes, one byte more is refused as too long, and a large file stays whole.

    `packet` counts the whole inner IP packet: 1450 where VXLAN takes 50 of 1500 bytes. Without it only the file is
    fetched: what the lab image serves at `path` must arrive with its size and SHA-256.
    """

    kind: Literal["payload"]
    seen_from: EndpointsField = Field(alias="from", description="Services or containers that ask.")
    to: EndpointsField = Field(description="Services or containers that are asked.")
    network: Text | None = Field(default=None, description="Key of the network on which they are asked.")
    packet: int | None = Field(
        default=None, ge=68, le=65535, description="Bytes of the largest IP packet. Default: not asked for."
    )
    port: int = Field(default=80, ge=1, le=65535, description="TCP port of the file. Default: 80.")
    path: Path = Field(default="/payload", description="Where the file is. Default: /payload.")

    def plan(self, topology: Topology) -> Sequence[Item]:
        """One item for each pair."""
        return paired(topology, self.seen_from, self.to, self.network, self._questions)

    def _questions(self, way: Way) -> tuple[Question, ...]:
        fetch = Fetch(way.vantage, way.address, self.port, self.path, deadline=30.0)
        if self.packet is None:
            return (fetch,)
        fits, exceeds = (
            # Of several, one may be lost while the way is still being learnt; too long is too long at once.
            Read(way.vantage, ("ping", "-n", "-M", "do", "-c", count, "-W", "3", "-s", str(size), way.address), 30.0)
            for count, size in (("3", self.packet - HEADERS), ("1", self.packet - HEADERS + 1))
        )
        return fits, exceeds, fetch

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """Both packets and the file must fare as they should."""
        *pings, fetched = (replies[question] for question in item.questions)
        reason = self._packets(*pings) if pings else ""
        if reason:
            hint = "the MTU of the interfaces in both namespaces, and of the network between the nodes: `ip link`"
            return self.failed(item, reason, hint, item.about.nodes)
        reason = self._file(of_kind(fetched, Fetched))
        if reason:
            hint = f"fetch it by hand, from there: http://{item.about.address}:{self.port}{self.path}"
            return self.failed(item, reason, hint, item.about.nodes)
        return self.passed(item)

    def _packets(self, fits: Reply, exceeds: Reply) -> str:
        """What is wrong with the size of packets, "" where nothing is."""
        small, large = of_kind(fits, Told), of_kind(exceeds, Told)
        more = (self.packet or 0) + 1
        if small.exit_code != 0:
            return f"a packet of {self.packet} bytes does not arrive: {_said(small)}"
        if large.exit_code == 0:
            return f"a packet of {more} bytes arrives too; expected that {self.packet} bytes is the most"
        if not any(words in _text(large).lower() for words in TOO_LONG):
            return f"a packet of {more} bytes has to be refused as too long, and was not: {_said(large)}"
        return ""

    def _file(self, fetched: Fetched) -> str:
        """What is wrong with the file, "" where nothing is."""
        (seen,) = fetched.seen
        size, digest = _expected()
        if seen.outcome is not Outcome.ANSWERED:
            return f"{self.path} does not arrive: {WORDS[seen.outcome]}" + (f" ({seen.error})" if seen.error else "")
        if seen.status != _OK:
            return f"{self.path} does not arrive: HTTP {seen.status}"
        if seen.size != size:
            return f"{self.path} arrives with {seen.size} of {size} bytes"
        if seen.digest != digest:
            return f"{self.path} arrives changed: its SHA-256 is {seen.digest[:12]}…, expected {digest[:12]}…"
        return ""

    def problems(self, names: Names) -> Iterable[str]:
        """Places and network must exist; nodes serve no file."""
        yield from way_problems(names, self.seen_from, self.to, self.network)
        if "node" in {self.seen_from.kind, self.to.kind}:
            yield "from and to: expected service:KEY or container:KEY, which are on a network of the lab"


@functools.cache
def _expected() -> tuple[int, str]:
    """Size and SHA-256 of what the lab image serves."""
    content = payload()
    return len(content), hashlib.sha256(content).hexdigest()


def _text(told: Told) -> str:
    return f"{told.stdout}\n{told.stderr}"


def _said(told: Told) -> str:
    """The line of ping's output that tells most: its complaint, else its count of packets."""
    lines = [line.strip() for line in _text(told).splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith("ping:") or "From " in line or "packet loss" in line]
    return telling[0] if telling else f"ping exited with {told.exit_code}"
