"""Node images: a Debian with systemd, sshd and dockerd on an ext4 disk, with its kernel beside it.

An image is a folder in the cache that appears whole or not at all. Its name holds a digest of what it is made of,
so a newer version of this tool never runs an older image by mistake.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from orchestrator.errors import EnvironmentProblem, RefusedError
from orchestrator.images.debian import RootTar, build_tar, run_told
from orchestrator.model.image import ImageInfo
from orchestrator.model.inventory import VmShape
from orchestrator.providers.vm import processes
from orchestrator.providers.vm.files import EXCLUDED, MASKED, Overlay, node_overlay, packages_of
from orchestrator.providers.vm.initramfs import MADE_OF, build_initramfs
from orchestrator.providers.vm.keys import KeyPair, new_key_pair
from orchestrator.runtime import paths
from orchestrator.runtime.context import Context, Progress
from orchestrator.runtime.documents import UnusableDocument, read_document, write_document
from orchestrator.runtime.snapshots import list_snapshots

SCHEMA = 1
"""Of ``image.json``."""

BASE_DISK = 4
"""Size of the base disk in GiB; a node's own layer may be larger, never smaller."""

_NEEDED = 4 * 1024**3


@dataclass(frozen=True)
class NodeImage:
    """A finished node image. ``folder`` holds everything; the key pair logs in to the golden node.

    ``packages`` are those that it has besides :func:`~orchestrator.providers.vm.files.packages_of` the release.
    """

    suite: str
    folder: Path
    packages: tuple[str, ...] = ()

    @property
    def disk(self) -> Path:
        """The ext4 file system, without a partition table."""
        return self.folder / "disk.raw"

    @property
    def kernel(self) -> Path:
        """The kernel of the image, for direct boot."""
        return self.folder / "vmlinuz"

    @property
    def initramfs(self) -> Path:
        """The small initramfs that mounts the disk."""
        return self.folder / "initrd.img"

    @property
    def login_key(self) -> Path:
        """Private key that logs in as root on the golden node."""
        return self.folder / "login_key"


def images_root() -> Path:
    """The folder of all node images."""
    return paths.cache_root() / "nodes"


def image_for(suite: str, packages: tuple[str, ...] = ()) -> NodeImage:
    """Where the image of that suite, with those further packages, is or will be."""
    return NodeImage(suite, images_root() / f"{suite}-{_fingerprint(suite, packages)}", packages)


def ensure(context: Context, suite: str, packages: tuple[str, ...] = ()) -> NodeImage:
    """The node image of that Debian suite with those further packages, built first where it is missing (minutes)."""
    image = image_for(suite, packages)
    if not image.folder.exists():
        _build(context, image)
    return image


def list_images() -> list[ImageInfo]:
    """Every node image in the cache, older versions included."""
    finished = (file.parent for file in images_root().glob("[!.]*/image.json"))
    return [_info(folder) for folder in sorted(finished)]


def remove_images(context: Context) -> list[str]:
    """Delete the node images and what was made from them, but for those on which snapshots stand; says which."""
    if not images_root().exists():
        return []
    needed = _below_snapshots()
    for folder, names in needed.items():
        context.notice(f"kept {folder}, on which stands: {', '.join(names)}")
    with building(context), context.step("image rm", "delete the node images"):
        removed = [info.path for info in list_images() if info.path not in needed]
        for folder in removed:
            _discard(folder)
    return [str(folder) for folder in removed]


def _below_snapshots() -> dict[Path, list[str]]:
    """Folders of images without which snapshots are worth nothing, and the names of those snapshots."""
    needed: dict[Path, list[str]] = {}
    for entry in list_snapshots():
        for folder in {node.base.parent for node in entry.snapshot.machines.nodes} if entry.snapshot else ():
            if folder.is_dir():
                needed.setdefault(folder, []).append(f"snapshot {entry.name}")
    return needed


def _discard(folder: Path) -> None:
    """Delete an image; from the first moment on nobody takes the rest of it for an image."""
    doomed = folder.rename(folder.with_name(f".{folder.name}.removed"))
    shutil.rmtree(doomed)


def _fingerprint(suite: str, packages: tuple[str, ...]) -> str:
    overlay = node_overlay(host_key="", host_key_public="", authorized_key="")
    made_of = [suite, packages_of(suite) + packages, EXCLUDED, MASKED, BASE_DISK, overlay.files, overlay.links, MADE_OF]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:10]


def _build(context: Context, image: NodeImage) -> None:
    paths.private_dir(images_root())
    _check_space(images_root())
    with folder_that_appears_whole(image.folder) as folder:
        part = replace(image, folder=folder)
        with context.step("image packages", f"node image: install Debian {image.suite} and Docker") as progress:
            tar = RootTar(image.suite, packages_of(image.suite) + image.packages, excludes=EXCLUDED)
            build_tar(context, tar, folder / "root.tar", progress)
        with context.step("image disk", "node image: make the disk, the kernel and the initramfs") as progress:
            _make_disk(context, part, progress)
        _describe(part)


def _make_disk(context: Context, part: NodeImage, progress: Progress) -> None:
    host, login = new_key_pair(), new_key_pair()
    _write_keys(part.folder, host, login)
    overlay = node_overlay(host_key=host.private, host_key_public=host.public, authorized_key=login.public)
    (part.folder / "overlay.tar").write_bytes(overlay_tar(overlay))
    # fakeroot keeps the owners of files for an ordinary user as well: no mount, no namespace, no root.
    # mke2fs lies in /sbin, which is not on every user's PATH.
    script = (
        'set -e; PATH="$PATH:/usr/sbin:/sbin"; cd "$1"; mkdir root; tar -xf root.tar -C root; '
        "rm -f root/etc/ssh/ssh_host_* root/etc/resolv.conf; "
        "tar -xf overlay.tar -C root; chmod 700 root/root/.ssh; "
        f"mke2fs -q -t ext4 -L node -d root disk.raw {BASE_DISK}G"
    )
    run_told(context, ["fakeroot", "sh", "-c", script, "sh", str(part.folder)], progress, hint="run: lab doctor")
    root = part.folder / "root"
    shutil.copy(next((root / "boot").glob("vmlinuz-*")), part.kernel)
    build_initramfs(root, part.initramfs)
    _remove_tree(context, root, progress)
    for name in ("root.tar", "overlay.tar"):
        (part.folder / name).unlink()


def _remove_tree(context: Context, root: Path, progress: Progress) -> None:
    run_told(context, ["chmod", "-R", "u+rwX", str(root)], progress, hint="")
    shutil.rmtree(root)


def overlay_tar(overlay: Overlay) -> bytes:
    """The overlay as a tar file in which everything belongs to root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, (text, mode) in overlay.files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), mode
            tar.addfile(entry, io.BytesIO(text.encode()))
        for name, target in overlay.links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return buffer.getvalue()


def _write_keys(folder: Path, host: KeyPair, login: KeyPair) -> None:
    (folder / "known_hosts").write_text(f"golden {host.public}\n")
    key = folder / "login_key"
    key.touch(mode=0o600)
    key.write_text(login.private)


def _describe(part: NodeImage) -> None:
    made = dt.datetime.now().astimezone().isoformat(timespec="seconds")
    described = {"suite": part.suite, "packages": part.packages, "created": made}
    write_document(part.folder / "image.json", SCHEMA, described)
    paths.close_to_others(part.folder)


def _info(folder: Path) -> ImageInfo:
    description = _description(folder)
    size = sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())
    golden = sum(1 for _ in folder.glob("golden-*/golden.json"))
    detail = f"{golden} golden node{'' if golden == 1 else 's'} ready to resume"
    if description.get("packages"):
        detail += f"; besides: {', '.join(description['packages'])}"
    return ImageInfo(description.get("suite", "?"), folder, size, description.get("created", "?"), detail)


def _description(folder: Path) -> dict[str, Any]:
    """What an image says of itself; nothing where that cannot be read, so that it can still be listed and removed."""
    try:
        return read_document(folder / "image.json", SCHEMA, hint="", unnamed=1) or {}
    except UnusableDocument:
        return {}


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _NEEDED:
        raise EnvironmentProblem(
            f"{folder} has {free / 1024**3:.1f} GiB free; building a node image needs {_NEEDED / 1024**3:.0f} GiB",
            hint=f"free some space, or choose another folder with {paths.CACHE_VARIABLE}",
        )


@contextmanager
def building(context: Context) -> Iterator[None]:
    """Hold the cache for one builder at a time; waits for another run that builds, and says so."""
    lock = _lock()
    if not _try_lock(lock):
        with context.step("image lock", "wait for another run that builds the node image"):
            while not _try_lock(lock):
                context.wait(0.2)
    try:
        _remove_leftovers()
        yield
    finally:
        lock.release()


def clean_leftovers() -> None:
    """Take away what a builder that was killed left behind; does nothing while a builder is at work."""
    if images_root().is_dir():
        lock = _lock()
        if _try_lock(lock):
            try:
                _remove_leftovers()
            finally:
                lock.release()


def _lock() -> FileLock:
    return FileLock(paths.private_dir(images_root()) / "build.lock", mode=0o600)


def _try_lock(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True


def _remove_leftovers() -> None:
    root = f"{images_root()}/"
    # Only builders name a scratch folder (".…") first; running nodes name files of finished images.
    users = processes.find_users(root)
    processes.end([process for process in users if "/." in process.label.removeprefix(root[:-1])])
    for pattern in (".*", "*/.golden-*"):
        for scratch in images_root().glob(pattern):
            shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def folder_that_appears_whole(final: Path) -> Iterator[Path]:
    """A scratch folder that becomes ``final`` when the body succeeds and vanishes when it does not."""
    scratch = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    try:
        yield scratch
        scratch.rename(final)
    finally:
        if scratch.exists():
            shutil.rmtree(scratch, ignore_errors=True)


def build(context: Context, shape: VmShape, *, rebuild: bool) -> ImageInfo:
    """What ``lab image build`` does: the node image and a golden node of that shape, ready to resume."""
    from orchestrator.providers.vm.golden import ensure_golden

    old = image_for(shape.suite, shape.packages).folder
    needed = _below_snapshots()
    if rebuild and old in needed:
        raise RefusedError(
            f"the node image cannot be built anew, for on it stands: {', '.join(needed[old])}",
            hint="take it away first, or export it: lab snapshot --help",
        )
    with building(context):
        if rebuild and old.exists():
            _discard(old)
    golden = ensure_golden(context, shape)
    return _info(golden.image.folder)
