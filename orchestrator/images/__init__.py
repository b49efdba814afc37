"""Images that the tool makes itself from Debian packages, so that labs need no registry."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.images.nginx import REFERENCE as NGINX
from orchestrator.images.nginx import ensure_nginx
from orchestrator.model.image import LabImage
from orchestrator.runtime.context import Context


def ensure_lab_images(context: Context, references: Collection[str]) -> dict[str, LabImage]:
    """The images among ``references`` that this tool makes itself, built once and kept in the cache."""
    return {NGINX: ensure_nginx(context)} if NGINX in references else {}
