"""The container image of the labs: Debian's nginx, unpacked, in the format of ``docker load``.

No engine is needed to make it: mmdebstrap unpacks the packages and this module writes the archive as the image
specification describes it (https://github.com/moby/docker-image-spec, "Combined Image JSON + Filesystem
Changeset Format"). The archive is an OCI image layout as well (https://github.com/opencontainers/image-spec,
``image-layout.md``), as what `docker save` writes since Docker 25: an engine whose images are in containerd's store
reads that part, so that the digest of its manifest is known beforehand. All times are zero, so the same packages
always give the same ids.
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
from typing import Any

from orchestrator.images.debian import RootTar, build_tar
from orchestrator.model.image import LabImage
from orchestrator.runtime import paths
from orchestrator.runtime.context import Context

_TAG = "1"
REFERENCE = f"swarm-mesh-lab/nginx:{_TAG}"
SUITE = "trixie"
PACKAGES = ("nginx-light", "libnginx-mod-stream", "busybox-static")

FORMAT = 2
"""Counts what :func:`write_archive` has written so far: an archive of another kind in the cache is not used."""

_OCI = "application/vnd.oci.image"

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
    return lab_image(archive)


def payload() -> bytes:
    """What the image serves at ``/payload``: bytes that do not repeat, the same in every build."""
    blocks = (hashlib.sha256(number.to_bytes(8, "big")).digest() for number in range(PAYLOAD_SIZE // 32))
    return b"".join(blocks)


def lab_image(archive: Path) -> LabImage:
    """The image in an archive, with both of its ids: the digests of its configuration and of its manifest."""
    with tarfile.open(archive) as tar:
        config = _json(tar, "manifest.json")[0]["Config"]
        manifest = _json(tar, "index.json")["manifests"][0]["digest"]
    return LabImage(REFERENCE, f"sha256:{Path(config).name}", archive, manifest)


def _json(tar: tarfile.TarFile, name: str) -> Any:  # noqa: ANN401 (JSON has no narrower type)
    file = tar.extractfile(name)
    assert file is not None, name  # noqa: S101 (we wrote the archive)
    return json.load(file)


def _fingerprint() -> str:
    made_of = json.dumps(
        [FORMAT, SUITE, PACKAGES, _DROPPED, _FILES, _LINKS, _FOLDERS, _CONFIG, PAYLOAD_SIZE], sort_keys=True
    )
    return hashlib.sha256(made_of.encode()).hexdigest()[:10]


def write_archive(root_tar: Path, archive: Path) -> None:
    """Write a ``docker load`` archive whose only layer holds the files of ``root_tar`` that nginx needs."""
    layer = _layer(root_tar)
    config = _bytes(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": _CONFIG,
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "swarm-mesh-lab"}],
        }
    )
    manifest = _bytes(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": _descriptor(f"{_OCI}.config.v1+json", config),
            "layers": [_descriptor(f"{_OCI}.layer.v1.tar", layer)],
        }
    )
    names = {"io.containerd.image.name": f"docker.io/{REFERENCE}", "org.opencontainers.image.ref.name": _TAG}
    described = _descriptor(f"{_OCI}.manifest.v1+json", manifest) | {"annotations": names}
    index = {"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": [described]}
    loaded = [{"Config": _blob(config), "RepoTags": [REFERENCE], "Layers": [_blob(layer)]}]
    with tarfile.open(archive, "w") as tar:
        for blob in (config, layer, manifest):
            _add(tar, _blob(blob), blob)
        _add(tar, "oci-layout", _bytes({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _bytes(index))
        _add(tar, "manifest.json", _bytes(loaded))


def _bytes(document: object) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _blob(data: bytes) -> str:
    """Where an image layout has content: by its digest."""
    return f"blobs/{_digest(data).replace(':', '/')}"


def _descriptor(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "digest": _digest(data), "size": len(data)}


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
