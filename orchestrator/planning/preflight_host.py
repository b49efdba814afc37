"""PURE: what one host's facts mean for a swarm on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network

from orchestrator.model.inventory import DOCKER_SOCKET, Inventory, NodeConfig, Role
from orchestrator.model.observed import Problem, SwarmState
from orchestrator.model.preflight import Complaint, EngineFacts, HostFacts

Network = IPv4Network | IPv6Network

CLUSTER_PORT = 2377
"""TCP port on which managers serve the swarm's management API."""

GOSSIP_PORT = 7946
"""TCP and UDP port of the gossip between all nodes."""

LOWEST_API = (1, 41)
"""Docker 20.10, the oldest engine that supported Debian and Ubuntu releases ship."""

MODULES = {
    "bridge": "CONFIG_BRIDGE",
    "veth": "CONFIG_VETH",
    "vxlan": "CONFIG_VXLAN",
    "ip_vs": "CONFIG_IP_VS",
    "ip_vs_rr": "CONFIG_IP_VS_RR",
    "xt_ipvs": "CONFIG_NETFILTER_XT_MATCH_IPVS",
}
"""Kernel modules that the routing mesh takes, and the options that build them in, after ``contrib/check-config.sh``
of moby (storage drivers are the engine's affair)."""

DEFAULT_POOL = IPv4Network("10.0.0.0/8")
"""Where swarm cuts overlay networks from unless told otherwise (``docker swarm init --default-addr-pool``)."""

_IPROUTE = "install it: apt-get install iproute2"


def judge_host(inventory: Inventory, node: NodeConfig, facts: HostFacts, subnets: Sequence[str]) -> list[Complaint]:
    """Everything that is wrong with one host by itself."""
    return [
        *_engine(node.name, facts, node.ssh.docker_socket if node.ssh else DOCKER_SOCKET),
        *_modules(node.name, facts),
        *_ports(inventory, node, facts),
        *_addresses(node, facts),
        *_overlaps(inventory, node.name, facts, subnets),
    ]


def cluster_address(node: NodeConfig, facts: HostFacts) -> str:
    """The address at which other nodes reach this one; "" where it is not known.

    ``advertise_addr`` decides (an interface stands for its first address); without it, the address that SSH
    goes to, if that is one and not a loopback address.
    """
    wanted = node.advertise_addr or (node.ssh.host if node.ssh else "")
    if _is_address(wanted):
        return "" if ip_address(wanted).is_loopback else wanted
    if not node.advertise_addr:
        return ""
    own = [ip_interface(entry.address) for entry in facts.addresses or () if entry.interface == wanted]
    usable = sorted((entry.ip for entry in own if not entry.ip.is_link_local), key=lambda ip: ip.version)
    return str(usable[0]) if usable else ""


def _engine(node: str, facts: HostFacts, socket: str) -> Iterator[Complaint]:
    if isinstance(facts.engine, Problem):
        yield _no_engine(node, facts, facts.engine, socket)
        return
    engine = facts.engine
    if engine.product == "Podman Engine":
        yield Complaint(
            node, "GET /version", "Podman answers, which has no Swarm", "remove podman-docker and install Docker"
        )
        return
    if engine.os_type != "linux":
        yield Complaint(node, "GET /info", f"an engine for {engine.os_type}", "use a Linux host")
    if _version(engine.api_version) < LOWEST_API:
        lowest = ".".join(map(str, LOWEST_API))
        answer = f"API {engine.api_version} (Docker {engine.version})"
        yield Complaint(node, "Docker's API version", answer, f"upgrade to Docker 20.10 or later (API {lowest})")
    if engine.rootless:
        yield _rootless(node)
    if engine.live_restore:
        yield Complaint(
            node,
            "GET /info, LiveRestoreEnabled",
            "true, which Docker does not allow together with Swarm",
            'take "live-restore" out of /etc/docker/daemon.json and run: systemctl reload docker',
        )


def _no_engine(node: str, facts: HostFacts, problem: Problem, socket: str) -> Complaint:
    """Why the engine does not answer, as far as a look at the host explains it."""
    docker = facts.docker
    if docker.rootless_socket and not docker.socket:
        return _rootless(node)
    if not docker.socket and not docker.installed:
        return Complaint(node, "Docker", "not installed", "install it (Debian, Ubuntu: apt-get install docker.io)")
    if not docker.socket:
        elsewhere = "" if socket == DOCKER_SOCKET else ", or correct ssh.docker_socket"
        advice = f"start it: systemctl start docker{elsewhere}"
        return Complaint(node, socket, "does not exist: Docker does not run", advice)
    if not docker.socket_usable and facts.rights == "none" and problem.kind != "auth":
        advice = f"run there as root: usermod -aG docker {facts.user}; or allow {facts.user} sudo without a password"
        return Complaint(node, socket, f"the user {facts.user} may not use it", advice)
    return Complaint(node, "GET /info", problem.message, problem.hint or "look on the host: journalctl -u docker")


def _rootless(node: str) -> Complaint:
    return Complaint(
        node,
        "kind of engine",
        "a rootless one, which cannot carry overlay networks",
        "install the ordinary engine (it runs as root) beside it or instead",
    )


def _version(text: str) -> tuple[int, ...]:
    """``1.41`` as numbers, so that 1.5 stands before 1.41; (0,) for what is no version."""
    parts = text.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else (0,)


def _modules(node: str, facts: HostFacts) -> Iterator[Complaint]:
    """One complaint for all modules that are missing in the same way."""

    def complaint(state: str, answer: str, advice: str, *, fatal: bool = True) -> Iterator[Complaint]:
        names = ", ".join(name for name in MODULES if facts.modules.get(name, "unknown") == state)
        if names:
            yield Complaint(node, f"kernel modules {names}", answer, advice, fatal=fatal)

    advice = "boot a kernel that has them (Debian: linux-image-amd64; Ubuntu: linux-modules-extra)"
    yield from complaint("missing", f"not there for the running kernel {facts.kernel}", advice)
    advice = "take the lines `install MODULE /bin/false` out of /etc/modprobe.d"
    yield from complaint("disabled", "switched off by the configuration of modprobe", advice)
    advice = "try it there as root: modprobe MODULE"
    yield from complaint("unknown", "could be found neither in /sys nor in /lib/modules", advice, fatal=False)


def _ports(inventory: Inventory, node: NodeConfig, facts: HostFacts) -> Iterator[Complaint]:
    """Ports of the swarm that something else uses. In a swarm, it is Docker itself that listens there."""
    if facts.listeners is None:
        yield Complaint(node.name, "ports in use (ss)", "the host has no ss", _IPROUTE)
        return
    if not isinstance(facts.engine, EngineFacts) or facts.engine.swarm is not SwarmState.INACTIVE:
        return
    data_path = ("udp", inventory.swarm.data_path_port)
    needed = {("tcp", GOSSIP_PORT), ("udp", GOSSIP_PORT), data_path}
    if node.role is Role.MANAGER:
        needed.add(("tcp", CLUSTER_PORT))
    unnamed = "a process we may not see" if facts.rights == "none" else "the kernel (another VXLAN device?)"
    for protocol, port in sorted(needed):
        user = next((entry for entry in facts.listeners if (entry.protocol, entry.port) == (protocol, port)), None)
        if user is None:
            continue
        choice = ", or choose another port with swarm.data_path_port" if (protocol, port) == data_path else ""
        if choice and not user.process and facts.overlays:
            yield _left_behind(node.name, port, facts.overlays)
            continue
        answer = f"in use on {user.address} by {user.process or unnamed}"
        yield Complaint(node.name, f"port {port}/{protocol}", answer, f"stop what uses it{choice}")


def _left_behind(node: str, port: int, overlays: Sequence[str]) -> Complaint:
    """An engine stopped just after it left a swarm keeps its VXLAN devices; the next swarm works beside them."""
    return Complaint(
        node,
        f"port {port}/udp",
        f"held by what an earlier swarm left in /run/docker/netns: {', '.join(overlays)}",
        "Docker takes it over; it is gone after a reboot",
        fatal=False,
    )


def _addresses(node: NodeConfig, facts: HostFacts) -> Iterator[Complaint]:
    """The addresses that the swarm shall use must be the host's own."""
    if facts.addresses is None or facts.routes is None:
        yield Complaint(node.name, "addresses and routes (ip -j)", "the host has no ip that prints JSON", _IPROUTE)
        return
    own = ", ".join(
        f"{entry.address.partition('/')[0]} ({entry.interface})"
        for entry in facts.addresses
        if not ip_interface(entry.address).is_loopback and not ip_interface(entry.address).is_link_local
    )
    advice = f"set it to one of: {own or 'none found'}"
    advertised = node.advertise_addr or cluster_address(node, facts)
    absent = "no such address or interface on the host"
    if not advertised:
        yield Complaint(node.name, "advertise_addr", "not given, and ssh.host is not an address of the cluster", advice)
    elif not _exists(advertised, facts):
        yield Complaint(node.name, f"advertise_addr {advertised}", absent, advice)
    if node.data_path_addr and not _exists(node.data_path_addr, facts):
        yield Complaint(node.name, f"data_path_addr {node.data_path_addr}", absent, advice)


def _exists(wanted: str, facts: HostFacts) -> bool:
    """Whether the host has that address, or an interface of that name with an address on it."""
    entries = facts.addresses or ()
    if _is_address(wanted):
        return any(ip_interface(entry.address).ip == ip_address(wanted) for entry in entries)
    return any(entry.interface == wanted and not ip_interface(entry.address).is_link_local for entry in entries)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _overlaps(inventory: Inventory, node: str, facts: HostFacts, subnets: Sequence[str]) -> Iterator[Complaint]:
    """Overlay networks that would hide a network of the host from the containers (and the other way round)."""
    pools = inventory.swarm.default_addr_pool
    pool_advice = "choose free ones with swarm.default_addr_pool"
    wanted = [(f"the lab's subnet {subnet}", ip_network(subnet), "choose another subnet") for subnet in subnets]
    wanted += [(f"the address pool {pool}", ip_network(pool), pool_advice) for pool in pools]
    if not pools:
        ingress = next(DEFAULT_POOL.subnets(new_prefix=inventory.swarm.subnet_size))
        wanted.append((f"Docker's default ingress network {ingress}", ingress, pool_advice))
    for interface, network in _host_networks(facts):
        where = f"{network} on {interface}" if interface else str(network)
        clashes = [(what, advice) for what, other, advice in wanted if other.overlaps(network)]
        for what, advice in clashes:
            yield Complaint(node, f"networks of the host against {what}", f"overlaps {where}", advice)
        if not pools and not clashes and DEFAULT_POOL.overlaps(network):
            asked = f"networks of the host against Docker's default address pool {DEFAULT_POOL}"
            advice = "choose a free pool with swarm.default_addr_pool to be safe"
            yield Complaint(node, asked, f"overlaps {where}", advice, fatal=False)


def _host_networks(facts: HostFacts) -> list[tuple[str, Network]]:
    """The networks that the host reaches by more than its default route, each once.

    Half-internet routes (``0.0.0.0/1``), by which VPN clients replace the default route, count as such.
    """
    own: list[tuple[str, Network]] = [
        (entry.interface, ip_interface(entry.address).network) for entry in facts.addresses or ()
    ]
    own += [(entry.interface, ip_network(entry.destination)) for entry in facts.routes or ()]
    return [entry for entry in dict.fromkeys(own) if entry[1].prefixlen > 1]
