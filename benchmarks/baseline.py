"""Prepares what benchmarks/baseline.sh needs: the same machines, written as a shell script. Not part of its time."""

from __future__ import annotations

import shlex
import socket
import time
import uuid
from pathlib import Path

from benchmarks.workspace import Bench
from orchestrator.images.nginx import ensure_nginx
from orchestrator.model.inventory import NodeConfig
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
    nodes = bench.inventory.nodes
    ports = {node.name: _free_port() for node in nodes}
    image = ensure_nginx(bench.context)
    values = {
        "IMAGE": image.id,
        "CONFIG": str(bench.inventory.labs[0] / "nginx.conf"),
        "DISK": str(golden.disk),
        "STATE": str(golden.state),
        "KEY": str(golden.image.login_key),
        "KNOWN_HOSTS": str(golden.image.folder / "known_hosts"),
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    lines.append(f"NODES=({' '.join(ports)})")
    lines.append(f"SWITCH=({shlex.join(lan_at(folder / 'switch').command)})")
    lines.append(f"declare -A PORT=({' '.join(f'[{name}]={port}' for name, port in ports.items())})")
    lines.append(f"declare -A ADDRESS=({' '.join(f'[{node.name}]={node.advertise_addr}' for node in nodes)})")
    lines += [machine_function(node, golden, folder, ports[node.name]) for node in nodes]
    write_atomic(folder / "plan.sh", "\n".join([*lines, ""]).encode())
    for node in nodes:
        write_atomic(folder / f"identity-{node.name}.sh", _identity(bench, node).encode())


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
