"""Questions that checks ask, the places from which they are asked, and what comes back. Data only.

A question is asked from a vantage. What came back is raw: what it means is for the check to judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.model.probe import Answer, Observation


@dataclass(frozen=True, order=True)
class Vantage:
    """A place from which questions are asked: a node, or one of its network namespaces.

    ``namespace`` is the file of the network namespace on the node ("" is the node's own); ``label`` names the place
    for a person: ``n1``, ``task 2 of dns_web on n3``, ``the ingress sandbox of n1``.
    """

    node: str
    namespace: str = ""
    label: str = ""

    def __str__(self) -> str:
        return self.label or self.node


@dataclass(frozen=True)
class Fetch:
    """HTTP requests: ``count`` times ``GET path`` at ``address:port``; ``deadline`` is seconds for each."""

    vantage: Vantage
    address: str
    port: int
    path: str = "/"
    count: int = 1
    deadline: float = 5.0


@dataclass(frozen=True)
class Lookup:
    """A question to Docker's own name server, which every container on a network of its own sees at 127.0.0.11."""

    vantage: Vantage
    name: str
    deadline: float = 5.0


@dataclass(frozen=True)
class Datagram:
    """One UDP datagram to ``address:port``, and whatever datagram comes back within ``deadline`` seconds."""

    vantage: Vantage
    address: str
    port: int
    deadline: float = 3.0


@dataclass(frozen=True)
class Read:
    """A command that looks at something on the node, in the vantage's network namespace, as root."""

    vantage: Vantage
    argv: tuple[str, ...]
    deadline: float = 20.0


@dataclass(frozen=True)
class Inspect:
    """What a node's engine says of an object.

    ``kind`` is ``network``, ``container``, ``networks`` (the list) or ``logs`` (a container's last lines, as text).
    ``verbose`` asks of a network also which services and tasks on it this node knows of, from every node.
    """

    vantage: Vantage
    kind: str
    name: str = ""
    verbose: bool = False


@dataclass(frozen=True)
class EngineCall:
    """A call that the engine has to refuse: ``POST path`` with ``body``. What it creates all the same is removed.

    ``body`` is JSON text, so that questions can be compared. ``undo`` is the path below which the created object is
    deleted by its id (``/services``).
    """

    vantage: Vantage
    path: str
    body: str
    undo: str


Question = Fetch | Lookup | Datagram | Read | Inspect | EngineCall


@dataclass(frozen=True)
class Unasked:
    """The question could not be asked: the vantage is dead, or lacks what it takes. Says nothing of the target."""

    why: str


@dataclass(frozen=True)
class Fetched:
    """What came of each request."""

    seen: tuple[Observation, ...]


@dataclass(frozen=True)
class Resolved:
    """What a name server said. ``rcode`` is its word (NOERROR, NXDOMAIN, SERVFAIL, …).

    ``failure`` tells why nothing came back: ``refused`` where nobody listens at 127.0.0.11 (no name server at all).
    """

    rcode: str = ""
    addresses: tuple[str, ...] = ()
    failure: str = ""


class Echo(StrEnum):
    """What came of a datagram."""

    ANSWERED = "answered"
    SILENT = "silent"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Echoed:
    """What came of a datagram; ``text`` is what came back, ``answer`` what it tells of who answered."""

    outcome: Echo
    text: str = ""
    answer: Answer = field(default_factory=Answer)


@dataclass(frozen=True)
class Told:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str = ""


@dataclass(frozen=True)
class Inspected:
    """What the engine said; ``found`` is ``None`` where there is no such object."""

    found: Any = None


@dataclass(frozen=True)
class Refused:
    """What an engine said to a call: HTTP status and message.

    ``created`` is the id of what it created; that was removed again, unless ``left`` says why it could not be.
    """

    status: int
    message: str
    created: str = ""
    left: str = ""


Reply = Unasked | Fetched | Resolved | Echoed | Told | Inspected | Refused


@dataclass(frozen=True)
class Sandbox:
    """The network namespace of a container: ``path`` is its file on the node, "" where it has none of its own."""

    container: str
    path: str
