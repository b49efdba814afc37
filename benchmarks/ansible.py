"""The nearest peer: the job of ``lab up`` and ``lab verify`` as Ansible playbooks, on nodes that run.

Ansible is installed from PyPI into a virtual environment below the run's folder: nothing of this project depends on it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.workspace import Bench
from orchestrator.errors import NodeError
from orchestrator.images.nginx import ensure_nginx
from orchestrator.model.inventory import Inventory, Role, SshAddress
from orchestrator.runtime.paths import write_atomic

PACKAGE = "ansible==12.3.0"
"""Brings ansible-core 2.19 and the collection community.docker."""

PLAYBOOKS = Path(__file__).with_name("playbooks")

Played = Mapping[str, Any]
"""What the callback ``ansible.posix.json`` prints of a run."""


def install(bench: Bench) -> None:
    """Make the virtual environment, once in a run."""
    if _tool(bench).exists():
        return
    folder = bench.folder / "ansible"
    bench.run(sys.executable, "-m", "venv", str(folder), title="make a virtual environment for Ansible")
    pip = str(folder / "bin" / "pip")
    bench.run(pip, "install", "--quiet", "--disable-pip-version-check", PACKAGE, title=f"install {PACKAGE}")


def write_inventory(bench: Bench, folder: Path, logins: Mapping[str, SshAddress]) -> None:
    """Write the inventory of Ansible: how to log in to the nodes, their addresses, and what they shall run."""
    shared = {
        "config": str(bench.inventory.labs[0] / "nginx.conf"),
        "image": ensure_nginx(bench.context).id,
    }
    write_atomic(folder / "hosts.json", json.dumps(inventory(bench.inventory, logins, shared)).encode())


def inventory(wanted: Inventory, logins: Mapping[str, SshAddress], shared: Mapping[str, str]) -> dict[str, Any]:
    """The nodes as Ansible wants them: two groups, with the variables of each host. Pure."""

    def hosts(role: Role) -> dict[str, Any]:
        nodes = [node for node in wanted.nodes if node.role is role]
        return {"hosts": {node.name: _variables(logins[node.name], node.advertise_addr or "") for node in nodes}}

    return {
        "managers": hosts(Role.MANAGER),
        "workers": hosts(Role.WORKER),
        "all": {"vars": dict(shared)},
    }


def _variables(login: SshAddress, lan: str) -> dict[str, Any]:
    return {
        "ansible_host": login.host,
        "ansible_port": login.port,
        "ansible_user": login.user,
        "ansible_ssh_private_key_file": str(login.key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={login.known_hosts} -o HostKeyAlias={login.host_key_alias}",
        "lan": lan,
    }


def play(bench: Bench, folder: Path, playbook: str) -> Played:
    """Carry out a playbook. Raises ``EnvironmentProblem`` where a task of it fails."""
    settings = {
        "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "cp"),
    }
    assignments = [f"{name}={value}" for name, value in settings.items()]
    command = [str(_tool(bench)), "-i", str(folder / "hosts.json"), str(PLAYBOOKS / playbook)]
    played: Played = bench.document("env", *assignments, *command, title=f"ansible-playbook {playbook}")
    return played


def _tool(bench: Bench) -> Path:
    return bench.folder / "ansible" / "bin" / "ansible-playbook"


def task_seconds(played: Played) -> dict[str, float]:
    """How long each task took over all hosts, by its name. Pure."""
    return {task["task"]["name"]: _seconds(task["task"]["duration"]) for task in _tasks(played)}


def require_answers(played: Played, ways: int, replicas: int) -> None:
    """Raise ``NodeError`` unless every way has answered, and every replica: else a time says nothing."""
    answers = [
        json.loads(item["content"])
        for task in _tasks(played)
        for host in task["hosts"].values()
        for item in host.get("results", ())
        if item.get("status") == 200
    ]
    slots = {answer["slot"] for answer in answers}
    if len(answers) != ways or len(slots) != replicas:
        raise NodeError(f"{len(answers)} of {ways} ways answered, of {len(slots)} replicas", hint="run it again")


def _tasks(played: Played) -> Iterator[Mapping[str, Any]]:
    plays: Sequence[Mapping[str, Any]] = played["plays"]
    for one in plays:
        yield from one["tasks"]


def _seconds(duration: Mapping[str, str]) -> float:
    start, end = (datetime.fromisoformat(duration[key]) for key in ("start", "end"))
    return (end - start).total_seconds()
