"""The cache of node images: what appears whole, who holds it, and what is taken away."""

import io
import json
import stat
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from vm_standins import Impatient

from orchestrator.errors import EnvironmentProblem, Interrupted, RefusedError
from orchestrator.model.inventory import Inventory, ProviderKind, VmShape
from orchestrator.model.snapshot import Health, SavedMachines, SavedNode
from orchestrator.providers.vm import golden as golden_module
from orchestrator.providers.vm import image as images
from orchestrator.providers.vm import processes
from orchestrator.providers.vm.files import node_overlay, packages_of
from orchestrator.providers.vm.machine import Boot, MachineSpec, Memory, command_line
from orchestrator.runtime import paths
from orchestrator.runtime.context import Context
from orchestrator.runtime.snapshots import Snapshot, appearing, remove_snapshot, write_manifest
from orchestrator.runtime.state import ClusterState


@pytest.fixture
def root():
    return paths.private_dir(images.images_root())


@pytest.fixture
def image(root):
    """A finished node image with a golden node."""
    folder = images.image_for("trixie").folder
    (folder / "golden-1").mkdir(parents=True)
    for name in ("disk.raw", "vmlinuz", "initrd.img", "golden-1/memory", "golden-1/golden.json"):
        (folder / name).write_text("{}")
    (folder / "image.json").write_text(json.dumps({"suite": "trixie", "created": "2024-01-01T00:00:00+00:00"}))
    return folder


@pytest.fixture
def builder(root):
    """Another process that holds the cache until its input ends."""
    script = "import filelock, sys; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print(flush=True); input()"
    command = [sys.executable, "-c", script, str(root / "build.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.readline()
        yield process
        process.kill()


def clone_of(image, label):
    """The arguments of a node that runs on that image."""
    return command_line(
        MachineSpec(
            label=label,
            shape=VmShape(),
            accel="tcg",
            boot=Boot(image / "vmlinuz", image / "initrd.img"),
            lan="/state/lab/vm/switch",
            memory=Memory(image / "golden-1/memory", shared=False),
        )
    )


def test_the_overlay_belongs_to_root_and_keeps_its_secrets():
    overlay = node_overlay(host_key="host", host_key_public="public", authorized_key="login")
    with tarfile.open(fileobj=io.BytesIO(images.overlay_tar(overlay))) as tar:
        members = {member.name: member for member in tar}
        assert tar.extractfile("root/.ssh/authorized_keys").read() == b"login\n"
    assert {(member.uid, member.gid) for member in members.values()} == {(0, 0)}
    modes = {name: members[name].mode for name in ("etc/ssh/ssh_host_ed25519_key", "etc/hosts", "etc/machine-id")}
    assert modes == {"etc/ssh/ssh_host_ed25519_key": 0o600, "etc/hosts": 0o644, "etc/machine-id": 0o444}
    assert members["etc/systemd/system/fstrim.timer"].linkname == "/dev/null"
    assert members.keys() == overlay.files.keys() | overlay.links.keys()


def test_a_folder_appears_whole(tmp_path):
    final = tmp_path / "image"
    with images.folder_that_appears_whole(final) as scratch:
        (scratch / "part").touch()
        assert not final.exists()
        assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
    assert [path.name for path in tmp_path.rglob("*")] == ["image", "part"]


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    def fail():
        with images.folder_that_appears_whole(tmp_path / "image") as scratch:
            (scratch / "part").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_builder_go(context, root, image, spawn):
    scratch, golden = root / ".trixie-1.abc", image / ".golden-2.def"
    for folder in (scratch, golden):
        (folder / "root").mkdir(parents=True)
    packages = spawn("--format=tar", "trixie", f"{scratch}/root.tar")
    machine = spawn("-name", f"{golden}/", "-kernel", f"{image}/vmlinuz")
    with images.building(context):
        assert [path.name for path in root.iterdir() if path.is_dir()] == [image.name]
        assert [path.name for path in image.glob(".*")] == []
        assert [processes.alive(process.pid) for process in (packages, machine)] == [False, False]


def test_a_running_node_is_no_leftover(context, root, image, spawn):
    """The dangerous mistake: a node names files of finished images, and only those."""
    node = spawn(*clone_of(image, "/state/lab/vm/nodes/n1/")[1:])
    assert node.pid in {process.pid for process in processes.find_users(f"{root}/")}, "else this proves nothing"
    images.clean_leftovers()
    with images.building(context):
        pass
    assert processes.alive(node.pid)


def test_a_hidden_folder_above_the_cache_makes_nobody_a_leftover(context, tmp_path, monkeypatch, spawn):
    monkeypatch.setenv("LAB_CACHE_DIR", str(tmp_path / ".cache" / "lab"))
    image = paths.private_dir(images.images_root()) / "trixie-1"
    image.mkdir()
    node = spawn(*clone_of(image, "/state/lab/vm/nodes/n1/")[1:])
    with images.building(context):
        assert processes.alive(node.pid)


def test_nothing_is_cleaned_while_a_builder_is_at_work(root, builder):
    (root / ".trixie-1.abc").mkdir()
    images.clean_leftovers()
    assert (root / ".trixie-1.abc").exists()


def test_a_second_builder_waits_and_can_be_cancelled(root, builder):
    events = []

    with pytest.raises(Interrupted), images.building(Impatient(events.append)):
        pytest.fail("two builders at once")
    assert "wait for another run" in events[0].summary


def test_the_cache_is_free_after_its_holder(context, root, builder):
    builder.kill()
    builder.wait()
    for _ in range(2):
        with images.building(context):
            pass


def test_cleaning_makes_no_cache():
    images.clean_leftovers()
    assert not images.images_root().exists()


def test_images_are_listed_with_what_is_in_them(root, image):
    (root / ".trixie-1.abc").mkdir()
    (found,) = images.list_images()
    assert (found.suite, found.path, found.detail) == ("trixie", image, "1 golden node ready to resume")


def test_removing_takes_every_image_and_waits_for_builders(context, root, image):
    assert images.remove_images(context) == [str(image)]
    assert [path.name for path in root.iterdir()] in ([], ["build.lock"])
    assert images.remove_images(context) == []


def test_images_are_not_removed_under_a_builder(root, image, builder):
    with pytest.raises(Interrupted):
        images.remove_images(Impatient(lambda _event: None))
    assert (image / "disk.raw").exists()


def test_a_removal_that_was_killed_leaves_no_half_image(context, root, image, monkeypatch):
    def killed(_folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(images.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            images.remove_images(context)
    assert not image.exists()
    assert images.list_images() == []


def test_a_rebuild_removes_the_old_image_first(context, image, monkeypatch):
    class Made(Exception):
        pass

    def make(_context, _shape):
        raise Made(image.exists())

    monkeypatch.setattr(golden_module, "ensure_golden", make)
    with pytest.raises(Made, match="True"):
        images.build(context, VmShape(suite="trixie"), rebuild=False)
    with pytest.raises(Made, match="False"):
        images.build(context, VmShape(suite="trixie"), rebuild=True)


def test_other_packages_are_another_image(root, image):
    assert images.image_for("trixie", ()).folder == image
    assert images.image_for("trixie", ("python3",)).folder not in {image, images.image_for("sid", ("python3",)).folder}


def test_an_image_tells_what_it_has_besides(context, root, image):
    images._describe(images.NodeImage("trixie", image, ("nmap", "python3")))
    (info,) = images.list_images()
    assert info.detail == "1 golden node ready to resume; besides: nmap, python3"


def test_further_packages_are_installed(context, root, monkeypatch):
    asked = []

    def build(_context, tar, *_rest):
        asked.append(tar.packages)
        raise Interrupted("enough seen")

    monkeypatch.setattr(images, "build_tar", build)
    with pytest.raises(Interrupted):
        images.ensure(context, "trixie", ("python3",))
    assert asked == [(*packages_of("trixie"), "python3")]


@pytest.mark.parametrize(("suite", "own"), [("bookworm", False), ("trixie", True), ("forky", True), ("sid", True)])
def test_the_docker_command_is_a_package_of_its_own_where_there_is_one(suite, own):
    assert "docker.io" in packages_of(suite)
    assert ("docker-cli" in packages_of(suite)) is own


def test_a_full_disk_is_told_before_anything_is_built(context, root, monkeypatch):
    monkeypatch.setattr(images, "_NEEDED", 1 << 62)
    with pytest.raises(EnvironmentProblem, match="GiB free; building a node image needs"):
        images.ensure(context, "trixie")
    assert [path.name for path in root.iterdir()] == []


def test_the_login_key_of_an_image_is_private(tmp_path):
    pair = images.new_key_pair()
    images._write_keys(tmp_path, pair, pair)
    assert stat.S_IMODE((tmp_path / "login_key").stat().st_mode) == 0o600
    assert (tmp_path / "known_hosts").read_text() == f"golden {pair.public}\n"


def test_a_golden_node_made_anew_is_another(tmp_path):
    assert golden_module.golden_id(tmp_path) == ""
    (tmp_path / "golden.json").write_text('{"id": "abc"}')
    assert golden_module.golden_id(tmp_path) == "abc"


class TestBelowSnapshots:
    """Images on which snapshots stand."""

    @pytest.fixture
    def saved(self, image):
        """The name of a snapshot whose disks stand on the image."""
        nodes = (SavedNode("n1", "print", "gold", image / "golden-1"),)
        when = datetime(2026, 11, 25, tzinfo=UTC)
        state = ClusterState(Inventory("lab", Path("/x"), ProviderKind.VM, ()), when)
        with appearing("one", "lab") as folder:
            made = Snapshot("one", when, state, SavedMachines("QEMU", "tcg", nodes), {}, Health(), ())
            write_manifest(folder, made)

    def test_it_is_kept_and_the_person_is_told(self, image, saved):
        events = []
        assert images.remove_images(Context(events.append)) == []
        assert image.exists()
        assert any("on which stands: snapshot one" in getattr(event, "message", "") for event in events)
        remove_snapshot("one")
        assert images.remove_images(Context(events.append)) == [str(image)]

    def test_it_is_not_replaced_by_a_new_one(self, context, image, saved):
        with pytest.raises(RefusedError, match="on it stands: snapshot one"):
            images.build(context, VmShape(suite="trixie"), rebuild=True)
        assert image.exists()
