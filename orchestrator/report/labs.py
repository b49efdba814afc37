"""The labs that there are, for a terminal, and the claims that they prove as the page docs/claims.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.model.catalogue import LabEntry
from orchestrator.model.lab import Bridge, Container, Lab, Network, Service, ServiceMode
from orchestrator.report.tables import simple_table

_INTRODUCTION = """\
<!-- Made by `lab labs --markdown` from labs/*/compose.yaml and orchestrator/model/claims.py. -->
# Claims

What the labs prove about Docker's networks, on real nodes. A check of a lab file names the `claims` that it proves;
`lab verify` shows their numbers beside its verdict. `lab labs` shows which lab proves which claims.

| claim | what is claimed | proved by |
|---|---|---|
"""


Row = dict[str, object]
"""One object of a lab in words, for a table and as data."""


def render_labs(labs: Sequence[LabEntry]) -> list[RenderableType]:
    """Every lab in a line, and what is wrong with those that cannot be read."""
    if not labs:
        return [Text("there is no lab in labs/ beside the inventory")]
    table = simple_table("LAB", "CHECKS", "CLAIMS", "TITLE")
    for lab in labs:
        words = (str(len(lab.checks)), _numbers(lab.claims), lab.lab.title) if lab.lab else ("–", "–", "cannot be read")
        table.add_row(lab.name, *(word or "–" for word in words), style="" if lab.lab else "yellow")
    wrong = [Text.assemble(("! ", "yellow"), f"{lab.name}: {lab.problem}") for lab in labs if lab.problem]
    return [table, *wrong, Text(), Text("lab labs LAB shows one; lab up LAB deploys it", style="dim")]


def render_lab(entry: LabEntry) -> list[RenderableType]:
    """One lab: what it consists of, and what its checks show."""
    lab = entry.lab
    assert lab is not None  # noqa: S101 (whoever could not be read was told before)
    parts: list[RenderableType] = [Text.assemble((entry.name, "bold"), f"  {lab.title}"), Text(str(entry.path))]
    for table in _tables(lab):
        parts += [Text(), table]
    checks = simple_table("CHECK", "CLAIMS", "SHOWS")
    for check in entry.checks:
        checks.add_row(check.kind, _numbers(check.claims) or "–", check.title or "–")
    parts += [Text(), checks] if entry.checks else []
    if entry.derived:
        parts.append(Text("its file has no checks: these follow from its ports, networks and replicas", style="dim"))
    return parts + ([Text(), Text(f"guide: {entry.readme}")] if entry.readme else [])


def lab_document(entry: LabEntry) -> dict[str, object]:
    """One lab as data."""
    lab = entry.lab
    return {
        "name": entry.name,
        "title": lab.title if lab else "",
        "path": str(entry.path),
        "readme": str(entry.readme) if entry.readme else None,
        "claims": list(entry.claims),
        "checks": [{"kind": one.kind, "title": one.title, "claims": list(one.claims)} for one in entry.checks],
        "derived": entry.derived,
        "problem": entry.problem,
        **(_parts(lab) if lab else {}),
    }


def claims_page(claims: Mapping[int, str], labs: Sequence[LabEntry]) -> str:
    """The page of the manual, in Markdown."""
    rows = [f"| {number} | {text} | {_proofs(number, labs) or '–'} |\n" for number, text in claims.items()]
    return _INTRODUCTION + "".join(rows)


def _proofs(number: int, labs: Sequence[LabEntry]) -> str:
    """The labs that prove a claim, each with its checks that do."""
    found = {
        lab.name: [f"`{check.kind}` {check.title}".strip() for check in lab.checks if number in check.claims]
        for lab in labs
    }
    return "<br>".join(
        f"[{name}](../labs/{name}/compose.yaml): {'; '.join(checks)}" for name, checks in found.items() if checks
    )


def _parts(lab: Lab) -> dict[str, list[Row]]:
    """What a lab consists of, as rows of words."""
    return {
        "services": [_service(service) for service in lab.services],
        "containers": [_container(container) for container in lab.containers],
        "networks": [_network(network) for network in lab.networks],
        "bridges": [_bridge(bridge) for bridge in lab.bridges],
    }


def _service(service: Service) -> Row:
    return {
        "key": service.key,
        "tasks": "one per node" if service.mode is ServiceMode.GLOBAL else str(service.replicas),
        "image": service.image,
        "networks": [attachment.network for attachment in service.networks],
        "ports": list(map(str, service.ports)),
    }


def _container(container: Container) -> Row:
    return {
        "key": container.key,
        "on": _on(container.on),
        "image": container.image,
        "networks": [container.network],
        "ports": list(map(str, container.ports)),
    }


def _network(network: Network) -> Row:
    return {"key": network.key, "name": network.name, "subnet": network.subnet, "external": network.external}


def _bridge(bridge: Bridge) -> Row:
    return {"key": bridge.key, "on": _on(bridge.on), "name": bridge.name, "subnet": bridge.subnet}


def _tables(lab: Lab) -> Iterator[Table]:
    """A table for each sort of object that the lab has."""
    for name, rows in _parts(lab).items():
        if rows:
            table = simple_table(name.removesuffix("s").upper(), *(key.upper() for key in [*rows[0]][1:]))
            for row in rows:
                table.add_row(*map(_cell, row.values()))
            yield table


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ("\n".join(value) if isinstance(value, list) else str(value)) or "–"


def _on(positions: Sequence[int]) -> str:
    """The nodes of a container or bridge, by their positions in the inventory."""
    return ", ".join(f"node {number}" for number in positions) or "every node"


def _numbers(claims: Sequence[int]) -> str:
    return ", ".join(map(str, claims))
