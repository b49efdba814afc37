"""What a good inventory means, and problems that need a file system rather than a text."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.config.inventory import load_inventory
from orchestrator.errors import ConfigError, ExitCode
from orchestrator.model.inventory import (
    Availability,
    ProviderKind,
    Role,
    SshAddress,
    SwarmOptions,
    VmOptions,
    VmShape,
)

VM = """
name: demo
provider: vm
nodes:
  - name: n1
    role: manager
"""


@pytest.fixture
def load(tmp_path):
    def loader(text, env=None):
        path = tmp_path / "inventory.yaml"
        path.write_text(text)
        return load_inventory(path, env or {})

    return loader


def messages(error):
    return [(problem.line, problem.path, problem.message) for problem in error.value.problems]


def test_defaults_of_a_short_file(load, tmp_path):
    inventory = load(VM).value
    assert inventory.name == "demo"
    assert inventory.path == tmp_path / "inventory.yaml"
    assert inventory.provider is ProviderKind.VM
    assert inventory.swarm == SwarmOptions()
    assert inventory.vm == VmOptions()
    assert inventory.labs == ()
    (node,) = inventory.nodes
    assert (node.role, node.availability, node.vm, node.ssh) == (Role.MANAGER, Availability.ACTIVE, VmShape(), None)


def test_vm_nodes_get_addresses_of_the_lan_in_the_order_of_the_file(load):
    text = VM + "  - name: n2\n    role: worker\n  - name: n3\n    role: worker\nvm:\n  lan: 172.30.5.0/27\n"
    nodes = load(text).value.nodes
    assert [node.advertise_addr for node in nodes] == ["172.30.5.11", "172.30.5.12", "172.30.5.13"]
    assert [node.data_path_addr for node in nodes] == [node.advertise_addr for node in nodes]


@pytest.mark.parametrize(("count", "fits"), [(20, True), (21, False)])
def test_the_lan_holds_exactly_the_hosts_from_eleven_on(load, count, fits):
    """A /27 has host numbers 1 to 30."""
    text = VM + "".join(f"  - name: w{i}\n    role: worker\n" for i in range(count - 1)) + "vm:\n  lan: 172.30.5.0/27\n"
    if fits:
        assert load(text).value.nodes[-1].advertise_addr == "172.30.5.30"
    else:
        with pytest.raises(ConfigError):
            load(text)


def test_own_settings_win_over_defaults_key_by_key(load):
    text = """
name: demo
provider: vm
defaults:
  labels: {disk: ssd, zone: a}
  availability: pause
  vm: {cpus: 4, memory: 2GiB, suite: sid}
nodes:
  - name: n1
    role: manager
    labels: {zone: b}
    vm: {memory: 768, disk: 10GiB}
  - name: n2
    role: worker
    availability: active
"""
    one, two = load(text).value.nodes
    assert (one.labels, two.labels) == ({"disk": "ssd", "zone": "b"}, {"disk": "ssd", "zone": "a"})
    assert (one.availability, two.availability) == (Availability.PAUSE, Availability.ACTIVE)
    assert one.vm == VmShape(cpus=4, memory=768, disk=10, suite="sid")
    assert two.vm == VmShape(cpus=4, memory=2048, suite="sid")


def test_the_same_packages_in_another_order_are_the_same_image(load):
    text = """
name: demo
provider: vm
nodes:
  - name: n1
    role: manager
    vm: {packages: [python3-docker, python3, python3]}
  - name: n2
    role: worker
    vm: {packages: [python3, python3-docker]}
"""
    one, two = load(text).value.nodes
    assert one.vm == two.vm == VmShape(packages=("python3", "python3-docker"))


def test_what_is_no_name_of_a_package_never_gets_onto_a_command_line(load):
    text = """
name: demo
provider: vm
nodes:
  - name: n1
    role: manager
    vm: {packages: ["--hook-dir=x"]}
"""
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert "is no name of a Debian package" in str(caught.value.problems[0])


def test_ssh_nodes_have_absolute_paths_and_no_guessed_addresses(load, tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "id").write_text("")
    text = """
name: demo
provider: ssh
defaults:
  ssh: {user: lab, port: 2222}
nodes:
  - name: n1
    role: manager
    ssh: {host: a.example, key: ./keys/id}
    advertise_addr: eth1
  - name: n2
    role: worker
    ssh: {host: 192.0.2.7, user: root, port: 22}
"""
    one, two = load(text, {"HOME": str(tmp_path)}).value.nodes
    assert one.ssh == SshAddress("a.example", 2222, "lab", tmp_path / "keys" / "id", config="")
    assert two.ssh == SshAddress("192.0.2.7", 22, "root", config="")
    assert (one.advertise_addr, two.advertise_addr, one.vm) == ("eth1", None, None)


def test_the_way_to_a_host_is_merged_key_by_key(load, tmp_path):
    (tmp_path / "ssh.conf").write_text("")
    text = """
name: demo
provider: ssh
defaults:
  ssh: {jump: "me@first:2222, [2001:db8::1]", config: ssh.conf, docker_socket: /run/other.sock}
nodes:
  - {name: n1, role: manager, advertise_addr: eth1, ssh: {host: "2001:db8::5", known_hosts: known}}
  - {name: n2, role: worker, advertise_addr: eth1, ssh: {host: b.example, jump: none, config: none}}
"""
    one, two = load(text).value.nodes
    way = {"config": str(tmp_path / "ssh.conf"), "docker_socket": "/run/other.sock"}
    jump = ("me@first:2222", "[2001:db8::1]")
    assert one.ssh == SshAddress("2001:db8::5", known_hosts=tmp_path / "known", jump=jump, **way)
    assert two.ssh == SshAddress("b.example", jump=(), config="none", docker_socket="/run/other.sock")


def test_hosts_behind_different_jump_hosts_may_have_equal_addresses(load):
    text = "name: demo\nprovider: ssh\nnodes:\n" + "".join(
        f"  - {{name: n{number}, role: manager, advertise_addr: eth1, ssh: {{host: a, jump: gate{number}}}}}\n"
        for number in (1, 2, 3)
    )
    assert [node.ssh.jump for node in load(text).value.nodes if node.ssh] == [("gate1",), ("gate2",), ("gate3",)]


def test_labs_are_relative_to_the_inventory(load, tmp_path):
    (tmp_path / "labs" / "one").mkdir(parents=True)
    (tmp_path / "labs" / "one" / "compose.yaml").write_text("")
    assert load(VM + "labs: [labs/one]\n").value.labs == (tmp_path / "labs" / "one",)


def test_swarm_options(load):
    text = VM + "swarm:\n  default_addr_pool: [10.20.0.0/16]\n  subnet_size: 26\n  data_path_port: 4790\n"
    assert load(text).value.swarm == SwarmOptions(("10.20.0.0/16",), 26, 4790)


@pytest.mark.parametrize("managers", [1, 3, 5])
def test_odd_numbers_of_managers_give_no_warning(load, managers):
    text = "name: demo\nprovider: vm\nnodes:\n"
    loaded = load(text + "".join(f"  - name: m{i}\n    role: manager\n" for i in range(managers)))
    assert len(loaded.value.managers) == managers
    assert loaded.warnings == ()


def test_variables_are_numbers_where_numbers_are_wanted_and_text_elsewhere(load):
    text = """
name: ${NAME}
provider: vm
nodes:
  - name: n1
    role: ${ROLE:-manager}
    labels:
      version: ${VERSION}
      flag: ${FLAG}
    vm:
      cpus: ${CPUS:-3}
      memory: ${MEMORY:-1024}
vm:
  internet: ${FLAG}
"""
    inventory = load(text, {"NAME": "2024", "VERSION": "1.10", "FLAG": "true"}).value
    (node,) = inventory.nodes
    assert inventory.name == "2024"
    assert node.labels == {"version": "1.10", "flag": "true"}
    assert node.vm == VmShape(cpus=3, memory=1024)
    assert inventory.vm.internet is True


def test_a_quoted_variable_is_text(load):
    with pytest.raises(ConfigError) as error:
        load(VM + '    vm:\n      cpus: "${CPUS:-3}"\n')
    assert messages(error) == [
        (8, "nodes[0].vm.cpus", "expected a whole number, got '3'; leave the quotes out (from '${CPUS:-3}')")
    ]


def test_errors_of_configuration_have_exit_code_two(load):
    with pytest.raises(ConfigError) as error:
        load("")
    assert error.value.exit_code is ExitCode.USAGE


def test_a_missing_file_is_told_with_its_path(tmp_path):
    with pytest.raises(ConfigError) as error:
        load_inventory(tmp_path / "nope.yaml", {})
    assert error.value.details == (f"{tmp_path}/nope.yaml:1: there is no such file",)


def test_a_folder_is_not_an_inventory(tmp_path):
    with pytest.raises(ConfigError) as error:
        load_inventory(tmp_path, {})
    assert messages(error) == [(1, "", "this is a folder; expected a YAML file")]


def test_a_path_through_a_file_cannot_be_read(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as error:
        load_inventory(tmp_path / "file" / "inventory.yaml", {})
    assert messages(error) == [(1, "", "the file cannot be read: Not a directory")]


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="1 problem"):
        load_inventory(tmp_path / "pipe", {})


def test_a_file_that_is_not_utf8_is_told_with_the_line(tmp_path):
    path = tmp_path / "inventory.yaml"
    path.write_bytes(b"name: lab\n# caf\xe9\n")
    with pytest.raises(ConfigError) as error:
        load_inventory(path, {})
    assert messages(error) == [(2, "", "byte 0xe9 is not UTF-8; save the file as UTF-8")]


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path):
    path = tmp_path / "inventory.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + VM.replace("\n", "\r\n").encode())
    assert load_inventory(path, {}).value.name == "demo"


def test_a_very_large_file_is_refused(tmp_path):
    path = tmp_path / "inventory.yaml"
    path.write_bytes(b"#" * 1024 * 1024 + b"\n")
    with pytest.raises(ConfigError) as error:
        load_inventory(path, {})
    assert "more than 1048576 bytes" in error.value.details[0]


def test_an_unreadable_key_is_told(load, tmp_path, monkeypatch):
    """The answer of the operating system is set here, because root may read everything."""
    (tmp_path / "id").write_text("")
    (tmp_path / "known").write_text("")
    monkeypatch.setattr("orchestrator.config.paths.os.access", lambda path, mode: Path(path).name != "id")
    text = "name: demo\nprovider: ssh\nnodes:\n  - name: n1\n    role: manager\n    ssh:\n      host: a\n"
    with pytest.raises(ConfigError) as error:
        load(text + "      key: id\n      known_hosts: known\n")
    assert messages(error) == [
        (8, "nodes[0].ssh.key", f"{str(tmp_path / 'id')!r}: you may not read it; expected the private key")
    ]


def test_reading_configuration_needs_neither_ssh_nor_docker():
    code = (
        "import sys, orchestrator.config.inventory, orchestrator.config.compose, orchestrator.config.schema\n"
        "sys.exit(sorted({'paramiko', 'docker', 'requests'} & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
