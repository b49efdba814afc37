"""What of a node goes into an archive for a bug report. One script and two calls; nothing on the node changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.errors import NodeError
from orchestrator.transport.base import Host
from orchestrator.transport.engine_errors import engine_errors

SCRIPT_SECONDS = 20.0
"""How long a node may take for the script; a part that takes more than five seconds is cut off by itself."""

SCRIPT = r"""
PATH="$PATH:/usr/sbin:/sbin"; LC_ALL=C; export PATH LC_ALL
part() { echo "=== $1"; shift; timeout 5 "$@" 2>&1 || echo "(exit code $?)"; }
part system sh -c 'uname -a; cat /etc/os-release; uptime; date -u; free -m; df -h / /var/lib/docker'
part modules cut -d ' ' -f 1-3 /proc/modules
part addresses ip addr
part links ip -d link
part routes sh -c 'ip route show table all; ip -6 route'
part neighbours sh -c 'ip neigh; bridge fdb 2>/dev/null'
part sockets ss -lntu
part sysctl sysctl -e net.ipv4.ip_forward net.ipv4.ip_local_port_range net.bridge.bridge-nf-call-iptables \
  net.netfilter.nf_conntrack_max net.netfilter.nf_conntrack_count
part iptables iptables-save
part namespaces ls -l /var/run/docker/netns
part ipvs sh -c 'for file in /var/run/docker/netns/ingress_sbox /var/run/docker/netns/lb_*; do
  [ -e "$file" ] || continue; echo "# $file"; nsenter --net="$file" cat /proc/net/ip_vs; done'
part service systemctl show docker -p ActiveState,SubState,NRestarts,ExecMainStartTimestamp,MemoryCurrent
part docker-log journalctl --unit=docker --no-pager --output=short-precise --lines=400
part kernel-log journalctl --dmesg --no-pager --output=short-precise --lines=200
exit 0
"""
"""Prints parts, each begun by ``=== name``; a part whose program is missing says so. ``ip xfrm`` would tell keys."""

INFO = (
    *("ID", "Name", "ServerVersion", "OperatingSystem", "OSType", "OSVersion", "KernelVersion", "Architecture"),
    *("NCPU", "MemTotal", "Driver", "CgroupDriver", "CgroupVersion", "DefaultRuntime", "LiveRestoreEnabled", "Debug"),
    *("Containers", "ContainersRunning", "Images", "IPv4Forwarding", "BridgeNfIptables", "BridgeNfIp6tables"),
    *("SecurityOptions", "Warnings", "DefaultAddressPools", "FirewallBackend", "SystemTime"),
)
"""What is kept of ``GET /info``: no labels, no proxies, no registries."""

SWARM_INFO = (
    "NodeID",
    "NodeAddr",
    "LocalNodeState",
    "ControlAvailable",
    "Error",
    "RemoteManagers",
    "Nodes",
    "Managers",
)
CLUSTER_INFO = (
    "ID",
    "CreatedAt",
    "UpdatedAt",
    "DataPathPort",
    "DefaultAddrPool",
    "SubnetSize",
    "RootRotationInProgress",
)

_PART = re.compile(r"^=== ([a-z-]+)$", re.MULTILINE)


def engine_document(host: Host) -> dict[str, Any]:
    """What the engine says of itself, as far as that is anybody's business. Raises ``NodeError``."""
    with engine_errors(host.name, "GET /version and /info"):
        engine = host.engine()
        version, info = engine.version(api_version=False), engine.info()
    components = {one.get("Name", ""): one.get("Version", "") for one in version.get("Components") or ()}
    swarm = info.get("Swarm") or {}
    told = _some(swarm, SWARM_INFO) | {"Cluster": _some(swarm.get("Cluster") or {}, CLUSTER_INFO)}
    api = _some(version, ("Version", "ApiVersion", "MinAPIVersion", "GitCommit"))
    return {"version": api | {"components": components}, "info": _some(info, INFO) | {"Swarm": told}}


def host_parts(host: Host) -> tuple[dict[str, str], str]:
    """What the node itself shows, by part; and why not all of it, "" where it is all. Raises ``NodeError``."""
    words, why = ("sh", "-c", SCRIPT), ""
    try:
        result = host.run(words, timeout=SCRIPT_SECONDS, root=True)
    except NodeError as error:
        if error.kind != "auth":
            raise
        why = f"not as root, so some of it is missing: {error.message}"
        result = host.run(words, timeout=SCRIPT_SECONDS)
    return parse_parts(result.stdout), why


def parse_parts(output: str) -> dict[str, str]:
    """The text of each part."""
    pieces = _PART.split(output)
    return {name: text.strip() + "\n" for name, text in zip(pieces[1::2], pieces[2::2], strict=True)}


def _some(raw: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: raw[key] for key in keys if key in raw}
