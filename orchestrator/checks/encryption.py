"""Whether an encrypted overlay really is: a look at what leaves a node, beside one that is not encrypted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from orchestrator.checks.base import Check, Item, Names, Replies, of_kind
from orchestrator.checks.topology import Member, Topology
from orchestrator.config.fields import Text
from orchestrator.config.units import ipv4
from orchestrator.model.question import Inspect, Inspected, Read, Told
from orchestrator.model.verdict import CheckResult

CAPTURE = r"""command -v tcpdump >/dev/null || { echo "tcpdump is not installed" >&2; exit 3; }
space=$1 address=$2 port=$3 peer=$4 marker=$5 seen=$(mktemp) || exit 4
trap 'kill "$sniffer" 2>/dev/null; rm -f "$seen"' EXIT
what="^tcpdump: .*|listening on|ESP\(spi=0x[0-9a-f]+|VXLAN, flags \[I\] \(0x08\), vni [0-9]+|$marker"
exec 4> >(exec grep -aoE --line-buffered "$what" >"$seen")
tcpdump -i any -Q out -n -l -A -s 0 --immediate-mode -T vxlan \
  "host $peer and (esp or udp) and not port 7946" >&4 2>&4 4>&- &
sniffer=$!
exec 4>&-
until grep -q listening "$seen"; do
  kill -0 "$sniffer" 2>/dev/null && ((waited++ < 100)) || { cat "$seen" >&2; exit 4; }
  sleep 0.2
done
request='exec 3<>"/dev/tcp/$1/$2" && printf "GET /%s HTTP/1.0\r\n\r\n" "$3" >&3
read -r line <&3 && [[ $line == HTTP/* ]]'
for attempt in 1 2 3; do
  nsenter --net="$space" timeout 5 bash -c "$request" bash "$address" "$port" "$marker" && echo answered
done
for attempt in {1..20}; do grep -qE "^(ESP|$marker)" "$seen" && break; sleep 0.2; done
sleep 0.5
kill "$sniffer"
grep -v -e listening -e ^tcpdump "$seen" | sort -u
"""
"""Capture what leaves the node for ``peer`` while marked requests go from a container to ``address``.

Only outgoing packets are looked at: the kernel shows those as they go onto the wire, after encryption. The port of
gossip is left out; any other UDP is taken for VXLAN, whatever port the swarm uses, and told from it by its flags.
"""

_VNI = re.compile(r"vni (\d+)")
_VNI_OPTION = "com.docker.network.driver.overlay.vxlanid_list"


@dataclass(frozen=True)
class _Pair:
    """Two tasks on two nodes; ``peer`` is the address to which packets between their nodes go."""

    sender: Member
    target: Member
    address: str
    peer: str

    @property
    def nodes(self) -> tuple[str, str]:
        """The sending and the receiving node."""
        return self.sender.node, self.target.node

    @property
    def marker(self) -> str:
        """The path by which these requests are known."""
        return f"lab-{self.sender.task}-to-{self.target.task}"


@dataclass(frozen=True)
class _Seen:
    """What one capture shows: packets of ESP, VXLAN networks by number, and whether the marker was readable."""

    answered: bool
    esp: bool
    readable: bool
    networks: frozenset[int]


class EncryptionCheck(Check):
    """What a task of `service` sends to one on another node leaves its node as ESP, and can be read nowhere.

    Every node on which both services have tasks is looked at. The same capture of `control_service`, whose network is
    not encrypted, has to show its requests in clear: without that proof that the capture sees anything, the check is
    inconclusive. It needs tcpdump on the node.
    """

    kind: Literal["encryption"]
    service: Text = Field(description="Key of a service on the encrypted network, with tasks on two nodes.")
    network: Text = Field(description="Key of the encrypted network.")
    control_service: Text = Field(
        description="Key of a service on a network that is not encrypted, with tasks on the same nodes."
    )
    control_network: Text = Field(description="Key of the network that is not encrypted.")
    port: int = Field(default=80, ge=1, le=65535, description="TCP port of both services. Default: 80.")

    def plan(self, topology: Topology) -> Sequence[Item]:
        """One item for each node on which both services have tasks: what leaves that node, for one other node."""
        both = [
            (secret, control)
            for secret in _pairs(topology, self.service, self.network)
            for control in _pairs(topology, self.control_service, self.control_network)
            if secret.sender.node == control.sender.node
        ]
        found: dict[str, tuple[_Pair, _Pair]] = {}
        for secret, control in sorted(both, key=lambda pair: pair[0].nodes != pair[1].nodes):
            found.setdefault(secret.sender.node, (secret, control))
        if not found:
            subject = f"{self.service} on {self.network}, beside {self.control_service} on {self.control_network}"
            return [Item(subject, unasked="there is no node from which tasks of both services ask another node")]
        return [self._item(topology, *found[node]) for node in sorted(found)]

    def _item(self, topology: Topology, secret: _Pair, control: _Pair) -> Item:
        subject = f"{self.service} on {self.network}, {' → '.join(secret.nodes)}, beside {self.control_service}"
        node = topology.vantage(secret.sender.node)
        inspect = Inspect(node, "network", topology.network_name(self.network))
        captures = (self._capture(topology, pair) for pair in (secret, control))
        return Item(subject, (inspect, *captures), (secret, control))

    def _capture(self, topology: Topology, pair: _Pair) -> Read:
        inside = pair.sender.vantage
        assert inside is not None  # noqa: S101 (see _pairs)
        words = (inside.namespace, pair.address, str(self.port), pair.peer, pair.marker)
        return Read(topology.vantage(pair.sender.node), ("bash", "-c", CAPTURE, "bash", *words), 60.0)

    def judge(self, item: Item, replies: Replies) -> CheckResult:
        """The one must be hidden where the other can be read."""
        secret, control = item.about
        node, other = secret.nodes
        inspected, *told = (replies[question] for question in item.questions)
        captures = [of_kind(one, Told) for one in told]
        if broken := next((one for one in captures if one.exit_code), None):
            reason = f"nothing could be captured on {node}: {broken.stderr.strip() or f'exit code {broken.exit_code}'}"
            return self.inconclusive(item, reason, "apt-get install tcpdump on that node", [node])
        hidden, clear = (_parse(one.stdout, pair) for one, pair in zip(captures, (secret, control), strict=True))
        number = _number(of_kind(inspected, Inspected))
        if leak := self._leak(hidden, number in hidden.networks | clear.networks, node):
            return self.failed(item, leak, _UNENCRYPTED, [node])
        if unproven := self._unproven(hidden, clear):
            return self.inconclusive(item, unproven, _NOTHING_SEEN, [node, other])
        if not hidden.esp:
            return self.failed(item, f"no ESP leaves {node} towards {other}", _UNENCRYPTED, [node, other])
        unanswered = "" if hidden.answered else ", which did not answer"
        return self.passed(item, f"ESP from {node} to {other}{unanswered}, while {self.control_network} can be read")

    def _leak(self, hidden: _Seen, vxlan: bool, node: str) -> str:
        if hidden.readable:
            return f"requests over {self.network} leave {node} in clear"
        return f"VXLAN of {self.network} leaves {node} unencrypted" if vxlan else ""

    def _unproven(self, hidden: _Seen, clear: _Seen) -> str:
        """Why the captures prove nothing, "" where they do.

        Requests that left as ESP need no answer: whether the other node takes them is not what this check is about.
        """
        asked = ((hidden.answered or hidden.esp, self.service), (clear.answered, self.control_service))
        for proven, service in asked:
            if not proven:
                return f"the marked requests between two tasks of {service} were not answered"
        return "" if clear.readable else f"the capture does not show what {self.control_service} sends in clear"

    def problems(self, names: Names) -> Iterable[str]:
        """Services and networks must exist."""
        for key in (self.service, self.control_service):
            if key not in names.services:
                yield f"there is no service {key!r} in this lab"
        for key in (self.network, self.control_network):
            if key not in names.networks:
                yield f"there is no network {key!r} in this lab"
        if self.network == self.control_network:
            yield "control_network: expected another network, which is not encrypted"


_UNENCRYPTED = "is the network made with `driver_opts: encrypted`? on the node: `ip xfrm state`, `lsmod | grep esp`"
_NOTHING_SEEN = (
    "a check of kind reach tells whether tasks reach each other; is the traffic on the nodes' main addresses?"
)


def _pairs(topology: Topology, service: str, network: str) -> Iterable[_Pair]:
    """Tasks of a service on two nodes, of which the first can be asked from."""
    name = topology.network_name(network)
    addresses = {place.name: ipv4(place.config.data_path_addr) or place.address for place in topology.nodes}
    tasks = [task for task in topology.tasks(service) if task.addresses.get(name)]
    return [
        _Pair(sender, target, target.addresses[name], addresses.get(target.node, ""))
        for sender in tasks
        for target in tasks
        if sender.node != target.node and sender.vantage and addresses.get(target.node)
    ]


def _parse(text: str, pair: _Pair) -> _Seen:
    lines = text.splitlines()
    return _Seen(
        answered="answered" in lines,
        esp=any(line.startswith("ESP(") for line in lines),
        readable=pair.marker in lines,
        networks=frozenset(int(number) for number in _VNI.findall(text)),
    )


def _number(inspected: Inspected) -> int:
    """The number by which VXLAN tells the network from others (VNI), -1 where the engine does not say."""
    options = (inspected.found or {}).get("Options") or {}
    first = str(options.get(_VNI_OPTION, "")).partition(",")[0]
    return int(first) if first.isdigit() else -1
