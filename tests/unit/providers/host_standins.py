"""A host as it would answer over SSH, and what it says; records every call, so that a test can list them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from orchestrator.errors import NodeError
from orchestrator.model.inventory import Inventory, NodeConfig, ProviderKind, Role, SshAddress
from orchestrator.transport.base import ChannelFailed, CommandResult

OUTPUT = """\
Welcome to this host.
=== clock
{time}
=== user
admin
=== rights
sudo
=== machine
{machine}
=== kernel
6.12.41+deb13-amd64
=== docker
/usr/bin/dockerd
installed
socket
usable
=== modules
bridge loaded
veth loadable
vxlan loadable
ip_vs {ip_vs}
ip_vs_rr loadable
xt_ipvs builtin
=== config
CONFIG_MODULES=y
CONFIG_IP_VS=m
=== listeners
/usr/bin/ss
{listeners}
=== overlays
1-pwjk9yhqbr
=== addresses
{addresses}
=== routes
[{{"dst":"default","gateway":"192.168.90.1","dev":"eth0","flags":[]}},{{"dst":"192.168.90.0/24","dev":"eth0",\
"protocol":"kernel","scope":"link","prefsrc":"{address}","flags":[]}}]
[{{"dst":"fe80::/64","dev":"eth0","protocol":"kernel","metric":256,"flags":[],"pref":"medium"}}]
"""

LISTENERS = """\
udp   UNCONN 0      0          127.0.0.54:53        0.0.0.0:*    users:(("systemd-resolve",pid=412,fd=16))
udp   UNCONN 0      0      127.0.0.53%lo:53         0.0.0.0:*    users:(("systemd-resolve",pid=412,fd=14))
tcp   LISTEN 0      128           0.0.0.0:22         0.0.0.0:*    users:(("sshd",pid=601,fd=3),("systemd",pid=1,fd=88))
tcp   LISTEN 0      128              [::]:22            [::]:*    users:(("sshd",pid=601,fd=4))"""


def output(
    number: int,
    *,
    time: float = 1000.25,
    listeners: str = LISTENERS,
    ip_vs: str = "loadable",
    address: str = "",
    machine: str = "",
) -> str:
    """What the script prints on host ``number`` (1, 2, …), whose address ends in 10 + number."""
    own = address or f"192.168.90.{10 + number}"
    links = [
        {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8}]},
        {
            "ifname": "eth0",
            "addr_info": [
                {"family": "inet", "local": own, "prefixlen": 24},
                {"family": "inet6", "local": "fe80::5054:ff:fe12:3456", "prefixlen": 64},
            ],
        },
    ]
    return OUTPUT.format(
        time=time,
        machine=machine or f"{number:032x}",
        ip_vs=ip_vs,
        listeners=listeners,
        addresses=json.dumps(links),
        address=own,
    )


VERSION: dict[str, Any] = {
    "Version": "26.1.5+dfsg1",
    "ApiVersion": "1.45",
    "MinAPIVersion": "1.24",
    "Components": [{"Name": "Engine", "Version": "26.1.5+dfsg1"}],
}


def info(number: int, **changes: object) -> dict[str, Any]:
    """The part of GET /info that matters here."""
    return {
        "ID": f"engine-{number}",
        "OSType": "linux",
        "Swarm": {"LocalNodeState": "inactive", "NodeID": ""},
        "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"],
        "LiveRestoreEnabled": False,
        **changes,
    }


class StandInEngine:
    """The two calls of the docker SDK that the preflight makes; any other attribute is an error."""

    def __init__(self, calls: list[str], version: dict[str, Any], said: dict[str, Any]) -> None:
        self._calls = calls
        self._version = version
        self._info = said

    def version(self) -> dict[str, Any]:
        self._calls.append("GET /version")
        return self._version

    def info(self) -> dict[str, Any]:
        self._calls.append("GET /info")
        return self._info


class StandInStream:
    """A connection that is only ever closed."""

    def close(self) -> None:
        """Nothing is open."""


class StandInHost:
    """Answers the script with ``printed``; ``shut`` maps (address, port) to what comes of a connection."""

    def __init__(self, name: str, number: int, **changes: Any) -> None:
        self.name = name
        self.alive = True
        self.closed = 0
        self.calls: list[str] = []
        self.printed: str = changes.get("printed", output(number))
        self.shut: dict[tuple[str, int], ChannelFailed] = changes.get("shut", {})
        self.engine_error: NodeError | None = changes.get("engine_error")
        self._engine = StandInEngine(self.calls, changes.get("version", VERSION), changes.get("said", info(number)))
        self._lock = Lock()

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0, root: bool = False
    ) -> CommandResult:
        self._note(f"run {'as root ' if root else ''}{list(argv)}")
        return CommandResult(tuple(argv), 0, self.printed, "")

    def open_tcp(self, address: str, port: int, *, timeout: float) -> StandInStream:
        self._note(f"tcp {address}:{port}")
        failure = self.shut.get((address, port), ChannelFailed("refused", "Connection refused"))
        raise failure

    def engine(self) -> StandInEngine:
        if self.engine_error:
            raise self.engine_error
        return self._engine

    def close(self) -> None:
        self.closed += 1
        self.alive = False

    def _note(self, call: str) -> None:
        with self._lock:
            self.calls.append(call)


def inventory(count: int = 3, **changes: Any) -> Inventory:
    """Hosts n1, n2, … reached at their own address as admin; n1 is the manager."""
    nodes = tuple(
        NodeConfig(
            name=f"n{number}",
            role=Role.MANAGER if number == 1 else Role.WORKER,
            ssh=SshAddress(host=f"192.168.90.{10 + number}", user="admin"),
        )
        for number in range(1, count + 1)
    )
    values = {"name": "real", "path": Path("inventory.yaml"), "provider": ProviderKind.SSH, "nodes": nodes, **changes}
    return Inventory(**values)
