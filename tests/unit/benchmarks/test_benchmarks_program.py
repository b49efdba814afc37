"""Choosing, the place that a run works in, and the path by hand, without starting a machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks import baseline, snapshots
from benchmarks.__main__ import chosen
from benchmarks.figures import BENCHMARKS, GROUPS, results
from benchmarks.machine import processor
from benchmarks.peers import DOCKER, NODES
from benchmarks.workspace import INVENTORY, Options, bench
from orchestrator.config.inventory import load_inventory
from orchestrator.errors import EnvironmentProblem, Interrupted, UsageError
from orchestrator.model.events import Notice
from orchestrator.model.inventory import VmShape
from orchestrator.providers.vm.accel import Accel
from orchestrator.providers.vm.golden import Golden
from orchestrator.providers.vm.image import NodeImage
from orchestrator.providers.vm.lan import lan_at
from orchestrator.providers.vm.machine import MachineSpec, Memory, command_line
from orchestrator.runtime.context import Context


@pytest.fixture
def events():
    return []


@pytest.fixture
def context(events):
    return Context(events.append)


def test_what_downloads_or_fills_the_machine_is_done_only_on_request():
    assert chosen([], image=False) == set(GROUPS) - {"image", "ansible", "scale", "labs"}
    assert chosen([], image=True) == set(GROUPS) - {"ansible", "scale", "labs"}
    assert chosen(["cli"], image=False) == {"cli"}
    assert chosen(["ansible"], image=False) == {"ansible"}


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="no benchmark nope") as caught:
        chosen(["cli", "nope"], image=False)
    assert "resume, up, phases" in caught.value.hint


def test_a_run_has_its_own_state_and_leaves_none(context, monkeypatch):
    before = os.environ["LAB_STATE_DIR"]
    with bench(context, Options(1)) as work:
        assert os.environ["LAB_STATE_DIR"] == str(work.state) != before
        assert len(str(work.state)) < 60  # UNIX sockets lie below it
        folder = work.folder
        (folder / "left").mkdir()
    assert not folder.exists()
    assert os.environ["LAB_STATE_DIR"] == before


def test_without_a_state_variable_there_is_none_afterwards(context, monkeypatch):
    monkeypatch.delenv("LAB_STATE_DIR")
    with bench(context, Options(1)):
        assert "LAB_STATE_DIR" in os.environ
    assert "LAB_STATE_DIR" not in os.environ


def test_processes_of_a_run_that_fails_are_ended(context):
    with pytest.raises(RuntimeError), bench(context, Options(1)) as work:  # noqa: PT012
        command = [
            sys.executable,
            "-c",
            "import time; print(flush=True); time.sleep(60)",
            "-name",
            f"{work.state}/lab/",
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        assert process.stdout.readline()
        raise RuntimeError
    process.stdout.close()
    assert not psutil.pid_exists(process.pid)  # waiting for its end has reaped it
    process.wait(timeout=10)


def test_a_failed_body_is_no_sample(context):
    with bench(context, Options(1)) as work:
        with pytest.raises(EnvironmentProblem), work.timed("up"):
            work.run("false", title="fails")
        with work.timed("up"):
            work.run("true", title="works")
        assert len(work.samples["up"]) == 1


def test_a_part_that_fails_leaves_no_figure_and_no_cluster_and_the_run_goes_on(context):
    with bench(context, Options(1)) as work:
        with work.part("first"):
            work.take("up", 1.0)
        with work.part("second"):
            work.take("up", 2.0)
            work.take("down", 3.0)
            work.state.mkdir()
            work.run("sh", "-c", "echo no such node >&2; exit 1", title="fails")
        assert {key: values for key, values in work.samples.items() if values} == {"up": [1.0]}
        assert not work.state.exists()
        (failure,) = work.failures
        assert failure.startswith("second: ")
        assert "no such node" in failure
        with pytest.raises(Interrupted), work.part("third"):
            raise Interrupted("Ctrl-C")


def test_a_snapshot_that_fails_in_one_run_leaves_the_figures_of_the_others(context, monkeypatch):
    turns = iter([True, False, True])

    def run(work, *words, **_):
        if words[0] == "restore" and not next(turns):
            raise EnvironmentProblem("the mesh does not answer")

    monkeypatch.setattr("benchmarks.workspace.Bench.lab", run)
    monkeypatch.setattr(snapshots, "remove_snapshot", lambda _name: None)
    with bench(context, Options(3)) as work:
        for seconds in (20.0, 30.0, 40.0):
            work.take("up", seconds)
            with work.part("snapshot"):
                snapshots.measure(work)
        found = {one.benchmark.name: one for one in results(BENCHMARKS, work.samples)}
    assert len(work.failures) == 1
    assert found["snapshot save"].figure.values
    assert found["snapshot save"].baseline.values == (20.0, 40.0)


def test_a_command_that_runs_ends_when_the_run_is_cancelled(events):
    context = Context(lambda event: (events.append(event), context.cancel() if "ready" in str(event) else None))
    with bench(context, Options(1)) as work, pytest.raises(Interrupted), work.timed("up"):
        work.run("sh", "-c", "echo ready; exec sleep 60", title="long")
    assert not [event for event in events if isinstance(event, Notice)]


def test_the_laps_of_a_script_are_samples(context):
    with bench(context, Options(1)) as work:
        work.laps("hand", "sh", "-c", "echo lap: init; echo noise; echo lap: joins", title="by hand")
        assert set(work.samples) == {"hand init", "hand joins"}
        with pytest.raises(EnvironmentProblem):
            work.laps("hand", "sh", "-c", "echo lap: late; exit 1", title="by hand")
        assert "hand late" not in work.samples


def test_a_command_hands_over_its_document_or_what_it_said(context):
    with bench(context, Options(1)) as work:
        assert work.document("echo", '{"a": 1}', title="works") == {"a": 1}
        with pytest.raises(EnvironmentProblem, match="broken failed") as caught:
            work.document("sh", "-c", "echo on stdout; echo on stderr >&2; exit 3", title="broken")
        assert {"on stdout", "on stderr"} <= set(caught.value.details)


def test_another_inventory_is_measured_in_the_same_run(context):
    with bench(context, Options(1)) as work:
        other = work.on(NODES)
        other.take("x", 1.0)
        assert (other.inventory.name, work.samples["x"]) == ("peers", [1.0])
        assert {node.vm for node in other.inventory.nodes} == {VmShape(packages=("python3", "python3-docker"))}


def test_the_inventory_is_three_plain_nodes_and_the_mesh():
    loaded = load_inventory(INVENTORY, {})
    assert not loaded.warnings
    assert [node.vm for node in loaded.value.nodes] == [VmShape()] * 3
    assert [lab.resolve().name for lab in loaded.value.labs] == ["ingress-mesh"]


def golden(tmp_path: Path) -> Golden:
    return Golden(NodeImage("trixie", tmp_path / "image"), VmShape(), Accel("tcg", "test"), tmp_path / "golden")


def test_the_machine_by_hand_is_the_machine_of_lab(tmp_path):
    node = load_inventory(INVENTORY, {}).value.nodes[0]
    saved = golden(tmp_path)
    function = baseline.machine_function(node, saved, tmp_path, 2222)
    shown = subprocess.run(
        ["bash", "-c", function.replace("exec ", "printf '%s\\n' ", 1) + "; start_n1"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    spec = MachineSpec(
        f"{tmp_path}/n1/", saved.shape, "tcg", saved.boot, lan=lan_at(tmp_path / "switch").netdev,
        memory=Memory(saved.memory, shared=False), incoming=True,
    )  # fmt: skip
    ours = [word.replace("127.0.0.1:0-", "127.0.0.1:2222-") for word in command_line(spec)]
    assert shown == [*ours, "-monitor", "stdio"]
    assert ours != command_line(spec)


def test_the_scripts_by_hand_are_sound():
    for script in (baseline.SCRIPT, DOCKER, baseline.SCRIPT.with_name("swarm.sh")):
        subprocess.run(["bash", "-n", str(script)], check=True)
        if shutil.which("shellcheck"):
            subprocess.run(["shellcheck", "-x", str(script)], check=True)
    assert os.access(baseline.SCRIPT, os.X_OK)
    assert os.access(DOCKER, os.X_OK)


def test_the_processor_is_named(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nprocessor\t: 1\nmodel name\t: Other\n")
    assert processor(file) == "Some CPU @ 2 GHz"
    assert processor(tmp_path / "absent")
