"""Container images that the tool itself can hand to a node, so that labs need no registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LabImage:
    """An image in ``docker load`` format.

    ``reference`` is the name that lab files use (``swarm-mesh-lab/nginx:1``), ``id`` the image id
    (``sha256:…``, the digest of its configuration). Services name the id: an engine never tries to pull
    an image that is named by the id of one it has. ``manifest`` is the digest of its manifest, by which an engine
    that keeps its images in containerd's store (the default from Docker 29 on) knows it.
    """

    reference: str
    id: str
    archive: Path
    manifest: str


@dataclass(frozen=True)
class ImageInfo:
    """A node image in the cache: the Debian ``suite`` it was made from, its files below ``path``, their size.

    ``created`` is ISO 8601 in local time; ``detail`` says what is inside (kernel, engine).
    """

    suite: str
    path: Path
    size_bytes: int
    created: str
    detail: str
