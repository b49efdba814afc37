"""The small initramfs: which modules, in which order, and what the archive holds."""

import gzip
import lzma
import shutil
import subprocess

import pytest

from orchestrator.errors import EnvironmentProblem
from orchestrator.providers.vm.initramfs import DRIVERS, build_initramfs, load_order, module_name

needs_cpio = pytest.mark.skipif(shutil.which("cpio") is None, reason="needs cpio (apt install cpio)")

VIRTIO = "kernel/drivers/virtio/virtio"
DEBIAN = f"""{VIRTIO}_pci.ko.xz: {VIRTIO}_pci_modern_dev.ko.xz {VIRTIO}.ko.xz {VIRTIO}_ring.ko.xz
{VIRTIO}_pci_modern_dev.ko.xz:
{VIRTIO}.ko.xz: {VIRTIO}_ring.ko.xz
{VIRTIO}_ring.ko.xz:
kernel/drivers/block/virtio_blk.ko.xz: {VIRTIO}.ko.xz {VIRTIO}_ring.ko.xz
kernel/fs/ext4/ext4.ko.xz: kernel/lib/crc16.ko.xz kernel/fs/mbcache.ko.xz kernel/fs/jbd2/jbd2.ko.xz
kernel/lib/crc16.ko.xz:
kernel/fs/mbcache.ko.xz:
kernel/fs/jbd2/jbd2.ko.xz:
kernel/net/ipv4/ip-gre.ko.xz:
"""


def names(order):
    return [module_name(path) for path in order]


def test_every_module_comes_once_and_after_what_it_needs():
    order = names(load_order(DEBIAN, DRIVERS))
    assert len(order) == len(set(order))
    assert order.index("virtio_ring") < order.index("virtio") < order.index("virtio_pci") < order.index("virtio_blk")
    assert {"jbd2", "mbcache", "crc16"} <= set(order[: order.index("ext4")])


def test_only_what_is_needed_is_loaded():
    assert names(load_order(DEBIAN, ["virtio_blk"])) == ["virtio_ring", "virtio", "virtio_blk"]


def test_a_driver_that_is_built_in_is_not_loaded():
    assert names(load_order("kernel/drivers/block/virtio_blk.ko.xz:\n", DRIVERS)) == ["virtio_blk"]
    assert load_order("", DRIVERS) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [("kernel/fs/ext4/ext4.ko.xz", "ext4"), ("kernel/net/ip-gre.ko", "ip_gre"), ("a/virtio_blk.ko.zst", "virtio_blk")],
)
def test_a_module_is_named_as_the_kernel_names_it(path, name):
    assert module_name(path) == name


@pytest.fixture
def root(tmp_path):
    """An unpacked node file system with a kernel whose only modules are the disk's and two that it needs."""
    tree = tmp_path / "root"
    modules = tree / "usr/lib/modules/6.12-cloud-amd64"
    text = "kernel/virtio_blk.ko.xz: kernel/virtio-ring.ko\nkernel/virtio-ring.ko:\nkernel/unused.ko.xz:\n"
    (modules / "kernel").mkdir(parents=True)
    (modules / "modules.dep").write_text(text)
    (modules / "kernel/virtio_blk.ko.xz").write_bytes(lzma.compress(b"blk"))
    (modules / "kernel/virtio-ring.ko").write_bytes(b"ring")
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/busybox").write_text("busybox")
    (tree / "usr/bin/busybox").chmod(0o755)
    return tree


def unpacked(archive, folder):
    folder.mkdir()
    subprocess.run(
        ["cpio", "--extract", "--quiet", "--make-directories"],
        input=gzip.decompress(archive.read_bytes()),
        cwd=folder,
        check=True,
    )
    return folder


@needs_cpio
def test_the_archive_holds_what_it_takes_and_no_more(root, tmp_path):
    build_initramfs(root, tmp_path / "initrd.img")
    data = gzip.decompress((tmp_path / "initrd.img").read_bytes())
    listed = subprocess.run(["cpio", "-t", "--quiet"], input=data, capture_output=True, check=True).stdout.decode()
    modules = ["modules", "modules/order", "modules/virtio_blk.ko", "modules/virtio_ring.ko"]
    assert listed.splitlines() == ["bin", "bin/busybox", "init", *modules]
    tree = unpacked(tmp_path / "initrd.img", tmp_path / "out")
    assert (tree / "modules/order").read_text() == "virtio_ring.ko\nvirtio_blk.ko\n"
    assert (tree / "modules/virtio_blk.ko").read_bytes() == b"blk"
    assert (tree / "init").stat().st_mode & 0o111 == 0o111
    assert (tree / "bin/busybox").stat().st_mode & 0o111 == 0o111
    assert data[:6] == b"070701"  # "newc", the only cpio format that Linux reads


@needs_cpio
def test_the_script_is_one_that_a_shell_reads(root, tmp_path):
    build_initramfs(root, tmp_path / "initrd.img")
    init = unpacked(tmp_path / "initrd.img", tmp_path / "out") / "init"
    subprocess.run(["sh", "-n", str(init)], check=True)


@needs_cpio
@pytest.mark.skipif(shutil.which("zstd") is None, reason="needs zstd")
def test_modules_packed_with_zstd_are_unpacked(root, tmp_path):
    kernel = root / "usr/lib/modules/6.12-cloud-amd64/kernel"
    packed = subprocess.run(["zstd", "-c"], input=b"ring", capture_output=True, check=True).stdout
    (kernel / "virtio-ring.ko.zst").write_bytes(packed)
    dependencies = kernel.parent / "modules.dep"
    dependencies.write_text(dependencies.read_text().replace("virtio-ring.ko", "virtio-ring.ko.zst"))
    build_initramfs(root, tmp_path / "initrd.img")
    assert (unpacked(tmp_path / "initrd.img", tmp_path / "out") / "modules/virtio_ring.ko").read_bytes() == b"ring"


def test_a_module_packed_in_an_unknown_way_is_told(root, tmp_path):
    kernel = root / "usr/lib/modules/6.12-cloud-amd64/kernel"
    (kernel / "virtio_blk.ko.lz4").touch()
    (kernel.parent / "modules.dep").write_text("kernel/virtio_blk.ko.lz4:\n")
    with pytest.raises(EnvironmentProblem, match=r"virtio_blk\.ko\.lz4 is packed in a way"):
        build_initramfs(root, tmp_path / "initrd.img")
