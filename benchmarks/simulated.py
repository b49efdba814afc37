"""Simulated hosts in a process of their own, and the inventory that leads to them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks.standins import NAME, Wish, address_of, loopback_of, name_of
from orchestrator.errors import EnvironmentProblem
from orchestrator.model.inventory import Inventory, NodeConfig, ProviderKind, Role, SshAddress
from orchestrator.providers.vm.keys import new_key_pair

PORTS = "ports.json"
KEY, KNOWN_HOSTS = "login_key", "known_hosts"


@contextmanager
def simulated(folder: Path, hosts: int, tasks: int) -> Iterator[Inventory]:
    """So many hosts with so many tasks, and all that is needed to log in to them in ``folder``."""
    host, login = new_key_pair(), new_key_pair()
    (folder / KEY).touch(mode=0o600)
    (folder / KEY).write_text(login.private)
    wish = Wish(hosts, tasks, host.private, login.public)
    command = [sys.executable, "-m", "benchmarks.standins", json.dumps(asdict(wish))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None  # noqa: S101 (a pipe)
        told = server.stdout.readline()
        if not told:
            raise EnvironmentProblem("the simulated hosts did not start", hint="what they said stands above")
        (folder / PORTS).write_text(told)
        ports = json.loads(told)
        lines = (f"[{loopback_of(number)}]:{ports[name_of(number)]} {host.public}\n" for number in range(hosts))
        (folder / KNOWN_HOSTS).write_text("".join(lines))
        yield inventory(folder)


def inventory(folder: Path) -> Inventory:
    """The hosts that are served, as ``folder`` tells."""
    ports: dict[str, int] = json.loads((folder / PORTS).read_text())
    nodes = tuple(
        NodeConfig(
            name,
            Role.WORKER if number else Role.MANAGER,
            advertise_addr=address_of(number),
            ssh=SshAddress(loopback_of(number), port, "root", folder / KEY, folder / KNOWN_HOSTS),
        )
        for number, (name, port) in enumerate(ports.items())
    )
    return Inventory(NAME, folder / "inventory.yaml", ProviderKind.SSH, nodes)
