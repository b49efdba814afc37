"""By which id an image is named, where engines keep images in different ways."""

from pathlib import Path

import pytest

from orchestrator.model.image import LabImage
from orchestrator.model.observed import NodeView
from orchestrator.planning.images import as_kept, stores_differ

IMAGES = {"web:1": LabImage("web:1", "sha256:config", Path("web.tar"), "sha256:manifest")}


def view(name, *, new, reachable=True):
    return NodeView(name, reachable=reachable, containerd_images=new)


@pytest.mark.parametrize(
    ("views", "identity"),
    [
        ([view("n1", new=False), view("n2", new=False)], "sha256:config"),
        ([view("n1", new=True), view("n2", new=True)], "sha256:manifest"),
        ([view("n1", new=True), view("n2", new=False, reachable=False)], "sha256:manifest"),
        ([view("n1", new=False), view("n2", new=True, reachable=False)], "sha256:config"),
        ([view("n1", new=False, reachable=False)], "sha256:config"),
    ],
)
def test_an_image_is_named_as_the_engines_that_answer_know_it(views, identity):
    assert as_kept(IMAGES, views)["web:1"].id == identity
    assert list(stores_differ(IMAGES, views)) == []


def test_engines_that_know_it_by_different_ids_are_refused_with_the_way_out():
    views = [view("n1", new=True), view("n2", new=False), view("n3", new=True)]
    (refusal,) = stores_differ(IMAGES, views)
    assert refusal.reason.startswith("they are in containerd's store on n1, n3 and in Docker's own on n2")
    assert "containerd-snapshotter" in refusal.hint
    assert list(stores_differ({}, views)) == [], "labs without an image of ours do not care"
