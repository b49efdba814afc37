"""The container image: what ``docker load`` needs to find in the archive, and the same bytes every time."""

import hashlib
import io
import json
import tarfile

import pytest

from orchestrator.images import ensure_lab_images, nginx
from orchestrator.images.nginx import REFERENCE, lab_image, write_archive
from orchestrator.runtime.context import Context

DROPPED = ["./dev/null", "./var/lib/dpkg/status", "./var/cache/apt/x", "./etc/apt/sources.list", "./usr/share/doc/a"]
DROPPED += ["./usr/share/man/man1/a.gz", "./usr/share/locale/de/a.mo"]


def unpacked_packages(path, *, mtime=1_700_000_000):
    """A tar file as mmdebstrap writes one: names begin with "./", the root itself is there too."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in [".", "./bin", "./usr", "./usr/sbin", "./usr/share", "./etc", "./var", "./var/lib"]:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, mtime
            tar.addfile(entry)
        for name in ["./usr/sbin/nginx", "./etc/passwd", "./usr/share/nginx", "./usr/z", *DROPPED]:
            entry = tarfile.TarInfo(name)
            entry.mode, entry.mtime, entry.size, entry.uname = 0o755, mtime, 4, "builder"
            tar.addfile(entry, io.BytesIO(b"data"))
        for name, kind, target in [
            ("./usr/a-link", tarfile.LNKTYPE, "./usr/z"),
            ("./usr/sbin/soft", tarfile.SYMTYPE, "nginx"),
        ]:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mtime = kind, target, mtime
            tar.addfile(entry)
    return path


@pytest.fixture
def archive(tmp_path):
    write_archive(unpacked_packages(tmp_path / "root.tar"), tmp_path / "image.tar")
    return tmp_path / "image.tar"


def content(archive):
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


@pytest.fixture
def layer(archive):
    files = content(archive)
    (path,) = json.loads(files["manifest.json"])[0]["Layers"]
    with tarfile.open(fileobj=io.BytesIO(files[path])) as tar:
        yield tar


def test_the_manifest_names_what_is_in_the_archive(archive):
    files = content(archive)
    (manifest,) = json.loads(files["manifest.json"])
    assert manifest["RepoTags"] == [REFERENCE]
    assert {manifest["Config"], *manifest["Layers"]} < files.keys()


def test_the_image_id_is_the_digest_of_its_configuration(archive):
    files = content(archive)
    (manifest,) = json.loads(files["manifest.json"])
    assert lab_image(archive).id == digest(files[manifest["Config"]])


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def described(files, descriptor):
    """The content that a descriptor of an image layout names (image-spec, ``descriptor.md``)."""
    data = files[f"blobs/{descriptor['digest'].replace(':', '/')}"]
    assert (digest(data), len(data)) == (descriptor["digest"], descriptor["size"])
    return data


def test_the_archive_is_an_image_layout_of_the_same_content(archive):
    files = content(archive)
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (found,) = json.loads(files["index.json"])["manifests"]
    assert found["annotations"] == {
        "io.containerd.image.name": f"docker.io/{REFERENCE}",
        "org.opencontainers.image.ref.name": REFERENCE.partition(":")[2],
    }
    assert lab_image(archive).manifest == found["digest"] != lab_image(archive).id
    manifest = json.loads(described(files, found))
    (loaded,) = json.loads(files["manifest.json"])
    assert described(files, manifest["config"]) == files[loaded["Config"]]
    assert [described(files, layer) for layer in manifest["layers"]] == [files[name] for name in loaded["Layers"]]


def test_the_configuration_names_the_layer_by_its_digest(archive):
    files = content(archive)
    (manifest,) = json.loads(files["manifest.json"])
    digests = [f"sha256:{hashlib.sha256(files[layer]).hexdigest()}" for layer in manifest["Layers"]]
    config = json.loads(files[manifest["Config"]])
    assert config["rootfs"] == {"type": "layers", "diff_ids": digests}
    assert len(config["history"]) == len(digests)
    assert config["config"]["Cmd"] == ["answer"]


def test_the_same_packages_always_give_the_same_bytes(tmp_path, archive):
    again = tmp_path / "again.tar"
    write_archive(unpacked_packages(tmp_path / "later.tar", mtime=1_800_000_000), again)
    assert again.read_bytes() == archive.read_bytes()


def test_what_no_process_reads_is_left_out(layer):
    names = layer.getnames()
    assert not {name.removeprefix("./") for name in DROPPED} & set(names)
    assert {"usr/sbin/nginx", "usr/share/nginx", "dev", "tmp"} <= set(names)
    assert len(names) == len(set(names)), "an entry twice"


def test_our_files_stand_in_for_those_of_the_packages(layer):
    assert layer.extractfile("etc/passwd").read().startswith(b"root:x:0:0:")
    assert layer.getmember("bin").linkname == "usr/bin"
    assert layer.getmember("usr/bin/sh").linkname == "busybox"


def test_nothing_tells_when_or_by_whom_it_was_made(layer):
    assert {(member.mtime, member.uname, member.uid) for member in layer} == {(0, "", 0)}
    assert layer.getmember("usr/sbin/nginx").mode == 0o755


def test_a_hard_link_comes_after_what_it_names(layer):
    names = layer.getnames()
    assert names.index("usr/z") < names.index("usr/a-link")
    assert layer.extractfile("usr/a-link").read() == b"data"


def test_the_program_can_be_started_and_the_payload_is_whole(layer):
    assert layer.getmember("usr/local/bin/answer").mode == 0o755
    assert layer.extractfile("var/www/payload").read() == nginx.payload()
    assert len(nginx.payload()) == nginx.PAYLOAD_SIZE


def test_another_content_gets_another_file(monkeypatch):
    before = nginx._fingerprint()
    monkeypatch.setattr(nginx, "_FILES", {**nginx._FILES, "etc/more": "x"})
    assert nginx._fingerprint() != before


@pytest.fixture
def builds(tmp_path, monkeypatch):
    """Builds of the packages, none of which takes a mirror."""
    monkeypatch.setenv("LAB_CACHE_DIR", str(tmp_path / "cache"))
    made = []

    def build(_context, tar, output, _progress):
        made.append(tar)
        unpacked_packages(output)

    monkeypatch.setattr(nginx, "build_tar", build)
    return made


def test_the_image_is_built_once_and_nothing_else_is_kept(builds, tmp_path):
    context = Context(lambda _event: None)
    one, two = (ensure_lab_images(context, [REFERENCE, "other:1"]) for _ in range(2))
    assert one == two
    assert list(one) == [REFERENCE]
    assert one[REFERENCE].id == lab_image(one[REFERENCE].archive).id
    assert len(builds) == 1
    assert [path.name for path in (tmp_path / "cache/containers").iterdir()] == [one[REFERENCE].archive.name]


def test_a_build_that_fails_leaves_nothing(builds, tmp_path, monkeypatch):
    def fail(_root, part):
        part.touch()
        raise ZeroDivisionError

    monkeypatch.setattr(nginx, "write_archive", fail)
    with pytest.raises(ZeroDivisionError):
        ensure_lab_images(Context(lambda _event: None), [REFERENCE])
    assert list((tmp_path / "cache/containers").iterdir()) == []


def test_an_image_that_is_not_ours_is_not_made(builds):
    assert ensure_lab_images(Context(lambda _event: None), ["nginx:1.27"]) == {}
    assert builds == []
