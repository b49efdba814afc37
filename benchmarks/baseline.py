"""Prepares what the scripts by hand need: where the nodes are, and the same machines as shell functions.

Not part of their time.
"""

from __future__ import annotations

import shlex
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.workspace import Bench
from orchestrator.images.nginx import ensure_nginx
from orchestrator.model.inventory import NodeConfig, SshAddress
from orchestrator.providers.vm.files import MANAGEMENT_ADDRESS
from orchestrator.providers.vm.golden import Golden
from orchestrator.providers.vm.identity import Identity, identity_script
from orchestrator.providers.vm.keys import new_key_pair
from orchestrator.providers.vm.lan import lan_at
from orchestrator.providers.vm.machine import MachineSpec, Memory, command_line
from orchestrator.runtime.paths import write_atomic

SCRIPT = Path(__file__).with_name("baseline.sh")


def prepare(bench: Bench, golden: Golden, folder: Path) -> None:
    """Write ``plan.sh`` and one identity script per node into ``folder``."""
    known_hosts = golden.image.folder / "known_hosts"
    ports = {node.name: _free_port() for node in bench.inventory.nodes}
    logins = {
        name: SshAddress("127.0.0.1", port, "root", golden.image.login_key, known_hosts, "golden")
        for name, port in ports.items()
    }
    machines = [
        *_assignments({"DISK": str(golden.disk), "STATE": str(golden.state)}),
        f"SWITCH=({shlex.join(lan_at(folder / 'switch').command)})",
        *(machine_function(node, golden, folder, ports[node.name]) for node in bench.inventory.nodes),
    ]
    write_plan(bench, folder, logins, machines)
    for node in bench.inventory.nodes:
        write_atomic(folder / f"identity-{node.name}.sh", _identity(bench, node).encode())


def write_plan(bench: Bench, folder: Path, logins: Mapping[str, SshAddress], more: Sequence[str] = ()) -> None:
    """Write ``plan.sh``: the nodes and how to log in to them, what they shall run, and lines besides."""
    some = next(iter(logins.values()))
    values = {
        "IMAGE": ensure_nginx(bench.context).id,
        "CONFIG": str(bench.inventory.labs[0] / "nginx.conf"),
        "KEY": str(some.key),
        "KNOWN_HOSTS": str(some.known_hosts),
    }
    addresses = {node.name: str(node.advertise_addr) for node in bench.inventory.nodes}
    lines = [
        *_assignments(values),
        f"NODES=({' '.join(logins)})",
        _table("PORT", {name: str(login.port) for name, login in logins.items()}),
        _table("ALIAS", {name: str(login.host_key_alias) for name, login in logins.items()}),
        _table("ADDRESS", addresses),
        *more,
        "",
    ]
    write_atomic(folder / "plan.sh", "\n".join(lines).encode())


def _assignments(values: Mapping[str, str]) -> list[str]:
    return [f"{name}={shlex.quote(value)}" for name, value in values.items()]


def _table(name: str, values: Mapping[str, str]) -> str:
    return f"declare -A {name}=({' '.join(f'[{key}]={shlex.quote(value)}' for key, value in values.items())})"


def machine_function(node: NodeConfig, golden: Golden, folder: Path, port: int) -> str:
    """A shell function ``start_NODE`` with the command line of `lab`'s own clone, a chosen port and a monitor."""
    spec = MachineSpec(
        label=f"{folder}/{node.name}/",
        shape=golden.shape,
        accel=golden.accel.name,
        boot=golden.boot,
        lan=lan_at(folder / "switch").netdev,
        memory=Memory(golden.memory, shared=False),
        incoming=True,
    )
    command = shlex.join([*command_line(spec), "-monitor", "stdio"])
    any_port = f"127.0.0.1:0-{MANAGEMENT_ADDRESS}:22"
    return f"start_{node.name}() {{ exec {command.replace(any_port, any_port.replace(':0-', f':{port}-'))}; }}"


def _identity(bench: Bench, node: NodeConfig) -> str:
    identity = Identity(
        hostname=node.name,
        address=f"{node.advertise_addr}/{bench.inventory.vm.lan.partition('/')[2]}",
        machine_id=uuid.uuid4().hex,
        engine_id=str(uuid.uuid4()),
        host_key=new_key_pair(),
        authorized_key=new_key_pair().public,  # nobody logs in again: the master connection stands by then
        hosts={other.name: other.advertise_addr or "" for other in bench.inventory.nodes},
        internet=bench.inventory.vm.internet,
    )
    return identity_script(identity, time.time())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
