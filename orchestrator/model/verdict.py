"""Verdicts: what the observations mean."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.model.probe import Sample


class Verdict(StrEnum):
    """``inconclusive`` means that the question could not be asked, which is not a failure of the target."""

    PASS = "pass"  # noqa: S105 (a verdict, not a password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Cell:
    """One vantage × target of the matrix. Latencies are seconds, 0 where nothing answered."""

    vantage: str
    entry: str
    address: str
    port: int
    verdict: Verdict
    asked: int
    answered: int
    latency_min: float
    latency_median: float
    latency_max: float
    tasks: dict[str, int]
    reason: str = ""


@dataclass(frozen=True)
class CheckResult:
    """The verdict of one check on one subject.

    ``check`` is the kind of check that a lab file asks for, or, for published ports, one of ``mesh`` (every probe
    answers), ``identity`` (answers come from running tasks of the service), ``coverage`` (all tasks seen through an
    entry), ``share`` (requests spread evenly), ``entry`` (the task saw the entry node's ingress address) and
    ``publish-mode`` (host-mode ports listen where tasks run).
    ``subject`` names what was checked (``ingress-mesh_web :8080 via n2``), ``nodes`` the nodes at which a
    failure points, ``reason`` why and ``hint`` where to look next.
    """

    check: str
    subject: str
    verdict: Verdict
    reason: str = ""
    hint: str = ""
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PortReport:
    """Everything about one published port of one service."""

    lab: str
    service: str
    published: int
    cells: tuple[Cell, ...]
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True)
class CheckReport:
    """One check of a lab file: what became of each of its subjects.

    ``claims`` are the numbers of the claims that it proves; ``waited`` is how many seconds it took until its last
    subject was as it should be (0 where the first look was enough). ``drawing`` are lines of text that show what was
    measured, ``measured`` is the same as data.
    """

    lab: str
    kind: str
    title: str
    claims: tuple[int, ...]
    results: tuple[CheckResult, ...]
    waited: float = 0.0
    drawing: tuple[str, ...] = ()
    measured: Any = None


@dataclass(frozen=True)
class VerifyReport:
    """The whole of ``lab verify``; ``labs`` are the checks that lab files ask for, ``checks`` those of the cluster.

    ``sample`` says how much of what could be asked of the published ports was asked.
    """

    cluster: str
    ports: tuple[PortReport, ...]
    checks: tuple[CheckResult, ...] = ()
    probes: int = 0
    requests: int = 0
    seconds: float = 0.0
    labs: tuple[CheckReport, ...] = ()
    sample: Sample | None = None

    @property
    def every_check(self) -> tuple[CheckResult, ...]:
        """All that was judged."""
        of_ports = (check for port in self.ports for check in port.checks)
        of_labs = (check for lab in self.labs for check in lab.results)
        return (*self.checks, *of_ports, *of_labs)

    @property
    def verdict(self) -> Verdict:
        """A failure outweighs an inconclusive check; nothing checked at all is inconclusive, not a pass."""
        verdicts = {check.verdict for check in self.every_check}
        for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS):
            if verdict in verdicts:
                return verdict
        return Verdict.INCONCLUSIVE
