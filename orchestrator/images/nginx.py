"""The container image of the labs: Debian's nginx, unpacked, in the format of ``docker load``.

No engine is needed to make it: mmdebstrap unpacks the packages and this module writes the archive as the image
specification describes it (https://github.com/moby/docker-image-spec, "Combined Image JSON + Filesystem
Changeset Format"). All times are zero, so the same packages always give the same image id.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.images.debian import RootTar, build_tar
from orchestrator.model.image import LabImage
from orchestrator.runtime import paths
from orchestrator.runtime.context import Context

REFERENCE = "swarm-mesh-lab/nginx:1"
SUITE = "trixie"
PACKAGES = ("nginx-light", "libnginx-mod-stream", "busybox-static")

PAYLOAD_SIZE = 1 << 20
"""Bytes of the file that the image serves at ``/payload``: enough for many full packets, and for a sum to differ."""

_ANSWER = """\
#!/bin/sh
# Answers every request with who it is and whom it sees, told by the environment of the container:
# LAB_NODE (default: the host name), LAB_SERVICE, LAB_TASK, LAB_SLOT; LAB_PORT is the TCP port (default: 80),
# LAB_UDP a UDP port that answers the same (default: none). A configuration that was mounted is used instead.
[ -e /etc/nginx/nginx.conf ] && exec nginx -g 'daemon off;'
who='"node":"'${LAB_NODE:-$(hostname)}'","service":"'$LAB_SERVICE'","task":"'$LAB_TASK'","slot":"'$LAB_SLOT'"'
say='{'$who',"server":"$server_addr","client":"$remote_addr"}'
cat > /run/answer.conf <<END
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr warn;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events { worker_connections 256; }
http {
  access_log off;
  keepalive_timeout 0;
  server_tokens off;
  default_type application/json;
  server {
    listen ${LAB_PORT:-80} default_server;
    location / { return 200 '$say\\n'; }
    location = /payload { alias /var/www/payload; }
  }
}
END
if [ -n "$LAB_UDP" ]; then
  echo "stream { server { listen $LAB_UDP udp; return '$say\\n'; } }" >> /run/answer.conf
fi
exec nginx -c /run/answer.conf -g 'daemon off;'
"""

_DROPPED = (
    "./dev/",
    "./var/lib/dpkg/",
    "./var/cache/",
    "./etc/apt/",
    "./etc/nginx/nginx.conf/",
    "./usr/share/doc/",
    "./usr/share/man/",
    "./usr/share/locale/",
)
_FILES = {
    "usr/local/bin/answer": _ANSWER,
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nwww-data:x:33:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_LINKS = {
    "bin": "usr/bin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "sbin": "usr/sbin",
    **{f"usr/bin/{name}": "busybox" for name in ("cat", "hostname", "ip", "ls", "nslookup", "ping", "sh", "wget")},
    "var/log/nginx/access.log": "/dev/stdout",
    "var/log/nginx/error.log": "/dev/stderr",
}
_CONFIG = {
    "Cmd": ["answer"],
    "Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    "ExposedPorts": {"80/tcp": {}},
    "StopSignal": "SIGQUIT",
}
_FOLDERS = (
    *("etc", "dev", "proc", "sys", "run", "tmp", "root"),
    *("usr/bin", "usr/local/bin", "var/lib/nginx", "var/log/nginx", "var/www"),
)


def ensure_nginx(context: Context) -> LabImage:
    """The nginx image from the cache; built there first where it is missing (some seconds).

    The file's name holds a digest of what the image is made of, so a newer version of this tool makes its own.
    """
    folder = paths.cache_root() / "containers"
    archive = folder / f"nginx-{_fingerprint()}.tar"
    if not archive.exists():
        paths.private_dir(folder)
        with (
            context.step("image nginx", f"build the container image {REFERENCE}") as progress,
            # A folder of its own: two runs may build at once, and either result is as good as the other.
            tempfile.TemporaryDirectory(prefix=".nginx.", dir=folder) as scratch,
        ):
            root, part = Path(scratch, "root.tar"), Path(scratch, "image.tar")
            build_tar(context, RootTar(SUITE, PACKAGES, variant="extract"), root, progress)
            write_archive(root, part)
            part.chmod(0o600)
            part.replace(archive)
    return LabImage(REFERENCE, image_id(archive), archive)


def payload() -> bytes:
    """What the image serves at ``/payload``: bytes that do not repeat, the same in every build."""
    blocks = (hashlib.sha256(number.to_bytes(8, "big")).digest() for number in range(PAYLOAD_SIZE // 32))
    return b"".join(blocks)


def image_id(archive: Path) -> str:
    """The id of the image in a ``docker load`` archive: the digest of its configuration."""
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("manifest.json")
        config = json.load(manifest)[0]["Config"] if manifest else ""
    return "sha256:" + config.removesuffix(".json")


def _fingerprint() -> str:
    made_of = json.dumps([SUITE, PACKAGES, _DROPPED, _FILES, _LINKS, _FOLDERS, _CONFIG, PAYLOAD_SIZE], sort_keys=True)
    return hashlib.sha256(made_of.encode()).hexdigest()[:10]


def write_archive(root_tar: Path, archive: Path) -> None:
    """Write a ``docker load`` archive whose only layer holds the files of ``root_tar`` that nginx needs."""
    layer = _layer(root_tar)
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": _CONFIG,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "swarm-mesh-lab"}],
        },
        sort_keys=True,
    ).encode()
    name = hashlib.sha256(config).hexdigest()
    manifest = [{"Config": f"{name}.json", "RepoTags": [REFERENCE], "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        _add(tar, f"{name}.json", config)
        _add(tar, f"{digest}/layer.tar", layer)
        _add(tar, "manifest.json", json.dumps(manifest).encode())


def _layer(root_tar: Path) -> bytes:
    """The layer: the unpacked packages less what no process in the container reads, with a few files of ours."""
    buffer = io.BytesIO()
    with tarfile.open(root_tar) as source, tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as layer:
        for name in _FOLDERS:
            _add_entry(layer, name, tarfile.DIRTYPE)
        for name, target in _LINKS.items():
            _add_entry(layer, name, tarfile.SYMTYPE, target)
        for name, text in _FILES.items():
            _add(layer, name, text.encode(), mode=0o755 if name.startswith("usr/local/bin/") else 0o644)
        _add(layer, "var/www/payload", payload())
        for member, data in _kept(source):
            layer.addfile(member, data)
    return buffer.getvalue()


def _kept(source: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, io.BufferedIOBase | None]]:
    """The members that go into the layer, without times and in a stable order: hard links after what they name."""
    taken = {*_FILES, *_LINKS, *_FOLDERS, "."}
    for member in sorted(source.getmembers(), key=lambda member: (member.islnk(), member.name)):
        name = member.name.removeprefix("./")
        if name in taken or any(f"./{name}/".startswith(dropped) for dropped in _DROPPED):
            continue
        kept = copy.copy(member)
        kept.name, kept.mtime, kept.uname, kept.gname, kept.pax_headers = name, 0, "", "", {}
        yield kept, source.extractfile(member) if member.isreg() else None  # type: ignore[misc]


def _add_entry(tar: tarfile.TarFile, name: str, kind: bytes, target: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = kind, target, 0o755
    tar.addfile(entry)


def _add(tar: tarfile.TarFile, name: str, data: bytes, *, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))
