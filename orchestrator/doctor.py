"""What this machine has and lacks for building a cluster of embedded nodes, and how to get what is missing.

:func:`look` sees, :func:`judge` judges what was seen (a pure function); :func:`examine` is both.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from orchestrator.model.doctor import Finding
from orchestrator.providers.vm.lan import VDE_SWITCH, qemu_networks, usable_vde
from orchestrator.runtime import paths
from orchestrator.runtime.context import Context

QEMU = "qemu-system-x86_64"

PROGRAMS = {
    QEMU: "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "fakeroot": "fakeroot",
    "cpio": "cpio",
    "zstd": "zstd",
    "ssh": "openssh-client",
}
"""Programs that making and reaching embedded nodes takes, and the Debian packages that bring them."""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

PYTHON = (3, 11)
GIB = 1024**3

MEMORY = 3_500_000_000
"""Bytes of memory that three nodes of 1 GiB and their QEMU processes take in all."""

CACHE_SPACE = 4 * GIB
"""Bytes that a node image takes while it is built; half of it afterwards."""

STATE_SPACE = 2 * GIB
"""Bytes that the disks of three nodes grow to in ordinary use."""

SUBORDINATE_IDS = 65536
"""User ids that mmdebstrap maps into its user namespace (mmdebstrap(1), mode unshare)."""

SOCKET_PATH = 107
"""Bytes of the longest path of a UNIX socket (``sun_path`` in unix(7), less the final zero byte)."""

SOCKET_NAMES = 40
"""Bytes that the names of cluster, node and socket below the state folder may take."""


@dataclass(frozen=True)
class Sighting:
    """What was seen. ``programs`` maps names to paths ("" where missing); sizes are in bytes.

    ``namespaces`` says why no user namespace could be made ("" where it could). ``accelerator`` is ``kvm`` or
    ``tcg``, "" where QEMU is missing; ``accelerator_reason`` says why. ``kvm_device`` is ``absent``, ``denied``
    or ``open``.
    """

    python: tuple[int, int, int]
    user: str
    uid: int
    programs: dict[str, str]
    cache: Path
    state: Path
    qemu_version: str = ""
    qemu_networks: tuple[str, ...] = ()
    vde_switch: str = ""
    keyring: bool = True
    newuidmap: str = ""
    subordinate_ids: int = 0
    namespaces: str = ""
    memory: int = 0
    free: dict[Path, int] = field(default_factory=dict)
    accelerator: str = ""
    accelerator_reason: str = ""
    kvm_device: str = "absent"


def examine(context: Context) -> list[Finding]:
    """Look at this machine and say what it lacks. Boots a tiny machine to try KVM where that is not known yet."""
    return judge(look(context))


def judge(seen: Sighting) -> list[Finding]:
    """What the sighting means: ``ok`` is ``False`` for what must be mended before ``lab up`` can work."""
    findings = [_python(seen), *(_program(seen, name) for name in PROGRAMS)]
    if seen.programs[QEMU]:
        findings.append(_lan(seen))
    findings.append(_keyring(seen))
    if seen.uid != 0:
        findings += [_id_mapping(seen), _namespaces(seen)]
    findings += [
        _memory(seen),
        _space(seen, "disk for images", seen.cache, CACHE_SPACE, paths.CACHE_VARIABLE),
        _space(seen, "disk for clusters", seen.state, STATE_SPACE, paths.STATE_VARIABLE),
        _socket_paths(seen),
        _kvm(seen),
    ]
    return findings


def subordinate_ids(text: str, user: str, uid: int) -> int:
    """The largest range that ``/etc/subuid`` or ``/etc/subgid`` (subuid(5)) gives a user; 0 for none."""
    entries = (line.strip().split(":") for line in text.splitlines())
    own = (entry for entry in entries if len(entry) == 3 and entry[0] in {user, str(uid)})
    counts = [int(entry[2]) for entry in own if entry[2].isdecimal()]
    return max(counts, default=0)


def _python(seen: Sighting) -> Finding:
    version = ".".join(map(str, seen.python))
    if seen.python[:2] >= PYTHON:
        return Finding("Python", ok=True, detail=version)
    wanted = ".".join(map(str, PYTHON))
    return Finding("Python", ok=False, detail=f"{version}; {wanted} or later is needed", fix=_apt(seen, "python3"))


def _program(seen: Sighting, name: str) -> Finding:
    if not seen.programs[name]:
        return Finding(name, ok=False, detail="not installed", fix=_apt(seen, PROGRAMS[name]))
    version = f", version {seen.qemu_version}" if name == QEMU and seen.qemu_version else ""
    return Finding(name, ok=True, detail=f"{seen.programs[name]}{version}")


def _lan(seen: Sighting) -> Finding:
    """Debian builds QEMU with VDE; Ubuntu does not (its vde2 is in universe, says QEMU's debian/control)."""
    name = "cluster LAN"
    if usable_vde(seen.qemu_networks, seen.vde_switch):
        return Finding(name, ok=True, detail=f"VDE, by {seen.vde_switch}")
    lack = "vde_switch is not installed" if "vde" in seen.qemu_networks else "QEMU was built without VDE"
    if "stream" in seen.qemu_networks:
        return Finding(name, ok=True, detail=f"lab's own switch, as {lack}")
    detail = f"{lack}, and lab's own switch needs QEMU 7.2 or later"
    return Finding(name, ok=False, detail=detail, fix=_apt(seen, "qemu-system-x86 vde2"))


def _keyring(seen: Sighting) -> Finding:
    name = "Debian's archive keys"
    if seen.keyring:
        return Finding(name, ok=True, detail=str(KEYRING))
    return Finding(name, ok=False, detail=f"{KEYRING} is missing", fix=_apt(seen, "debian-archive-keyring"))


def _id_mapping(seen: Sighting) -> Finding:
    name = "subordinate ids"
    if not seen.newuidmap:
        return Finding(name, ok=False, detail="newuidmap is not installed", fix=_apt(seen, "uidmap"))
    if seen.subordinate_ids < SUBORDINATE_IDS:
        ranges = "--add-subuids 100000-165535 --add-subgids 100000-165535"
        detail = f"/etc/subuid and /etc/subgid give {seen.user} {seen.subordinate_ids} of {SUBORDINATE_IDS}"
        return Finding(name, ok=False, detail=detail, fix=f"sudo usermod {ranges} {seen.user}")
    return Finding(name, ok=True, detail=f"{seen.subordinate_ids} for {seen.user}")


def _namespaces(seen: Sighting) -> Finding:
    name = "user namespaces"
    if not seen.namespaces:
        return Finding(name, ok=True, detail="an ordinary user can make them")
    fix = "sudo sysctl user.max_user_namespaces=10000; on Debian also kernel.unprivileged_userns_clone=1"
    return Finding(name, ok=False, detail=seen.namespaces, fix=fix)


def _memory(seen: Sighting) -> Finding:
    detail = f"{seen.memory / 1e9:.1f} GB available, three nodes take {MEMORY / 1e9:.1f} GB"
    if seen.memory >= MEMORY:
        return Finding("memory", ok=True, detail=detail)
    fix = "close programs, or ask for less: fewer nodes, vm.memory in the inventory"
    return Finding("memory", ok=False, detail=detail, fix=fix)


def _space(seen: Sighting, name: str, folder: Path, needed: int, variable: str) -> Finding:
    free = seen.free[folder]
    detail = f"{free / GIB:.1f} GiB free for {folder}, {needed / GIB:.0f} GiB needed"
    if free >= needed:
        return Finding(name, ok=True, detail=detail)
    return Finding(name, ok=False, detail=detail, fix=f"free some space, or choose another folder with {variable}")


def _socket_paths(seen: Sighting) -> Finding:
    room = SOCKET_PATH - len(os.fsencode(seen.state))
    detail = f"{seen.state} leaves {max(room, 0)} bytes, {SOCKET_NAMES} needed"
    if room >= SOCKET_NAMES:
        return Finding("length of socket paths", ok=True, detail=detail)
    fix = f"choose a folder with a shorter path: export {paths.STATE_VARIABLE}=$HOME/lab"
    return Finding("length of socket paths", ok=False, detail=detail, fix=fix)


def _kvm(seen: Sighting) -> Finding:
    """Without KVM everything works, several times slower: that is no failure."""
    if seen.accelerator == "kvm":
        return Finding("KVM", ok=True, detail=seen.accelerator_reason or "usable")
    if not seen.accelerator:
        return Finding("KVM", ok=None, detail="not tried: QEMU is missing")
    fix = ""
    if seen.kvm_device == "denied":
        fix = f"sudo usermod -aG kvm {seen.user}; then log in anew"
    detail = f"not usable, nodes run by emulation ({seen.accelerator}), which is slower: {seen.accelerator_reason}"
    return Finding("KVM", ok=None, detail=detail, fix=fix)


def _apt(seen: Sighting, package: str) -> str:
    return f"{'' if seen.uid == 0 else 'sudo '}apt-get install {package}"


def look(context: Context) -> Sighting:
    """See what this machine has. Changes nothing, apart from remembering whether KVM works."""
    programs = {name: _which(name) for name in PROGRAMS}
    qemu = programs[QEMU]
    user, uid = psutil.Process().username(), os.geteuid()
    cache, state = paths.cache_root(), paths.state_root()
    accelerator, reason = _accelerator(context) if qemu else ("", "")
    version = re.search(r"version (\S+)", _output_of(qemu, "--version")) if qemu else None
    return Sighting(
        python=sys.version_info[:3],
        user=user,
        uid=uid,
        programs=programs,
        cache=cache,
        state=state,
        qemu_version=version[1] if version else "",
        qemu_networks=qemu_networks(),
        vde_switch=_which(VDE_SWITCH),
        keyring=KEYRING.exists(),
        newuidmap=_which("newuidmap"),
        subordinate_ids=min(subordinate_ids(_text(Path(file)), user, uid) for file in ("/etc/subuid", "/etc/subgid")),
        namespaces=_namespace_error(),
        memory=psutil.virtual_memory().available,
        free={folder: _free(folder) for folder in (cache, state)},
        accelerator=accelerator,
        accelerator_reason=reason,
        kvm_device=_kvm_device(),
    )


def _which(name: str) -> str:
    """Where a program is; also in the system's folders, which an ordinary user's PATH may lack."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])) or ""


def _output_of(*command: str) -> str:
    """What a program prints; "" where it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _namespace_error() -> str:
    """Why this user cannot make a user namespace; "" where that works."""
    try:
        result = subprocess.run(["unshare", "-U", "true"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return result.stderr.strip() or f"exit code {result.returncode}" if result.returncode else ""


def _text(path: Path) -> str:
    """A small file's text; "" where it does not exist."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _free(folder: Path) -> int:
    """Bytes free for this user where ``folder`` is or would be made."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return shutil.disk_usage(existing).free


def _kvm_device() -> str:
    device = Path("/dev/kvm")
    if not device.exists():
        return "absent"
    return "open" if os.access(device, os.R_OK | os.W_OK) else "denied"


def _accelerator(context: Context) -> tuple[str, str]:
    """Name and reason of the accelerator that a trial boot found usable."""
    from orchestrator.providers.vm.accel import probe

    found = probe(context)
    return found.name, found.reason
