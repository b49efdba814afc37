"""What there is to choose from, as a terminal shows it."""

from pathlib import Path

import pytest

from orchestrator.model.catalogue import CheckEntry, KeyDoc, KindDoc, LabEntry
from orchestrator.model.lab import (
    Attachment,
    Bridge,
    Container,
    Lab,
    Network,
    Port,
    Protocol,
    PublishMode,
    Service,
    ServiceMode,
)
from orchestrator.report.checks import checks_page, render_kind, render_kinds
from orchestrator.report.documents import plain
from orchestrator.report.labs import claims_page, lab_document, render_lab, render_labs

SHELF = Path("/home/me/labs")
MESH = Lab("mesh", SHELF / "mesh/compose.yaml", "Any node answers", (Service("web", "mesh_web", "nginx"),))
FULL = Lab(
    "full",
    SHELF / "full/compose.yaml",
    "One of each",
    services=(
        Service(
            "web",
            "full_web",
            "swarm-mesh-lab/nginx:1",
            replicas=2,
            ports=(Port(8080, 80), Port(5353, 53, Protocol.UDP, PublishMode.HOST)),
            networks=(Attachment("full_net"), Attachment("full_other")),
        ),
        Service("agent", "full_agent", "nginx", mode=ServiceMode.GLOBAL),
    ),
    networks=(Network("net", "full_net", "10.0.9.0/24"), Network("other", "full_other", external=True)),
    bridges=(Bridge("blue", "full_blue", (1, 2), "172.28.1.0/24"),),
    containers=(Container("a1", "full_a1", "nginx", (2,), "full_blue", ports=(Port(8081, 80),)),),
)
ENTRIES = [
    LabEntry("broken", SHELF / "broken", problem="/home/me/labs/broken/compose.yaml:1: expected a mapping"),
    LabEntry(
        "full",
        FULL.path,
        FULL,
        (CheckEntry("veths", "One veth for each", (3, 2)), CheckEntry("names"), CheckEntry("reach", "", (2,))),
        readme=SHELF / "full/README.md",
    ),
    LabEntry("mesh", MESH.path, MESH, (CheckEntry("mesh"),), derived=True),
]
KIND = KindDoc(
    "reach",
    ("One reaches another.", "Or it must not."),
    (
        KeyDoc("from", "text such as node:1", True, "", "Who asks."),
        KeyDoc("port", "whole number", False, "80", "Which port."),
    ),
    (KeyDoc("title", "text", False, "", "In one line."),),
    alters=True,
)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("labs", render_labs(ENTRIES)),
        ("labs-none", render_labs([])),
        ("lab", render_lab(ENTRIES[1])),
        ("lab-derived", render_lab(ENTRIES[2])),
        ("kinds", render_kinds([KIND])),
        ("kind", render_kind(KIND)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_texts(golden, name, parts):
    golden(name, parts)


def test_a_lab_as_data():
    document = lab_document(ENTRIES[1])
    assert document == plain(document)
    assert (document["claims"], document["title"]) == ([2, 3], "One of each")
    assert document["services"][0]["ports"] == ["8080→80/tcp", "5353→53/udp host"]
    assert document["containers"] == [
        {"key": "a1", "on": "node 2", "networks": ["full_blue"], "ports": ["8081→80/tcp"], "image": "nginx"}
    ]
    assert lab_document(ENTRIES[0])["problem"] == ENTRIES[0].problem


def test_every_claim_stands_beside_what_proves_it():
    rows = claims_page({2: "two", 3: "three", 4: "four"}, ENTRIES).splitlines()[-3:]
    assert rows == [
        "| 2 | two | [full](../labs/full/compose.yaml): `veths` One veth for each; `reach` |",
        "| 3 | three | [full](../labs/full/compose.yaml): `veths` One veth for each |",
        "| 4 | four | – |",
    ]


def test_the_page_of_kinds():
    page = checks_page([KIND])
    assert "| [`reach`](#reach) | One reaches another. (alters the lab for a while) |\n" in page
    assert "## `reach`\n\nOne reaches another.\n\nOr it must not.\n\n| key | type | default | meaning |\n" in page
    assert (
        "| `from` | text such as node:1 | required | Who asks. |\n| `port` | whole number | 80 | Which port. |" in page
    )
