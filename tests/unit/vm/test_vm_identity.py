"""What makes two clones two nodes."""

import io
import shlex
import subprocess
from dataclasses import replace

import paramiko
import pytest

from orchestrator.providers.vm.identity import Identity, identity_script
from orchestrator.providers.vm.keys import KeyPair, new_key_pair

ONE = Identity(
    hostname="n1",
    address="192.168.90.11/24",
    machine_id="1" * 32,
    engine_id="engine-1",
    host_key=KeyPair("PRIVATE 1\n", "ssh-ed25519 AAAA1"),
    authorized_key="ssh-ed25519 AAAAlogin",
    hosts={"n1": "192.168.90.11", "n2": "192.168.90.12"},
    internet=False,
)
TWO = replace(
    ONE,
    hostname="n2",
    address="192.168.90.12/24",
    machine_id="2" * 32,
    engine_id="engine-2",
    host_key=KeyPair("PRIVATE 2\n", "ssh-ed25519 AAAA2"),
)
EPOCH = 1_700_000_000.25


def written(identity: Identity) -> dict[str, str]:
    """What the script writes, by path, read back as a shell reads it."""
    files = {}
    words = shlex.split(identity_script(identity, EPOCH).replace(";", " ; "))
    for place, word in enumerate(words):
        if word == ">" and words[place - 2] == "%s":
            files[words[place + 1]] = words[place - 1]
    return files


def test_two_nodes_differ_in_all_that_names_them():
    one, two = written(ONE), written(TWO)
    same = {path for path in one if one[path] == two[path]}
    assert one.keys() == two.keys()
    assert same == {"/etc/hosts", "/etc/resolv.conf", "/root/.ssh/authorized_keys"}
    assert one.keys() - same == {
        "/etc/hostname",
        "/etc/machine-id",
        "/etc/ssh/ssh_host_ed25519_key",
        "/etc/ssh/ssh_host_ed25519_key.pub",
        "/etc/lab-network",
        "/var/lib/docker/engine-id",
    }


def test_every_node_knows_every_other_by_name():
    assert written(ONE)["/etc/hosts"] == "127.0.0.1 localhost\n192.168.90.11 n1\n192.168.90.12 n2\n"


def test_the_address_makes_a_locally_administered_unicast_mac():
    assert (ONE.mac, TWO.mac) == ("52:54:c0:a8:5a:0b", "52:54:c0:a8:5a:0c")
    first = int(ONE.mac[:2], 16)
    assert first & 0b11 == 0b10  # IEEE 802: bit 1 is "local", bit 0 is "group"


def test_mac_and_address_are_set_by_the_script_of_every_boot_which_runs_at_once():
    lines = written(ONE)["/etc/lab-network"].splitlines()
    mac = lines.index(f"ip link set dev eth1 address {ONE.mac}")
    assert lines[mac + 1 :] == [f"ip address replace {ONE.address} dev eth1", "ip link set dev eth1 up"]
    assert "\nsh -e /etc/lab-network\n" in identity_script(ONE, EPOCH)


@pytest.mark.parametrize("identity", [ONE, replace(ONE, internet=True)])
def test_the_network_script_ends_at_the_first_command_that_fails(identity):
    script = written(identity)["/etc/lab-network"]
    assert script.startswith("#!/bin/sh -e\n")
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def test_the_clock_is_set_first():
    assert identity_script(ONE, EPOCH).splitlines()[1] == "date -s @1700000000.250 > /dev/null"


def test_only_a_node_with_internet_gets_a_way_out():
    closed, opened = identity_script(ONE, EPOCH), identity_script(replace(ONE, internet=True), EPOCH)
    assert ("default via" in closed, "nameserver 127.0.0.1\n" in closed) == (False, True)
    assert ("default via 192.168.91.2" in opened, "nameserver 192.168.91.3" in opened) == (True, True)


@pytest.mark.parametrize("hostname", ["n1", "a'b", "$(touch pwned)", "x; touch pwned; #", "`touch pwned`", 'a"b\\'])
def test_a_shell_reads_the_script_and_takes_a_name_for_a_name(hostname, tmp_path):
    script = identity_script(replace(ONE, hostname=hostname), EPOCH)
    checked = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    (line,) = [line for line in script.splitlines() if line.startswith("hostname ")]
    said = subprocess.run(
        ["sh", "-c", f'hostname() {{ printf %s "$1"; }}\n{line}'], cwd=tmp_path, capture_output=True, check=True
    )
    assert said.stdout.decode() == hostname
    assert list(tmp_path.glob("pwned")) == []


def test_a_new_key_pair_is_one_that_ssh_reads():
    pair = new_key_pair()
    key = paramiko.Ed25519Key.from_private_key(io.StringIO(pair.private))
    assert f"{key.get_name()} {key.get_base64()}" == pair.public


def test_key_pairs_differ_and_hide_their_private_part():
    one, two = new_key_pair(), new_key_pair()
    assert one.private != two.private
    assert one.public in repr(one)
    assert "PRIVATE" not in repr(one)
    assert "PRIVATE" not in repr(ONE)
