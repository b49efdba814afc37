"""PURE: by which id engines know an image of ours. It depends on where they keep images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from orchestrator.model.image import LabImage
from orchestrator.model.observed import NodeView
from orchestrator.model.plan import Refusal


def as_kept(images: Mapping[str, LabImage], views: Sequence[NodeView]) -> dict[str, LabImage]:
    """The images with the ids that they have, or will have, on these nodes; see :func:`stores_differ`.

    Docker's own store goes by the digest of an image's configuration, containerd's by that of its manifest.
    """
    answering = [view for view in views if view.reachable]
    if not answering or not all(view.containerd_images for view in answering):
        return dict(images)
    return {reference: replace(image, id=image.manifest) for reference, image in images.items()}


def stores_differ(images: Mapping[str, LabImage], views: Sequence[NodeView]) -> Iterator[Refusal]:
    """A service names one id of an image for all nodes, so all must keep images in the same way."""
    new = [view.name for view in views if view.reachable and view.containerd_images]
    old = [view.name for view in views if view.reachable and not view.containerd_images]
    if images and new and old:
        yield Refusal(
            "images",
            f"they are in containerd's store on {', '.join(new)} and in Docker's own on {', '.join(old)}: "
            "an image has another id in each, and a service can name only one",
            'the same for all in /etc/docker/daemon.json: {"features": {"containerd-snapshotter": true}}, or false',
        )
