"""Gather the facts that the preflight judges. Reads only: nothing on a host changes, nothing is installed.

Each host is asked by one shell script (a command costs up to a second on a slow host), two calls of the engine's
API and a few TCP connections to its neighbours. What each answer means is parsed here by pure functions and
judged by :mod:`orchestrator.planning.preflight`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.errors import NodeError
from orchestrator.model.inventory import DOCKER_SOCKET, Inventory
from orchestrator.model.observed import Problem, SwarmState
from orchestrator.model.preflight import (
    Clock,
    DockerFacts,
    EngineFacts,
    HostAddress,
    HostFacts,
    HostRoute,
    Listener,
    Reach,
)
from orchestrator.planning.pairs import ways_before
from orchestrator.planning.preflight import ports_between
from orchestrator.planning.preflight_host import MODULES, cluster_address
from orchestrator.runtime.fanout import fan_out
from orchestrator.transport.base import ChannelFailed, Host, problem_of
from orchestrator.transport.engine_errors import engine_errors

REACH_TIMEOUT = 3.0
"""Seconds to wait for a neighbour's port: long enough for one lost SYN to be sent again after a second."""

SCRIPT_TIMEOUT = 30.0
"""Seconds the script may take; it needs well under one on an idle host."""

_OPTIONS = "|".join(option.removeprefix("CONFIG_") for option in MODULES.values())

SCRIPT = f"""\
PATH="$PATH:/usr/sbin:/sbin"; LC_ALL=C; export PATH LC_ALL
exec 2>/dev/null
section() {{ echo "=== $1"; }}
section clock; date +%s.%N
section user; id -un
section rights
if [ "$(id -u)" = 0 ]; then sudo=; echo root
elif sudo -n true; then sudo="sudo -n"; echo sudo
else sudo=; echo none; fi
section machine; cat /etc/machine-id
section kernel; uname -r
section docker
if command -v dockerd || command -v docker; then echo installed; fi
[ -S "$1" ] && echo socket
[ -w "$1" ] && echo usable
[ -S "/run/user/$(id -u)/docker.sock" ] && echo rootless
section modules
tree="/lib/modules/$(uname -r)"
for module in {" ".join(MODULES)}; do
  if grep -q "^$module " /proc/modules || [ -d "/sys/module/$module" ]; then state=loaded
  elif grep -q "/$module\\.ko" "$tree/modules.builtin"; then state=builtin
  elif commands=$(modprobe -n -v "$module"); then
    case $commands in *"install "*/false*|*"install "*/true*) state=disabled;; *) state=loadable;; esac
  elif [ -d "$tree" ] && command -v modprobe >/dev/null; then state=missing
  else state=unknown; fi
  echo "$module $state"
done
section config
{{ zcat /proc/config.gz || cat "/boot/config-$(uname -r)"; }} |
  grep -E "^CONFIG_(MODULES|{_OPTIONS})=|^# CONFIG_MODULES "
section listeners; command -v ss && $sudo ss -Hlntup
section overlays; $sudo ls /run/docker/netns | grep -E '^[0-9]+-'
section addresses; ip -j addr
section routes; ip -j -4 route && ip -j -6 route
exit 0
"""
"""Is given the path of the engine's socket; prints sections, each begun by ``=== name``.

It takes coreutils or busybox, iproute2, kmod: a minimal Debian server.
"""

_PROCESS = re.compile(r'users:\(\("([^"]+)",pid=(\d+)')


def gather(inventory: Inventory, hosts: Mapping[str, Host | Problem]) -> dict[str, HostFacts | Problem]:
    """The facts of every node, asked in parallel; a host that cannot be asked is a ``Problem``."""
    facts: dict[str, HostFacts | Problem] = {name: host for name, host in hosts.items() if isinstance(host, Problem)}
    connected = {name: host for name, host in hosts.items() if not isinstance(host, Problem)}
    for result in fan_out(list(connected), lambda name: host_facts(connected[name], _socket(inventory, name))):
        facts[result.item] = result.get()
    asked = {name: found for name, found in facts.items() if isinstance(found, HostFacts)}
    for name, reach in _neighbours(inventory, connected, asked).items():
        facts[name] = replace(asked[name], reach=reach)
    return facts


def _socket(inventory: Inventory, name: str) -> str:
    ssh = inventory.node(name).ssh
    return ssh.docker_socket if ssh else DOCKER_SOCKET


def host_facts(host: Host, socket: str = DOCKER_SOCKET, clock: Callable[[], float] = time.time) -> HostFacts | Problem:
    """What one host and its engine say of themselves. ``clock`` tells the operator's time in Unix seconds."""
    try:
        asked = clock()
        result = host.run(["sh", "-c", SCRIPT, "sh", socket], timeout=SCRIPT_TIMEOUT)
        answered = clock()
        return parse_facts(result.stdout, asked=asked, answered=answered, engine=engine_facts(host))
    except NodeError as error:
        return problem_of(error)


def engine_facts(host: Host) -> EngineFacts | Problem:
    """What the engine says of itself (GET /version and GET /info)."""
    try:
        with engine_errors(host.name, "GET /info"):
            client = host.engine()
            return parse_engine(client.version(), client.info())
    except NodeError as error:
        return problem_of(error)


def parse_facts(output: str, *, asked: float, answered: float, engine: EngineFacts | Problem) -> HostFacts:
    """Facts from what :data:`SCRIPT` printed; ``asked`` and ``answered`` are Unix times around its run.

    Raises ``NodeError`` where the output is not the script's (a login shell that allows only certain commands).
    """
    sections = parse_sections(output)
    try:
        host_time = float(sections["clock"].rstrip("N"))
    except (KeyError, ValueError):
        start = output.strip()[:200]
        raise NodeError(
            f"the login shell did not run a shell script; it printed: {start or 'nothing'}",
            hint="the login user needs an ordinary shell, without a forced command",
        ) from None
    docker = sections.get("docker", "").split()
    return HostFacts(
        user=sections.get("user", ""),
        rights=sections.get("rights", "none"),
        machine_id=sections.get("machine", ""),
        kernel=sections.get("kernel", ""),
        clock=Clock(offset=host_time - (asked + answered) / 2, uncertainty=(answered - asked) / 2),
        docker=DockerFacts("installed" in docker, "socket" in docker, "usable" in docker, "rootless" in docker),
        engine=engine,
        modules=parse_modules(sections.get("modules", ""), sections.get("config", "")),
        listeners=parse_listeners(sections.get("listeners", "")),
        overlays=tuple(sections.get("overlays", "").split()),
        addresses=parse_addresses(sections.get("addresses", "")),
        routes=parse_routes(sections.get("routes", "")),
    )


def parse_sections(output: str) -> dict[str, str]:
    """The text under each ``=== name`` line, stripped; what a login script printed before is left out."""
    parts = re.split(r"^=== (\w+)$", output, flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def parse_modules(states: str, config: str) -> dict[str, str]:
    """State of each kernel module; where the module tree does not tell, the kernel's configuration does.

    ``config`` holds lines of a kernel configuration; "" where the host shows none.
    """
    options = set(config.splitlines())
    modules = dict(line.split() for line in states.splitlines())
    for name, state in modules.items():
        if state == "unknown" and options:
            modules[name] = "builtin" if f"{MODULES[name]}=y" in options else "missing"
    return modules


def parse_listeners(text: str) -> tuple[Listener, ...] | None:
    """Sockets from ``ss -Hlntup`` under a line that names ss itself; ``None`` where the host has no ss."""
    lines = text.splitlines()
    return tuple(_listener(line) for line in lines[1:]) if lines else None


def _listener(line: str) -> Listener:
    """One line: netid, state, two queues, local address:port, peer, and for root the processes."""
    protocol, _state, _received, _sent, local, *rest = line.split()
    address, _, port = local.rpartition(":")
    process = _PROCESS.search(" ".join(rest))
    who = f"{process[1]} (process {process[2]})" if process else ""
    return Listener(protocol, address, int(port), who)


def parse_addresses(text: str) -> tuple[HostAddress, ...] | None:
    """Addresses from ``ip -j addr``; ``None`` where the host has no ``ip`` that prints JSON."""
    links = _json_documents(text)
    if not links:
        return None
    return tuple(
        HostAddress(link["ifname"], f"{entry['local']}/{entry['prefixlen']}")
        for link in links
        for entry in link.get("addr_info", ())
        if "local" in entry
    )


def parse_routes(text: str) -> tuple[HostRoute, ...] | None:
    """Routes other than default routes from ``ip -j route``; ``None`` where the host has no such ``ip``."""
    routes = _json_documents(text)
    if routes is None:
        return None
    return tuple(HostRoute(route.get("dev", ""), route["dst"]) for route in routes if route["dst"] != "default")


def _json_documents(text: str) -> list[dict[str, Any]] | None:
    """The lists of objects that a few ``ip -j`` printed one after another; ``None`` for anything else."""
    entries: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    rest = text.strip()
    if not rest:
        return None
    try:
        while rest:
            document, end = decoder.raw_decode(rest)
            entries += [entry for entry in document if entry]
            rest = rest[end:].strip()
    except ValueError:
        return None
    return entries


def parse_engine(version: Mapping[str, Any], info: Mapping[str, Any]) -> EngineFacts:
    """What matters here of GET /version and GET /info (Engine API reference, ``SystemVersion`` and ``SystemInfo``)."""
    components = version.get("Components") or [{}]
    swarm = info.get("Swarm") or {}
    return EngineFacts(
        version=str(version.get("Version", "")),
        api_version=str(version.get("ApiVersion", "")),
        id=str(info.get("ID", "")),
        product=str(components[0].get("Name", "")),
        os_type=str(info.get("OSType", "")),
        swarm=SwarmState(swarm.get("LocalNodeState") or SwarmState.INACTIVE),
        rootless=any("name=rootless" in option.split(",") for option in info.get("SecurityOptions") or ()),
        live_restore=bool(info.get("LiveRestoreEnabled")),
    )


def _neighbours(
    inventory: Inventory, hosts: Mapping[str, Host], facts: Mapping[str, HostFacts]
) -> dict[str, tuple[Reach, ...]]:
    """Ways between hosts to each other's swarm ports, all at once: those of :func:`ways_before`."""
    targets = {
        node.name: [(node.name, address, port) for port in ports_between(node)]
        for node in inventory.nodes
        if node.name in facts and (address := cluster_address(node, facts[node.name]))
    }
    ways = ways_before(list(facts), {node.name for node in inventory.managers})
    pairs = [(source, place) for source, target in ways for place in targets.get(target, ())]
    found: dict[str, list[Reach]] = {source: [] for source in facts}
    for result in fan_out(pairs, lambda pair: reach(hosts[pair[0]], *pair[1])):
        found[result.item[0]].append(result.get())
    return {source: tuple(reached) for source, reached in found.items()}


def reach(host: Host, target: str, address: str, port: int) -> Reach:
    """Try one TCP connection from ``host``; it is closed at once."""
    try:
        host.open_tcp(address, port, timeout=REACH_TIMEOUT).close()
    except ChannelFailed as error:
        return Reach(target, address, port, error.kind, str(error))
    return Reach(target, address, port, "open")
