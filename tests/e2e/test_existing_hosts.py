"""The ``ssh`` provider against hosts that somebody else made (machines reached over their sshd): three managers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.apply.lease import take
from orchestrator.apply.site import Site
from orchestrator.config.inventory import load_inventory
from orchestrator.model.inventory import SshAddress
from orchestrator.model.lease import NAME as LEASE
from orchestrator.model.lease import RENEWED
from orchestrator.providers import make_provider
from orchestrator.providers.vm.provider import VmProvider
from orchestrator.runtime.context import Context
from orchestrator.runtime.holder import this_run
from orchestrator.usecases.connect import connected
from tests.e2e.conftest import make_lab
from tests.e2e.lab_command import Lab

NODE = """  - name: h{number}
    role: manager
    advertise_addr: {address}
    ssh: {{host: 127.0.0.1, port: {port}, user: root, key: {key}, known_hosts: {known_hosts}}}
"""


@pytest.fixture(scope="module")
def hosts(workshop: Path) -> Iterator[tuple[Lab, Path]]:
    """Three machines made without ``lab up``, an ssh inventory for them, and their known_hosts file."""
    lab = make_lab(workshop, "hosts")
    inventory = load_inventory(lab.inventory, {}).value
    machines = VmProvider(replace(inventory, labs=()), lab.state.parent / "machines")
    context = Context(lambda _event: None)
    machines.ensure(context)
    try:
        addresses = [machines.address(node) for node in inventory.nodes]
        known_hosts = lab.inventory.parent / "known_hosts"
        known_hosts.write_text("".join(known_line(address) for address in addresses))
        nodes = "".join(
            NODE.format(
                number=number,
                address=inventory.nodes[number - 1].advertise_addr,
                port=address.port,
                key=address.key,
                known_hosts=known_hosts,
            )
            for number, address in enumerate(addresses, start=1)
        )
        lab.inventory.write_text(f"name: hosts\nprovider: ssh\nnodes:\n{nodes}labs: [labs/ingress-mesh]\n")
        yield lab, known_hosts
    finally:
        machines.destroy(context)


def known_line(address: SshAddress) -> str:
    """The known_hosts line of a machine under the name by which an ssh client knows a forwarded port."""
    assert address.known_hosts is not None
    for line in address.known_hosts.read_text().splitlines():
        alias, _, key = line.partition(" ")
        if alias == address.host_key_alias:
            return f"[127.0.0.1]:{address.port} {key}\n"
    raise AssertionError(address)


def test_hosts_are_afterwards_as_found(hosts: tuple[Lab, Path]) -> None:
    lab, _ = hosts
    lab.shell("h2", "docker network create theirs && docker volume create theirs")
    lab.shell("h3", "docker rmi swarm-mesh-lab/nginx:1")
    try:
        lab.run("up").ok()
        assert lab.shell("h3", "docker image inspect --format x swarm-mesh-lab/nginx:1").strip() == "x"
        report = lab.json("verify")
        assert {cell["vantage"] for cell in report["ports"][0]["cells"]} == {"h1", "h2", "h3"}
        managers = lab.shell("h3", "docker node ls --format '{{.ManagerStatus}}'")
        assert sorted(managers.split()) == ["Leader", "Reachable", "Reachable"]
        assert lab.json("up")["steps"] == []
        one_operator_at_a_time(lab)
    finally:
        lab.run("down").ok()
    for host in ("h1", "h2", "h3"):
        assert lab.shell(host, "docker info --format '{{.Swarm.LocalNodeState}}'").strip() == "inactive"
        labelled = "docker {} ls -q --filter label=swarm-mesh-lab.cluster"
        assert lab.shell(host, f"{labelled.format('network')}; {labelled.format('container')}").strip() == ""
    assert "theirs" in lab.shell("h2", "docker network ls; docker volume ls")
    assert lab.files() == []
    lab.run("down").ok()


def one_operator_at_a_time(lab: Lab) -> None:
    """A lease in the real swarm is renewed, keeps others out as long as somebody has it, and leaves nothing."""
    context = Context(lambda _event: None)
    inventory = load_inventory(lab.inventory, {}).value
    with connected(context, make_provider(inventory, lab.state / inventory.name), inventory.nodes) as hosts:
        site = Site(context, hosts, {}, "h1")
        lease = take(site, inventory.name, None, this_run("an experiment"))
        lease.renew()
        lease.renew()
        assert lab.shell("h2", f"docker config inspect -f '{RENEWALS}' {LEASE}").strip() == "2"
        refused = lab.run("down")
        assert refused.code == 4
        assert "an experiment" in refused.err
        lease.release(site)
    assert LEASE not in lab.shell("h2", "docker config ls")


RENEWALS = f'{{{{index .Spec.Labels "{RENEWED}"}}}}'

STACK = """services:
  api:
    image: swarm-mesh-lab/nginx:1
    hostname: "{{.Node.Hostname}}"
    environment:
      LAB_SERVICE: "{{.Service.Name}}"
      LAB_TASK: "{{.Task.ID}}"
      LAB_SLOT: "{{.Task.Slot}}"
    ports: ["8098:80"]
    deploy: {replicas: 2}
"""
"""Somebody's stack, whose answers happen to name their tasks."""

THEIRS = (
    "docker swarm init --advertise-addr eth1 > /dev/null",
    "docker network create --driver overlay --subnet 10.0.77.0/24 backend > /dev/null",
    (
        "docker service create --quiet --name web --network backend --replicas 2 --publish 8099:80 --no-resolve-image "
        "--env PASSWORD=canary-of-theirs swarm-mesh-lab/nginx:1 > /dev/null"
    ),
    f"echo '{STACK}' | docker stack deploy --detach=false --resolve-image never --compose-file - front > /dev/null",
)
"""A swarm as people make it by hand, its services by the tag of an image and without any label of ours."""

PICTURE = (
    "docker node ls -q | xargs docker node inspect -f '{{.ID}} {{.Version.Index}}'",
    "docker service ls -q | xargs docker service inspect -f '{{.ID}} {{.Version.Index}}'",
    "docker service ps -q web front_api",
    "docker network ls --no-trunc; docker config ls; docker secret ls; docker volume ls; docker image ls -a",
    "docker ps -a --no-trunc --format '{{.ID}} {{.Names}}'",
    "iptables-save | grep -v -e '^#' -e '^:' | sort",
)
"""Everything about a node and its swarm that could have been changed; versions count every write."""


@pytest.fixture
def theirs(hosts: tuple[Lab, Path]) -> Iterator[Lab]:
    """The hosts in a swarm that somebody made by hand."""
    lab, _ = hosts
    first, *rest = THEIRS
    lab.shell("h1", first)
    join = f"docker swarm join --token {lab.shell('h1', 'docker swarm join-token -q worker').strip()}"
    try:
        for host in ("h2", "h3"):
            lab.shell(host, f"{join} {lab.shell('h1', NODE_ADDRESS).strip()}:2377 > /dev/null")
        for line in rest:
            lab.shell("h1", line)
        yield lab
    finally:
        for host in ("h3", "h2", "h1"):
            lab.shell(host, "docker swarm leave --force > /dev/null")


NODE_ADDRESS = "docker info --format '{{.Swarm.NodeAddr}}'"


def picture(lab: Lab) -> dict[str, str]:
    return {host: lab.shell(host, "; ".join(PICTURE if host == "h1" else PICTURE[3:])) for host in ("h1", "h2", "h3")}


def test_a_swarm_of_others_is_looked_at_refused_and_left_alone(theirs: Lab) -> None:
    before = picture(theirs)
    status = theirs.json("status", "--attach")
    assert {(one["name"], one["running"], one["wanted"]) for one in status["services"]} == {
        ("front_api", 2, 2),
        ("web", 2, 2),
    }
    report = theirs.verified("--attach").document
    ports = {port["service"]: {check["check"] for check in port["checks"]} for port in report["ports"]}
    assert ports == {"web": {"mesh"}, "front_api": {"mesh", "identity", "coverage", "share", "entry"}}
    assert {(lab["lab"], lab["kind"]) for lab in report["labs"]} >= {
        ("web", "names"),
        ("front", "names"),
        ("front", "tasks"),
    }
    refused = theirs.run("up")
    assert refused.code == 4
    assert "n1 (leader, ready), n2 (worker, ready), n3 (worker, ready)" in refused.err
    assert "lab verify --attach" in refused.err
    assert picture(theirs) == before
    assert theirs.files() == []


STORE = (
    "mkdir -p /etc/docker && "
    """echo '{"features": {"containerd-snapshotter": true}}' > /etc/docker/daemon.json && systemctl restart docker"""
)
"""What makes containerd's store the engine's; from Docker 29 on a new installation has it."""


@pytest.fixture
def other_store(hosts: tuple[Lab, Path]) -> Iterator[Lab]:
    """Hosts of which h1 keeps its images in containerd's store, in which there are none yet."""
    lab, _ = hosts
    lab.shell("h1", STORE)
    yield lab
    lab.run("down").ok()
    for host in ("h1", "h2", "h3"):
        lab.shell(host, "rm -f /etc/docker/daemon.json && systemctl restart docker")


def test_engines_that_keep_images_in_containerd_s_store(other_store: Lab) -> None:
    refused = other_store.run("up")
    assert refused.code == 4
    assert "images: they are in containerd's store on h1 and in Docker's own on h2, h3" in refused.err
    for host in ("h2", "h3"):
        other_store.shell(host, STORE)
    other_store.run("up").ok()
    assert other_store.json("verify")["verdict"] == "pass"
    assert other_store.json("up")["steps"] == []


PASSWORD = "canary of ada"
ADA = (
    "useradd --create-home --shell /bin/bash --groups sudo ada && "
    f"echo 'ada:{PASSWORD}' | chpasswd && "
    "install -D -m 600 -o ada -g ada ~/.ssh/authorized_keys ~ada/.ssh/authorized_keys"
)
"""A person of the group sudo, but not of the group docker, who logs in by the same key."""


@pytest.fixture
def ada(hosts: tuple[Lab, Path], tmp_path: Path) -> Iterator[Lab]:
    """``lab`` as that person runs it, whose password a program tells; what it was asked is in the file ``asked``."""
    lab, _ = hosts
    inventory = lab.inventory.with_name("ada.yaml")
    inventory.write_text(lab.inventory.read_text().replace("user: root", "user: ada"))
    tells = tmp_path / "askpass"
    tells.write_text(f"#!/bin/sh\necho \"$1\" >> {tmp_path}/asked\necho '{PASSWORD}'\n")
    tells.chmod(0o700)
    for host in ("h1", "h2", "h3"):
        lab.shell(host, ADA)
    person = replace(lab, inventory=inventory, variables={"SSH_ASKPASS": str(tells), "SSH_ASKPASS_REQUIRE": "force"})
    yield person
    person.run("down").ok()
    for host in ("h1", "h2", "h3"):
        lab.shell(host, "loginctl terminate-user ada; userdel --force --remove ada 2> /dev/null || true")


def test_a_user_whose_sudo_wants_a_password(ada: Lab, tmp_path: Path) -> None:
    up = ada.run("up").ok()
    assert re.fullmatch(r"Password of ada for sudo on h[123]: \n", (tmp_path / "asked").read_text())
    verify = ada.run("verify", "-o", "json").ok()
    assert verify.document["verdict"] == "pass"
    assert PASSWORD not in f"{up.out}{up.err}{verify.out}{verify.err}"
    written = [file for file in ada.state.rglob("*") if file.is_file()]
    assert written
    assert not any(PASSWORD.encode() in file.read_bytes() for file in written)


def test_a_changed_host_key_stops_everything(hosts: tuple[Lab, Path]) -> None:
    lab, known_hosts = hosts
    right = known_hosts.read_text()
    lines = right.splitlines()
    swapped = [f"{lines[0].split()[0]} {' '.join(lines[1].split()[1:])}", *lines[1:]]
    known_hosts.write_text("\n".join([*swapped, ""]))
    try:
        refused = lab.run("up")
    finally:
        known_hosts.write_text(right)
    assert refused.code == 4
    assert "h1" in refused.err
    assert "host key" in refused.err
    assert lab.shell("h2", "docker info --format '{{.Swarm.LocalNodeState}}'").strip() == "inactive"
