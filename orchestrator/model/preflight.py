"""What is asked of a host that already exists before anything on it changes, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.model.observed import Problem, SwarmState


@dataclass(frozen=True)
class Clock:
    """How far a host's clock is ahead of the operator's, in seconds; the truth lies within ``± uncertainty``."""

    offset: float
    uncertainty: float


@dataclass(frozen=True)
class Listener:
    """A socket that waits for packets. ``protocol`` is ``tcp`` or ``udp``; ``process`` is "" where it is not known."""

    protocol: str
    address: str
    port: int
    process: str = ""


@dataclass(frozen=True)
class HostAddress:
    """An address of an interface; ``address`` carries the prefix length (``192.168.90.11/24``)."""

    interface: str
    address: str


@dataclass(frozen=True)
class HostRoute:
    """A route other than a default route; ``interface`` is "" for routes that lead nowhere (blackhole)."""

    interface: str
    destination: str


@dataclass(frozen=True)
class EngineFacts:
    """What the engine says of itself. ``product`` is the name of its first component (``Engine``)."""

    version: str
    api_version: str
    id: str
    product: str
    os_type: str
    swarm: SwarmState
    rootless: bool
    live_restore: bool


@dataclass(frozen=True)
class DockerFacts:
    """What a login on the host shows of Docker, without asking the engine.

    ``rootless_socket`` means that the login user runs an engine of their own.
    """

    installed: bool
    socket: bool
    socket_usable: bool
    rootless_socket: bool


@dataclass(frozen=True)
class Reach:
    """What came of a TCP connection from one host to another's cluster address.

    ``outcome`` is ``open`` or a kind of :class:`orchestrator.transport.base.ChannelFailed`.
    """

    target: str
    address: str
    port: int
    outcome: str
    message: str = ""


@dataclass(frozen=True)
class HostFacts:
    """Everything the preflight found out about one host.

    ``rights`` is ``root``, ``sudo`` (without a password) or ``none``. ``modules`` maps a kernel module to
    ``loaded``, ``builtin``, ``loadable``, ``disabled``, ``missing`` or ``unknown``. ``listeners``,
    ``addresses`` and ``routes`` are ``None`` where the host lacks the program that tells them. ``overlays`` names the
    network namespaces in which the engine keeps overlay networks, or kept them when it was stopped.
    """

    user: str
    rights: str
    machine_id: str
    kernel: str
    clock: Clock
    docker: DockerFacts
    engine: EngineFacts | Problem
    modules: dict[str, str] = field(default_factory=dict)
    listeners: tuple[Listener, ...] | None = ()
    addresses: tuple[HostAddress, ...] | None = ()
    routes: tuple[HostRoute, ...] | None = ()
    overlays: tuple[str, ...] = ()
    reach: tuple[Reach, ...] = ()


@dataclass(frozen=True)
class Complaint:
    """One thing that is wrong with a host: what was asked, what came back, what to do.

    A complaint that is not ``fatal`` is a warning.
    """

    node: str
    asked: str
    answer: str
    advice: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.node}: {self.asked}: {self.answer}; {self.advice}"


@dataclass(frozen=True)
class Judgment:
    """What the preflight means: ``failures`` forbid to go on, ``warnings`` do not."""

    failures: tuple[Complaint, ...] = ()
    warnings: tuple[Complaint, ...] = ()
