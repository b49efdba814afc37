"""Probes: what is asked, from where, and what came back, before anybody judges it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

OPERATOR = "operator"
"""Name of the vantage that is the machine on which ``lab`` itself runs."""


class Outcome(StrEnum):
    """How one attempt ended.

    The three ``NO_…`` and the ``VANTAGE_DEAD`` outcomes are told apart because they point at different causes.
    """

    ANSWERED = "answered"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    NOT_HTTP = "not-http"
    VANTAGE_DEAD = "vantage-dead"


class Expectation(StrEnum):
    """What a probe should meet: a task that answers, or, where nothing may listen, a refused connection."""

    ANSWER = "answer"
    REFUSED = "refused"


class Pairs(StrEnum):
    """Which pairs of vantage and entry are asked: all, or a sample that still crosses every path, or every node."""

    ALL = "all"
    PATHS = "paths"
    NODES = "nodes"


@dataclass(frozen=True, order=True)
class Target:
    """Where a probe goes.

    ``entry`` is the node whose published port is asked; ``address`` and ``port`` are what is dialled from the
    vantage (the operator may reach an entry under another address and port than the nodes do).
    """

    entry: str
    address: str
    port: int


@dataclass(frozen=True)
class Probe:
    """``count`` requests from ``vantage`` to ``target`` for the published port of ``service``.

    ``deadline`` is in seconds and holds for each request, connect to last byte. With ``any_protocol`` an answer need
    not be HTTP: nobody has told us what the service speaks.
    """

    id: str
    vantage: str
    target: Target
    service: str
    published: int
    count: int
    deadline: float
    expect: Expectation = Expectation.ANSWER
    path: str = "/"
    any_protocol: bool = False


@dataclass(frozen=True)
class Sample:
    """How much of all that could be asked a plan of probes asks, over all published ports.

    ``ways`` are pairs of vantage and target, of ``all_ways``; ``paths`` are pairs of an entry and a node with a task
    between which a request is sure to pass (round robin shows every task), of ``all_paths``. ``promise`` says what the
    plan is sure to ask; ``requests`` is what it makes, and ``seed`` chose the pairs.
    """

    pairs: Pairs
    promise: str
    seed: int = 0
    vantages: int = 0
    entries: int = 0
    ways: int = 0
    all_ways: int = 0
    paths: int = 0
    all_paths: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answered, as the lab's nginx tells it in JSON; empty where the body says nothing of it."""

    node: str = ""
    service: str = ""
    task: str = ""
    slot: str = ""
    server: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """One request and what came of it. ``latency`` is seconds from dialling to the last byte (or the failure).

    ``size`` is the body's in bytes; ``digest`` is its SHA-256, only where another path than ``/`` was asked for.
    ``connected`` says whether a TCP connection stood, whatever became of the request on it.
    """

    probe: str
    attempt: int
    outcome: Outcome
    latency: float
    status: int = 0
    answer: Answer = Answer()
    error: str = ""
    size: int = 0
    digest: str = ""
    connected: bool = False
