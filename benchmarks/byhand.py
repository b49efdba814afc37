"""What `lab verify` asks of three labs, against the same by hand: `curl`, `docker exec` and so on, one by one."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks import baseline
from benchmarks.loops import REQUESTS, connected
from benchmarks.workspace import Bench, clear
from orchestrator.config.compose import load_lab
from orchestrator.errors import NodeError
from orchestrator.model.probe import OPERATOR
from orchestrator.model.question import Datagram, EngineCall, Fetch, Inspect, Lookup, Question, Read
from orchestrator.observe import observe
from orchestrator.planning.probes import plan_probes
from orchestrator.providers import make_provider
from orchestrator.runtime.paths import state_dir, write_atomic
from orchestrator.usecases.answering import operator_routes, targets
from orchestrator.usecases.checking import topology_of

SCRIPT = Path(__file__).with_name("checks.sh")

MORE = ("dns", "isolation")
"""The labs that are asked besides the one of the inventory, ingress-mesh."""

HERE = "here"
"""How the script knows this machine among the nodes."""

_STRANGE = 125
"""From this exit code on a command could not be carried out (126, 127: no such program; 255: SSH itself)."""

Line = tuple[str, str]
"""A node, and what is typed on it."""


def measure(bench: Bench) -> None:
    """Take the samples on the lab that runs and two more, the sides in turn, after a `lab verify` that does not count.

    Raises ``NodeError`` where a command by hand cannot be carried out, or the mesh does not answer one: such a time
    says nothing.
    """
    bench.lab("up", *(str(bench.shelf(name)) for name in MORE))
    bench.lab("verify")
    lines = _lines(bench)
    bench.notes["checks"] = f"{len(lines)} commands by hand"
    for _ in range(bench.runs):
        _by_hand(bench, lines)
        with bench.timed("all checks"):
            bench.lab("verify")
    bench.lab("down", *MORE)


def _lines(bench: Bench) -> list[Line]:
    """Every question that `lab verify` asks of these labs as they stand, as a command."""
    provider = make_provider(bench.inventory, state_dir(bench.inventory.name))
    nodes = bench.inventory.nodes
    files = [bench.inventory.labs[0], *(bench.shelf(name) for name in MORE)]
    lines: list[Line] = []
    with connected(bench, {node.name: provider.address(node) for node in nodes}) as clients:
        view = observe(bench.context, clients, ())
        routes = operator_routes(provider, nodes, view, bench.inventory.name)
        plan = plan_probes(bench.inventory.name, nodes, view, targets(routes), requests=REQUESTS)
        for probe in plan.probes:
            node = HERE if probe.vantage == OPERATOR else probe.vantage
            words = ["curl", "-s", "--max-time", f"{probe.deadline:g}", _url(probe.target.address, probe.target.port)]
            lines += [(node, shlex.join(words))] * probe.count
        for file in files:
            topology = topology_of(bench.context, clients, nodes, view, load_lab(file, os.environ).value)
            containers = {box.path: box.container for box in topology.sandboxes.values() if box.path}
            items = [item for check in topology.lab.checks if not check.alters for item in check.plan(topology)]
            for question in dict.fromkeys(question for item in items for question in item.questions):
                lines += [(question.vantage.node, words) for words in commands(question, containers)]
    return lines


def commands(question: Question, containers: Mapping[str, str]) -> Iterator[str]:
    """What a person types on the vantage's node to ask the same; ``containers`` are the ids by network namespace."""
    place = question.vantage.namespace
    inside = ["docker", "exec", containers[place]] if place in containers else []
    match question:
        case Fetch(address=address, port=port, path=path, count=count, deadline=deadline):
            wget = ["wget", "-q", "-T", f"{deadline:g}", "-O", "-", _url(address, port, path)]
            yield from [shlex.join([*inside, *wget])] * count
        case Lookup(name=name):
            yield shlex.join([*inside, "nslookup", "-type=a", name])
        case Read(argv=argv):
            yield shlex.join([*(["nsenter", f"--net={place}"] if place else []), *argv])
        case Inspect(kind="networks"):
            yield "docker network ls"
        case Inspect(kind="network", name=name, verbose=verbose):
            yield shlex.join(["docker", "network", "inspect", *(["--verbose"] if verbose else []), name])
        case Inspect(name=name):
            yield shlex.join(["docker", "inspect", name])
        case EngineCall(path=path, body=body):
            socket = ["curl", "-s", "--unix-socket", "/var/run/docker.sock"]
            typed = ["-H", "Content-Type: application/json", "-d", json.dumps(json.loads(body))]
            yield shlex.join([*socket, *typed, f"http://docker{path}"])
        case Datagram():
            raise ValueError(question)  # none of these labs sends any


def _url(address: str, port: int, path: str = "/") -> str:
    return f"http://{f'[{address}]' if ':' in address else address}:{port}{path}"


def _by_hand(bench: Bench, lines: list[Line]) -> None:
    provider = make_provider(bench.inventory, state_dir(bench.inventory.name))
    folder = bench.folder / "hand"
    folder.mkdir(mode=0o700)
    try:
        baseline.write_plan(bench, folder, {node.name: provider.address(node) for node in bench.inventory.nodes})
        write_atomic(folder / "questions", "".join(f"{node}\t{line}\n" for node, line in lines).encode())
        with bench.timed("by hand"):
            bench.run(str(SCRIPT), str(folder), title="the same by hand")
        require_asked(lines, [int(code) for code in (folder / "codes").read_text().split()])
    finally:
        clear(folder)


def require_asked(lines: list[Line], codes: list[int]) -> None:
    """Raise ``NodeError`` unless each command was carried out, and each request to a published port answered.

    Others may well end with 1: that a name is not known, or nobody answers, is what some checks want.
    """
    asked = zip(lines, codes, strict=True)
    failed = [line for (_, line), code in asked if code >= _STRANGE or (code and line.startswith("curl"))]
    if failed:
        raise NodeError(f"{len(failed)} commands by hand failed, the first: {failed[0]}", hint="run it again")
