"""The pages that are made from the code and the labs say what these say; the labs prove what is claimed."""

import os

import pytest
from manual import ROOT

from orchestrator.checks.documentation import kinds
from orchestrator.model.claims import CLAIMS
from orchestrator.report.checks import checks_page
from orchestrator.report.labs import claims_page
from orchestrator.usecases.catalogue import list_labs

LABS = list_labs(ROOT / "inventory.yaml", {})
PROVED = {claim for lab in LABS for claim in lab.claims}

NOT_YET: frozenset[int] = frozenset()
"""Claims for which there is no lab yet. It may only shrink."""


@pytest.mark.parametrize(
    ("page", "text"),
    [("checks.md", checks_page(kinds())), ("claims.md", claims_page(CLAIMS, LABS))],
    ids=["checks", "claims"],
)
def test_a_page_that_is_made_is_as_it_would_be_made_now(page, text):
    """After a change: ``lab checks --markdown > docs/checks.md``, ``lab labs --markdown > docs/claims.md``."""
    file = ROOT / "docs" / page
    if os.environ.get("LAB_UPDATE_GOLDEN"):
        file.write_text(text)
    assert file.read_text() == text


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_a_lab_that_is_shipped_can_be_read_and_has_a_guide(lab):
    assert lab.problem == ""
    assert lab.readme is not None
    assert lab.lab.name == lab.name


def test_the_claims_are_numbered_without_a_gap():
    assert list(CLAIMS) == list(range(1, 19))


def test_labs_prove_only_what_is_claimed():
    assert set(CLAIMS) >= PROVED


def test_every_claim_is_proved_by_a_check_of_a_lab():
    assert set(CLAIMS) - PROVED == NOT_YET
