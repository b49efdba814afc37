"""``lab support``: what a bug report needs, in one file, without secrets. Changes nothing on any node."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from orchestrator import __version__
from orchestrator.doctor import examine
from orchestrator.errors import LabError
from orchestrator.model.observed import ClusterView, Problem
from orchestrator.model.outcome import Missing, SupportOutcome
from orchestrator.observe import observe
from orchestrator.observe.findings import engine_document, host_parts
from orchestrator.planning.redaction import harmless, known_secrets, redact_document, redact_text
from orchestrator.providers.base import Provider
from orchestrator.providers.vm.machine import CONSOLE, LOG
from orchestrator.runtime.bounded import fan_out_within
from orchestrator.runtime.context import Context
from orchestrator.runtime.paths import state_dir
from orchestrator.transport.base import Host
from orchestrator.usecases.archive import as_json, pack, require_new, write_new
from orchestrator.usecases.connect import ENGINE_PATIENCE, PATIENCE, connected, unreachable
from orchestrator.usecases.locate import Existing
from orchestrator.usecases.status import describe

COLLECT_SECONDS = 25.0
"""Seconds for everything that is asked of nodes that answer, all at once, and for looking at this machine."""

LAST_LINES = 300
"""How much of what a machine has said on its console is kept."""

LIBRARIES = ("paramiko", "docker", "pydantic", "typer", "rich", "cryptography", "urllib3", "requests", "dnspython")

README = """\
What is in here was collected by `lab support`: {name}

Removed: join tokens and keys, passphrases, the values of environment variables, commands, health checks and labels of
services and containers, the contents of configs, credentials in addresses; and these values wherever else they stood.
Left in: names and addresses of machines, networks, services and images, and what the engines have logged.
Read it before you send it to somebody.

{missing}
"""


@dataclass
class _Pile:
    """What has been collected, by file name; texts as they came, documents as JSON."""

    texts: dict[str, str] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    known: frozenset[str] = frozenset()

    def lacks(self, what: str, why: str, node: str = "") -> None:
        self.missing.append(Missing(what, why, node))


def support(
    context: Context, file: Path, existing: Existing | None, make: Callable[[], Provider], trouble: str = ""
) -> SupportOutcome:
    """Collect and write ``file``. Where no cluster is known, ``trouble`` says why, and this machine is all there is.

    What cannot be collected is named, in the archive too, and waited for no longer than :data:`PATIENCE` (a node that
    does not answer) and :data:`COLLECT_SECONDS` (all others together). Raises :class:`UsageError` where ``file``
    exists.
    """
    require_new(file)
    pile = _Pile()
    pile.documents["versions.json"] = versions()
    if existing is None:
        pile.lacks("everything about a cluster", trouble)
        _run_jobs(context, pile, {"doctor.json": lambda: _doctor(context)})
    else:
        _remembered(pile, existing)
        _cluster(context, pile, existing, make())
    name = existing.inventory.name if existing else "no-cluster"
    parts = finished(pile.texts, pile.documents, pile.known)
    parts["README.txt"] = README.format(name=name, missing=_told(pile.missing))
    data = pack(f"lab-support-{name}", parts)
    write_new(file, data)
    return SupportOutcome(str(file), len(data), tuple(sorted(parts)), tuple(pile.missing))


def finished(texts: Mapping[str, str], documents: Mapping[str, Any], known: frozenset[str]) -> dict[str, str]:
    """All parts as they go into the archive: everything passes through here, and nothing secret does."""
    done = {name: redact_text(text, known) for name, text in texts.items()}
    for name, document in documents.items():
        done[name] = json.dumps(redact_document(document, known), indent=2, ensure_ascii=False) + "\n"
    return done


def versions() -> dict[str, Any]:
    """What runs here."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return {"lab": __version__, "python": sys.version, "platform": platform.platform(), "libraries": found}


def _remembered(pile: _Pile, existing: Existing) -> None:
    pile.documents["inventory.json"] = as_json(existing.inventory)
    folder = state_dir(existing.inventory.name)
    for name in (CONSOLE, LOG):  # of embedded nodes, whatever state their machines are in
        for path in sorted(folder.glob(f"vm/nodes/*/{name}")):
            lines = path.read_text(errors="replace").splitlines()[-LAST_LINES:]
            pile.texts[f"{path.parent.name}/machine-{name}"] = "\n".join([*lines, ""])
    if existing.state is not None:
        pile.documents["state.json"] = as_json(existing.state)
    else:
        pile.lacks("state.json", "; ".join(existing.warnings) or "`lab up` has not brought this cluster up from here")


def _cluster(context: Context, pile: _Pile, existing: Existing, provider: Provider) -> None:
    """Everything that nodes tell. Those that do not answer keep nobody waiting."""
    inventory = existing.inventory
    machines = {machine.name: machine for machine in provider.machines()}
    with connected(context, provider, inventory.nodes, patience=PATIENCE) as hosts:
        with context.phase("observe", "Look at the swarm"):
            view = observe(context, hosts, (), patience=ENGINE_PATIENCE)
        pile.known = known_secrets(view)
        pile.documents["status.json"] = as_json(describe(inventory, provider, machines, view))
        _swarm(pile, view)
        for name, problem in unreachable(hosts).items():
            pile.lacks("the node", problem.message, name)
        there = [host for host in hosts.values() if not isinstance(host, Problem)]
        with context.phase("collect", "Collect what a bug report needs") as phase:
            _run_jobs(context, pile, {"doctor.json": lambda: _doctor(context), **_jobs(there)})
            phase.summary = f"parts: {len(pile.texts) + len(pile.documents)}"


def _swarm(pile: _Pile, view: ClusterView) -> None:
    safe = harmless(view)
    if safe.swarm is None:
        pile.lacks("the swarm", "no manager of a swarm answers")
    else:
        for kind in ("nodes", "networks", "services", "tasks", "configs"):
            pile.documents[f"swarm/{kind}.json"] = [as_json(one) for one in getattr(safe.swarm, kind)]
    for node in safe.nodes:
        if node.reachable:
            pile.documents[f"{node.name}/observed.json"] = as_json(node)
        elif node.problem:
            pile.lacks("its engine", node.problem.message, node.name)


Job = Callable[[], tuple[dict[str, str], Any, str]]
"""Collects texts by name, a document, and why something is missing."""


def _doctor(context: Context) -> tuple[dict[str, str], Any, str]:
    return {}, [as_json(finding) for finding in examine(context)], ""


def _jobs(hosts: Sequence[Host]) -> dict[str, Job]:
    jobs: dict[str, Job] = {}
    for host in hosts:
        jobs[f"{host.name}/engine.json"] = lambda host=host: ({}, engine_document(host), "")  # type: ignore[misc]
        jobs[f"{host.name}/host"] = lambda host=host: _host(host)  # type: ignore[misc]
    return jobs


def _host(host: Host) -> tuple[dict[str, str], Any, str]:
    parts, why = host_parts(host)
    return {f"{host.name}/{name}.txt": text for name, text in parts.items()}, None, why


def _run_jobs(context: Context, pile: _Pile, jobs: Mapping[str, Job]) -> None:
    """Carry all out at once; what fails or takes too long is missing, and nothing else is."""
    for result in fan_out_within(context, list(jobs), lambda name: jobs[name](), COLLECT_SECONDS):
        node, _, what = result.item.rpartition("/")
        if isinstance(result.error, LabError | TimeoutError):
            why = result.error.message if isinstance(result.error, LabError) else str(result.error)
            pile.lacks(what, why, node)
            continue
        texts, document, why = result.get()
        pile.texts |= texts
        if document is not None:
            pile.documents[result.item] = document
        if why:
            pile.lacks(what, why, node)


def _told(missing: Sequence[Missing]) -> str:
    if not missing:
        return "Nothing is missing."
    lines = [redact_text(f"- {one.node + ': ' if one.node else ''}{one.what}: {one.why}") for one in missing]
    return "\n".join(["Could not be collected:", *lines])
