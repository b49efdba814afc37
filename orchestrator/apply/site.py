"""Where steps are carried out: the open connections, the images at hand, and a manager that answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from docker import APIClient

from orchestrator.errors import NodeError, RefusedError
from orchestrator.model.image import LabImage
from orchestrator.model.labels import CLUSTER, owned_by
from orchestrator.model.observed import Problem
from orchestrator.runtime.context import Context, Progress
from orchestrator.transport.base import Host
from orchestrator.transport.engine_errors import engine_errors, is_passing

Raw = dict[str, Any]


@dataclass(frozen=True)
class Manager:
    """A manager that answered just now, and the swarm it belongs to (``GET /swarm``, join tokens included)."""

    name: str
    engine: APIClient
    swarm: Raw = field(repr=False)

    @property
    def cluster(self) -> str:
        """The cluster that the swarm's own label names; "" for a swarm that is not ours."""
        return str((self.swarm["Spec"].get("Labels") or {}).get(CLUSTER, ""))

    def require_ours(self, kind: str, name: str, labels: Mapping[str, str] | None) -> None:
        """Raise ``RefusedError`` unless an object with these labels was made by us, in a swarm made by us."""
        if not self.cluster or not owned_by(dict(labels or {}), self.cluster):
            raise RefusedError(
                f"{kind} {name} does not carry our label {CLUSTER}={self.cluster}: it is not ours to change",
                node=self.name,
                hint=f"look at it on a manager: docker {kind} inspect {name}",
            )


@dataclass(frozen=True)
class Site:
    """What every step needs. ``first_manager`` is the node to ask first; ``converge_seconds`` bounds waiting."""

    context: Context
    hosts: Mapping[str, Host | Problem]
    images: Mapping[str, LabImage]
    first_manager: str
    converge_seconds: float = 240.0

    def host(self, name: str) -> Host:
        """The connection to a node. Raises ``NodeError`` where there is none."""
        host = self.hosts.get(name, Problem("unreachable", "there is no connection to the node"))
        if isinstance(host, Problem):
            raise NodeError(host.message, node=name, hint=host.hint, kind=host.kind)
        return host

    def info(self, name: str) -> Raw:
        """The swarm part of a node's ``GET /info``. Raises ``NodeError``."""
        host = self.host(name)
        with engine_errors(name, "GET /info"):
            return dict(host.engine().info().get("Swarm") or {})

    def manager(self, preferred: str = "") -> Manager:
        """A manager that answers: the preferred one, else the plan's, else any. Raises ``NodeError``."""
        reasons, passing = [], False
        for name in dict.fromkeys([preferred or self.first_manager, self.first_manager, *self.hosts]):
            try:
                engine = self.host(name).engine()
                with engine_errors(name, "GET /swarm"):
                    return Manager(name, engine, engine.inspect_swarm())
            except NodeError as error:
                reasons.append(f"{name}: {error.message}")
                passing |= is_passing(error)
        raise NodeError(
            "no manager of the swarm answers",
            node=preferred or self.first_manager,
            details=reasons,
            hint="more than half of the managers must be up and reachable",
            kind="timeout" if passing else "engine",
        )

    def image(self, reference: str) -> str:
        """What a service shall name: the id of a lab image (which no engine tries to pull), else the reference."""
        image = self.images.get(reference)
        return image.id if image else reference


@dataclass(frozen=True)
class Job:
    """One step at work: where, and how to tell how it goes."""

    site: Site
    progress: Progress

    @property
    def context(self) -> Context:
        """The run's context."""
        return self.site.context
