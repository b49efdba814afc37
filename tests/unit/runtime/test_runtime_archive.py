"""A folder as one file, and nothing but plain files out of one."""

import io
import tarfile

import pytest
import zstandard

from orchestrator.errors import EnvironmentProblem, Interrupted, UsageError
from orchestrator.runtime.archive import DamagedArchive, first_member, pack, unpack


def ignore(_count: int) -> None:
    """Nobody wants to know."""


@pytest.fixture
def packed(tmp_path):
    """Two files, one of them with a hole, as an archive."""
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_text("small")
    with large.open("wb") as file:
        file.seek(8 << 20)
        file.write(b"end")
        file.truncate(9 << 20)
    pack(tmp_path / "file.lab", {"head": small, "deep/large": large}, ignore)
    return tmp_path / "file.lab"


def tar_of(path, *members: tarfile.TarInfo) -> None:
    """An archive as somebody else may have made it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    path.write_bytes(zstandard.compress(buffer.getvalue()))


def test_what_comes_out_is_what_went_in(packed, tmp_path):
    counted = []
    unpack(packed, tmp_path / "out", counted.append)
    assert (tmp_path / "out/head").read_text() == "small"
    assert (tmp_path / "out/deep/large").read_bytes() == (tmp_path / "large").read_bytes()
    assert sum(counted) == 5 + (9 << 20)
    assert first_member(packed) == ("head", b"small")


def test_holes_stay_holes(packed, tmp_path):
    unpack(packed, tmp_path / "out", ignore)
    assert (tmp_path / "out/deep/large").stat().st_blocks * 512 <= 2 << 20


def test_everything_is_private(packed, tmp_path):
    unpack(packed, tmp_path / "out", ignore)
    modes = {path.stat().st_mode & 0o777 for path in (packed, tmp_path / "out/head", tmp_path / "out/deep/large")}
    assert modes == {0o600}
    assert (tmp_path / "out/deep").stat().st_mode & 0o777 == 0o700


def test_a_file_that_exists_is_not_overwritten(packed, tmp_path):
    before = packed.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        pack(packed, {"head": tmp_path / "small"}, ignore)
    assert packed.read_bytes() == before


def test_an_export_that_is_interrupted_leaves_no_file(packed, tmp_path):
    def stop(_count):
        raise Interrupted("stop")

    with pytest.raises(Interrupted):
        pack(tmp_path / "two.lab", {"head": tmp_path / "small"}, stop)
    assert {path.name for path in tmp_path.iterdir()} == {"small", "large", "file.lab"}


def test_a_folder_that_is_not_there_is_told(packed, tmp_path):
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        pack(tmp_path / "gone/file.lab", {"head": tmp_path / "small"}, ignore)
    with pytest.raises(EnvironmentProblem, match="cannot unpack"):
        unpack(tmp_path / "gone.lab", tmp_path / "out", ignore)


@pytest.mark.parametrize("content", [b"", b"no archive at all", zstandard.compress(b"no tar" * 200)])
def test_another_file_is_no_archive(content, tmp_path):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(DamagedArchive, match="no exported snapshot"):
        first_member(tmp_path / "other")


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../out"),
        tarfile.TarInfo("/tmp/out"),
        tarfile.TarInfo("a/../../out"),
        link("link", tarfile.SYMTYPE),
        link("hard", tarfile.LNKTYPE),
        link("fifo", tarfile.FIFOTYPE),
    ],
    ids=lambda member: member.name,
)
def test_what_has_no_place_there_is_refused(member, tmp_path):
    tar_of(tmp_path / "bad.lab", member)
    with pytest.raises(DamagedArchive, match="has no place in an exported snapshot"):
        unpack(tmp_path / "bad.lab", tmp_path / "in/out", ignore)
    assert not (tmp_path / "in/out").exists()
    assert not (tmp_path / "out").exists()
