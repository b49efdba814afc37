"""Whether a snapshot fits, what time its nodes get, where its files are looked for."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.model.snapshot import SavedMachines, SavedNode, Surroundings
from orchestrator.planning.snapshot import inventory_place, lab_places, misfits, time_for_nodes

NODES = tuple(SavedNode(name, "print", "gold", Path("/cache/golden")) for name in ("n1", "n2"))
SAVED = SavedMachines("QEMU 7.2.22", "tcg", NODES)
HERE = Surroundings("QEMU 7.2.22", "tcg", {"n1": "print", "n2": "print"}, {"gold": Path("/cache/golden")})
NOW = datetime(2026, 11, 25, tzinfo=UTC)


def test_where_nothing_has_changed_it_fits():
    assert misfits(SAVED, HERE) == []


@pytest.mark.parametrize(
    ("here", "reason"),
    [
        (replace(HERE, qemu="QEMU 10.0.2"), r"saved by QEMU 7\.2\.22; here is QEMU 10\.0\.2"),
        (replace(HERE, accel="kvm"), "accelerator tcg; here they would with kvm"),
        (replace(HERE, machines={"n1": "print", "n2": "other"}), "^n2: this version of lab makes machines with other"),
        (replace(HERE, bases={}), "^n1, n2: the node image below the saved disk was removed"),
    ],
    ids=["qemu", "accelerator", "hardware", "image"],
)
def test_each_reason_not_to_fit_is_told(here, reason):
    (told,) = misfits(SAVED, here)
    assert re.search(reason, told)


def test_all_reasons_are_told_at_once():
    assert len(misfits(SAVED, Surroundings("QEMU 10", "kvm"))) == 3


@pytest.mark.parametrize(
    ("left", "current"), [(timedelta(days=30), True), (timedelta(minutes=59), False), (timedelta(days=-1), False)]
)
def test_nodes_get_the_time_of_day_as_long_as_their_certificates_last(left, current):
    assert time_for_nodes(NOW, NOW + left) == (NOW if current else None)


def test_nodes_in_no_swarm_get_the_time_of_day():
    assert time_for_nodes(NOW, None) == NOW


def test_an_inventory_that_is_there_stays_the_clusters_own():
    own, here = Path("/a/inventory.yaml"), Path("/b/inventory.yaml")
    assert inventory_place(own, here, lambda path: path == own) == own
    assert inventory_place(own, here, lambda _path: False) == here


def test_labs_are_looked_for_on_the_shelf_where_their_own_place_is_gone():
    saved = {"there": Path("/a/labs/there"), "moved": Path("/a/labs/moved"), "lost": Path("/a/labs/lost")}
    exists = {Path("/a/labs/there"), Path("/b/labs/there"), Path("/b/labs/moved")}.__contains__
    assert lab_places(saved, Path("/b/labs"), exists) == saved | {"moved": Path("/b/labs/moved")}
