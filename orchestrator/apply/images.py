"""The step that sends an image to a node, so that no node needs a registry."""

# The stubs of the docker SDK leave many of its methods untyped.

from __future__ import annotations

import io
from pathlib import Path

from docker import APIClient

from orchestrator.apply.site import Job
from orchestrator.errors import NodeError
from orchestrator.model.plan import LoadImage
from orchestrator.observe.look import image_id
from orchestrator.transport.engine_errors import engine_errors

LOAD_SECONDS = 600
"""How long an engine may stay silent while it unpacks an image."""


def load_image(job: Job, action: LoadImage) -> bool:
    """Send an image archive to a node's engine, as ``docker load`` does."""
    image = job.site.images.get(action.reference)
    if image is None:
        raise NodeError(f"there is no archive of image {action.reference} on this machine", node=action.node)
    engine = job.site.host(action.node).engine()
    with engine_errors(action.node, f"load image {action.reference}"):
        if image_id(engine, action.reference) == image.id:
            return False
        _send(job, engine, action, image.archive)
        if not image_id(engine, action.reference):
            raise NodeError(
                f"the archive {image.archive} was loaded but holds no image {action.reference}", node=action.node
            )
    return True


def _send(job: Job, engine: APIClient, action: LoadImage, archive: Path) -> None:
    usual = engine.timeout
    engine.timeout = LOAD_SECONDS
    try:
        with archive.open("rb") as file:
            for line in engine.load_image(_Upload(file, archive.stat().st_size, job)):
                if "error" in line:
                    raise NodeError(
                        f"load image {action.reference}: the engine says: {line['error']}", node=action.node
                    )
    except FileNotFoundError as error:
        raise NodeError(f"the image archive {archive} does not exist", node=action.node) from error
    finally:
        engine.timeout = usual


class _Upload:
    """A file that tells how much of it has been read, each time another twentieth is done."""

    def __init__(self, file: io.BufferedReader, size: int, job: Job) -> None:
        self._file = file
        self._size = size
        self._job = job
        self._told = -1

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises ``Interrupted`` when the run is cancelled."""
        self._job.context.check()
        data = self._file.read(size)
        done = self._file.tell() / self._size if self._size else 1.0
        if int(done * 20) > self._told:
            self._told = int(done * 20)
            self._job.progress(f"{self._file.tell() // 2**20} of {self._size // 2**20} MiB sent", done)
        return data
