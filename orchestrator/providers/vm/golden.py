"""Golden nodes: booted and warmed once, saved, and from then on resumed by every clone.

The guest's memory is a file. When a golden node is saved, memory stays in that file and only device state is
written (QEMU's migration capability ``x-ignore-shared``). A clone maps the file privately, so it starts
within a fraction of a second, reads only the pages it touches, and shares the others with its siblings.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.errors import EnvironmentProblem
from orchestrator.images import ensure_lab_images
from orchestrator.images.nginx import REFERENCE as NGINX
from orchestrator.model.image import LabImage
from orchestrator.model.inventory import SshAddress, VmShape
from orchestrator.providers.vm import image as node_images
from orchestrator.providers.vm import running
from orchestrator.providers.vm.accel import Accel, probe, qemu_version
from orchestrator.providers.vm.files import READY
from orchestrator.providers.vm.image import NodeImage, folder_that_appears_whole
from orchestrator.providers.vm.machine import DISK, Boot, MachineSpec, Memory, fixed_arguments
from orchestrator.runtime.context import Context
from orchestrator.runtime.documents import UnusableDocument, read_document, write_document
from orchestrator.runtime.paths import close_to_others
from orchestrator.transport.base import Host
from orchestrator.transport.ssh import connect

SCHEMA = 1
"""Of ``golden.json``."""

_BOOT_SECONDS = 300.0
_WARM_SECONDS = 240.0

WARM_UP = f"""set -e
docker swarm init --advertise-addr 127.0.0.1 > /dev/null
docker network create --driver overlay --attachable warm > /dev/null
image=$(docker image inspect --format '{{{{.Id}}}}' {NGINX})
docker service create --quiet --detach --name warm --network warm --publish 8080:80 "$image" > /dev/null 2>&1
until curl --silent --max-time 2 --output /dev/null http://127.0.0.1:8080/; do
  sleep 0.3
done
docker service rm warm > /dev/null
while [ -n "$(docker ps --quiet)" ]; do sleep 0.2; done
tries=0
until docker network rm warm > /dev/null; do
  tries=$((tries + 1)); [ $tries -lt 30 ] || exit 1
  sleep 0.5
done
docker swarm leave --force > /dev/null
docker container prune --force > /dev/null
resize2fs /dev/vda > /dev/null 2>&1
sync
"""
"""What a golden node does before it is saved, so that a clone finds every program and table already in memory."""


@dataclass(frozen=True)
class Golden:
    """A saved golden node."""

    image: NodeImage
    shape: VmShape
    accel: Accel
    folder: Path

    @property
    def disk(self) -> Path:
        """The disk layer on which every clone's own layer stands."""
        return self.folder / DISK

    @property
    def memory(self) -> Path:
        """The guest's memory."""
        return self.folder / "memory"

    @property
    def state(self) -> Path:
        """The state of processors and devices."""
        return self.folder / "state"

    @property
    def boot(self) -> Boot:
        """Kernel and initramfs, for clones that boot instead of resuming."""
        return Boot(self.image.kernel, self.image.initramfs)

    @property
    def id(self) -> str:
        """What tells this golden node from one made later in the same place, which has another disk."""
        return golden_id(self.folder)

    def login(self, port: int) -> SshAddress:
        """How to log in to a machine that still has the golden node's identity."""
        return golden_login(self.image, port)


def ensure_golden(context: Context, shape: VmShape) -> Golden:
    """The golden node of that shape; image and golden node are made first where they are missing (minutes).

    Raises ``EnvironmentProblem`` where it cannot be made.
    """
    with node_images.building(context):
        return _ensure_golden(context, shape)


def _ensure_golden(context: Context, shape: VmShape) -> Golden:
    image = node_images.ensure(context, shape.suite, shape.packages)
    accel = probe(context)
    lab_image = ensure_lab_images(context, [NGINX])[NGINX]
    folder = image.folder / f"golden-{_fingerprint(shape, accel, lab_image)}"
    golden = Golden(image, shape, accel, folder)
    if not (folder / "golden.json").exists():
        with folder_that_appears_whole(folder) as scratch:
            _make(context, Golden(image, shape, accel, scratch), lab_image)
    return golden


def golden_id(folder: Path) -> str:
    """The id of the golden node in ``folder``; "" where there is none any more, or none that can be gone by."""
    try:
        return str((read_document(folder / "golden.json", SCHEMA, hint="", unnamed=1) or {}).get("id", ""))
    except UnusableDocument:
        return ""


def golden_login(image: NodeImage, port: int) -> SshAddress:
    """How to log in to a machine that has the image's own identity."""
    known_hosts = image.folder / "known_hosts"
    return SshAddress("127.0.0.1", port, "root", image.login_key, known_hosts, host_key_alias="golden")


def _fingerprint(shape: VmShape, accel: Accel, lab_image: LabImage) -> str:
    arguments = fixed_arguments(shape, accel.name)
    # The packages are told apart by the image, in whose folder the golden node lies.
    hardware = {key: value for key, value in asdict(shape).items() if key != "packages"}
    made_of = json.dumps([hardware, accel.name, qemu_version(), arguments, WARM_UP, lab_image.id], sort_keys=True)
    return hashlib.sha256(made_of.encode()).hexdigest()[:10]


def _make(context: Context, golden: Golden, lab_image: LabImage) -> None:
    folder = golden.folder
    make_layer(golden.image.disk, "raw", folder / DISK, golden.shape.disk)
    golden.memory.touch(mode=0o600)
    with golden.memory.open("r+b") as file:
        file.truncate(golden.shape.memory << 20)
    memory = Memory(golden.memory, shared=True)
    spec = MachineSpec(running.label_of(folder), golden.shape, golden.accel.name, golden.boot, memory=memory)
    with running.temporary(context, folder, spec) as machine:
        with context.step("golden boot", f"golden node: boot it ({golden.accel.name})"):
            machine.await_console(context, READY, _BOOT_SECONDS)
        with context.step("golden warm", "golden node: load the nginx image and run a first service") as progress:
            host = connect(golden.login(machine.ssh_port()), name="golden", timeout=30.0)
            with context.closing(host.close):
                try:
                    progress("load the image")
                    _run(host, ["docker", "load", "--quiet"], lab_image.archive.read_bytes())
                    progress("run a service")
                    _run(host, ["sh", "-s"], WARM_UP.encode())
                finally:
                    host.close()
        with context.step("golden save", "golden node: save its memory and devices"):
            machine.save(context, golden.state)
    made = {"id": uuid.uuid4().hex, "accel": golden.accel.name, "qemu": qemu_version()}
    write_document(folder / "golden.json", SCHEMA, made)
    close_to_others(folder)


def _run(host: Host, argv: list[str], stdin: bytes) -> None:
    result = host.run(argv, stdin=stdin, timeout=_WARM_SECONDS)
    if result.exit_code:
        raise EnvironmentProblem(
            f"the golden node fails at `{' '.join(argv)}` (exit code {result.exit_code})",
            details=(result.stdout + result.stderr).splitlines()[-12:],
            hint="try again with: lab image build --rebuild",
        )


def make_layer(backing: Path, backing_format: str, layer: Path, size: int | None = None) -> None:
    """A qcow2 layer over a disk; ``size`` in GiB, that of the disk below by default."""
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(backing), "-F", backing_format, str(layer)]
    if size is not None:
        command.append(f"{size}G")
    if shutil.which(command[0]) is None:
        raise EnvironmentProblem("qemu-img is not installed", hint="apt install qemu-utils; then: lab doctor")
    result = subprocess.run(command, capture_output=True, text=True, check=False, umask=0o077)
    if result.returncode:
        raise EnvironmentProblem(f"qemu-img cannot make {layer}: {result.stderr.strip()}")
