"""The command line itself: what is parsed, what is refused, what is written."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator import __version__
from orchestrator.cli import machine
from orchestrator.cli.main import app
from orchestrator.cli.options import PairsChoice
from orchestrator.cli.ssh_command import ssh_argv
from orchestrator.errors import UsageError
from orchestrator.model.inventory import Inventory, NodeConfig, ProviderKind, Role, SshAddress, VmShape
from orchestrator.model.probe import Pairs
from orchestrator.runtime.lock import locked
from orchestrator.transport.route import DEFAULT_KEYS, plain

runner = CliRunner()
INVENTORY = """
name: one
provider: ssh
nodes:
  - name: n1
    role: manager
    advertise_addr: 192.0.2.1
    ssh: {host: 192.0.2.1, known_hosts: known_hosts, config: none}
"""


def lab(*arguments: str, **options) -> Result:
    """The command within this process."""
    return runner.invoke(app, arguments, prog_name="lab", **options)


def process(*arguments: str, **options) -> subprocess.CompletedProcess:
    """The command as a process of its own."""
    argv = [sys.executable, "-m", "orchestrator", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, **options)


def test_help_loads_nothing_heavy():
    heavy = "{'paramiko', 'docker', 'pydantic', 'rich', 'yaml', 'requests', 'filelock'}"
    code = f"import sys, orchestrator.cli.main; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_help_names_every_command():
    result = lab("--help")
    assert result.exit_code == 0
    known = "up verify down status logs labs checks ssh support doctor image snapshot restore init schema"
    for name in known.split():
        assert f"\n  {name} " in result.stdout


def test_version_by_both_ways_in():
    assert process("--version").stdout == f"lab {__version__}\n"
    assert lab("--version").stdout == f"lab {__version__}\n"


def test_completion_is_offered():
    result = process(
        "--show-completion", "bash", env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    )
    assert result.returncode == 0
    assert "_LAB_COMPLETE=complete_bash" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["up", "--nope"],
        ["verify", "--requests", "0"],
        ["verify", "--tolerance", "2"],
        ["verify", "--deadline", "soon"],
        ["status", "-o", "xml"],
        ["ssh"],
        ["schema", "moon"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(arguments):
    result = lab(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "command", [["up"], ["up", "--plan"], ["verify"], ["status"], ["ssh", "n1"], ["image", "build"]]
)
def test_a_missing_inventory_is_told(command):
    result = lab(*command, "-i", "nowhere.yaml")
    assert result.exit_code == 2
    assert "nowhere.yaml" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_bad_inventory_names_all_problems_and_nothing_is_written(tmp_path, state_root):
    (tmp_path / "bad.yaml").write_text("name: x\nprovider: moon\nnodes: []\n")
    result = lab("up", "-i", "bad.yaml")
    assert result.exit_code == 2
    assert result.stderr.count("bad.yaml:") >= 2
    assert not state_root.exists()


def test_errors_are_a_document_for_programs():
    result = lab("up", "-o", "json", "-i", "nowhere.yaml")
    error = json.loads(result.stdout)["error"]
    assert result.exit_code == error["exit_code"] == 2
    assert error["problems"][0]["file"].endswith("nowhere.yaml")
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (["status"], "env.yaml"),
        (["-i", "early.yaml", "status"], "early.yaml"),
        (["status", "-i", "late.yaml"], "late.yaml"),
        (["-i", "early.yaml", "status", "-i", "late.yaml"], "late.yaml"),
        (["-i", "early.yaml", "image", "build"], "early.yaml"),
    ],
    ids=" ".join,
)
def test_the_nearest_word_names_the_inventory(arguments, file):
    result = lab(*arguments, env={**os.environ, "LAB_INVENTORY": "env.yaml"})
    assert result.exit_code == 2
    assert result.stderr.count(".yaml") == result.stderr.count(file) > 0


def test_output_may_be_chosen_before_the_command():
    result = lab("-o", "json", "status", "-i", "nowhere.yaml")
    assert json.loads(result.stdout)["error"]["exit_code"] == 2
    assert lab("-o", "json", "status", "-i", "nowhere.yaml", "-o", "text").stdout == ""


def test_down_tells_of_a_state_that_nobody_can_read(state_root):
    (state_root / "one").mkdir(parents=True)
    (state_root / "one" / "state.json").write_text("{")
    result = lab("down")
    assert result.exit_code == 0
    assert "state.json is damaged" in result.stderr


def test_down_goes_by_the_inventory_where_the_state_is_damaged(tmp_path, state_root):
    (tmp_path / "inventory.yaml").write_text("name: one\nprovider: vm\nnodes: [{name: n1, role: manager}]\n")
    (state_root / "one" / "vm").mkdir(parents=True)
    (state_root / "one" / "state.json").write_text("{")
    result = lab("down")
    assert result.exit_code == 0
    assert "state.json is damaged" in result.stderr
    assert not (state_root / "one").exists()


def test_down_with_nothing_there_has_nothing_to_do():
    result = lab("down")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "no cluster is known here: nothing to do\n"


@pytest.mark.parametrize("name", ["../x", "UPPER", "a/b", "."])
def test_down_takes_no_path_for_a_name(name):
    result = lab("down", "--name", name)
    assert result.exit_code == 2
    assert "no cluster's name" in result.stderr


@pytest.mark.parametrize("command", ["up", "down"])
def test_a_cluster_somebody_works_on_is_left_alone(command, tmp_path):
    (tmp_path / "inventory.yaml").write_text(INVENTORY)
    (tmp_path / "known_hosts").write_text("")
    with locked("one", "lab up"):
        result = lab(command, "-o", "json")
    error = json.loads(result.stdout)["error"]
    assert result.exit_code == error["exit_code"] == 4
    assert f"`lab up` (pid {os.getpid()}" in error["message"]


def test_a_bug_is_told_shortly_and_its_traceback_kept(state_root, monkeypatch):
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("orchestrator.usecases.locate.find_existing", broken)
    result = lab("down")
    assert result.exit_code == 4
    assert "this is a bug in lab: ZeroDivisionError: oops" in result.stderr
    assert "Traceback" not in result.stderr
    (crash,) = state_root.glob("crash-*.txt")
    assert "in broken" in crash.read_text()


def test_a_reader_that_goes_away_is_no_traceback():
    argv = f"{sys.executable} -m orchestrator schema inventory | true"
    result = subprocess.run(["bash", "-c", argv], capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr


def test_a_terminal_without_our_signs_is_no_failure():
    result = process("down", "--name", "no→name", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert result.returncode == 2
    assert "? 1 to 32 lowercase letters" in result.stderr


class TestInit:
    def test_what_is_written_loads(self, tmp_path):
        assert lab("init").exit_code == 0
        assert "provider: vm" in (tmp_path / "inventory.yaml").read_text()

    def test_ssh_has_its_own_template(self, tmp_path):
        result = lab("init", "--provider", "ssh", "mine.yaml")
        assert result.exit_code == 0
        assert "provider: ssh" in (tmp_path / "mine.yaml").read_text()
        assert "lab up -i mine.yaml" in result.stdout

    def test_nothing_is_overwritten_unless_forced(self, tmp_path):
        file = tmp_path / "inventory.yaml"
        file.write_text("precious")
        result = lab("init")
        assert result.exit_code == 2
        assert "--force" in result.stderr
        assert file.read_text() == "precious"
        assert lab("init", "--force").exit_code == 0
        assert file.read_text() != "precious"

    def test_the_first_lab_is_deployed_where_it_stands_beside_the_file(self, tmp_path):
        (tmp_path / "labs" / "ingress-mesh").mkdir(parents=True)
        assert lab("init").exit_code == lab("init", "labs/other.yaml").exit_code == 0
        assert "  - labs/ingress-mesh" in (tmp_path / "inventory.yaml").read_text()
        assert "  - labs/ingress-mesh" not in (tmp_path / "labs" / "other.yaml").read_text()

    def test_a_folder_that_is_not_there_is_told(self):
        result = lab("init", "no/such/inventory.yaml")
        assert result.exit_code == 4
        assert "No such file" in result.stderr


@pytest.mark.parametrize("name", ["inventory", "lab"])
def test_schema_is_json(name):
    result = lab("schema", name)
    assert result.exit_code == 0
    assert "properties" in json.loads(result.stdout)


class TestSsh:
    ADDRESS = SshAddress("127.0.0.1", 2201, "root", Path("/s/key"), Path("/s a/known%hosts"), "n1")

    def test_the_client_is_given_everything_and_guesses_nothing(self):
        assert ssh_argv(plain(self.ADDRESS), []) == [
            *("ssh", "-F", "none", "-p", "2201"),
            *("-o", "StrictHostKeyChecking=yes"),
            *("-i", "/s/key", "-o", "IdentitiesOnly=yes"),
            *("-o", 'UserKnownHostsFile="/s a/known%%hosts"', "-o", "GlobalKnownHostsFile=none"),
            *("-o", "HostKeyAlias=n1"),
            *("-l", "root", "127.0.0.1"),
        ]

    def test_a_host_without_settings_uses_the_persons_own_keys(self):
        argv = ssh_argv(plain(SshAddress("h")), [])
        keys = [word for name in DEFAULT_KEYS for word in ("-i", str(Path.home() / ".ssh" / name))]
        known = f'UserKnownHostsFile="{Path.home()}/.ssh/known_hosts"'
        assert argv == [
            *("ssh", "-F", "none", "-p", "22", "-o", "StrictHostKeyChecking=yes", *keys),
            *("-o", known, "-o", "GlobalKnownHostsFile=none", "-l", "root", "h"),
        ]

    @pytest.mark.parametrize(
        ("command", "line"),
        [(["ls", "-l", "a b"], "ls -l 'a b'"), (["docker ps | wc -l"], "docker ps | wc -l"), (["a", "$x"], "a '$x'")],
    )
    def test_words_arrive_as_words_and_one_word_is_a_line(self, command, line):
        assert ssh_argv(plain(SshAddress("h")), command)[-1] == line

    def test_openssh_understands_the_options(self, tmp_path):
        (tmp_path / "key").write_text("")
        argv = ssh_argv(plain(replace(self.ADDRESS, key=tmp_path / "key")), [])
        result = subprocess.run([argv[0], "-G", *argv[1:]], capture_output=True, text=True, check=True)
        settings = result.stdout.splitlines()
        for wanted in (
            "port 2201",
            "hostkeyalias n1",
            "identitiesonly yes",
            "user root",
            f"identityfile {tmp_path}/key",
        ):
            assert wanted in settings
        assert "stricthostkeychecking true" in settings
        assert any("known%hosts" in line for line in settings)

    def test_the_exit_code_and_output_of_the_client_are_passed_on(self, tmp_path):
        fake = tmp_path / "bin" / "ssh"
        fake.parent.mkdir()
        fake.write_text('#!/bin/sh\necho "$@"\nexit 7\n')
        fake.chmod(0o755)
        (tmp_path / "inventory.yaml").write_text(INVENTORY)
        (tmp_path / "known_hosts").write_text("")
        result = process(
            "ssh", "n1", "--", "ls", "-la", env={**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}"}
        )
        assert result.returncode == 7
        assert result.stdout.rstrip().endswith("-l root 192.0.2.1 ls -la")

    def test_an_unknown_node_is_told_with_the_known_ones(self, tmp_path):
        (tmp_path / "inventory.yaml").write_text(INVENTORY)
        (tmp_path / "known_hosts").write_text("")
        result = lab("ssh", "n9")
        assert result.exit_code == 2
        assert "the nodes are n1" in result.stderr


def test_images_are_built_once_per_shape():
    nodes = tuple(
        NodeConfig(f"n{number}", Role.MANAGER, vm=VmShape(suite=suite))
        for number, suite in enumerate(("trixie", "sid", "trixie"))
    )
    inventory = Inventory("lab", Path("/i.yaml"), ProviderKind.VM, nodes)
    assert machine._shapes(inventory) == [VmShape(suite="trixie"), VmShape(suite="sid")]
    with pytest.raises(UsageError, match="no embedded nodes"):
        machine._shapes(Inventory("lab", Path("/i.yaml"), ProviderKind.SSH, (NodeConfig("n1", Role.MANAGER),)))


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder with one lab that can be read."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "labs" / "one"
    folder.mkdir(parents=True)
    (folder / "compose.yaml").write_text("services: {web: {image: nginx}}\nx-lab: {title: It shows something}\n")
    return tmp_path / "labs"


def test_labs_are_listed_and_shown_without_an_inventory(shelf):
    assert "It shows something" in lab("labs").stdout
    listed = json.loads(lab("labs", "-o", "json").stdout)
    shown = json.loads(lab("labs", "one", "-o", "json").stdout)
    assert listed == {"labs": [shown]}
    assert shown["name"] == "one"
    assert "web" in lab("labs", "one").stdout
    assert lab("labs", "--markdown").stdout.startswith("<!-- Made by")


def test_a_lab_that_cannot_be_read_is_listed_with_the_others(shelf):
    (shelf / "two").mkdir()
    result = lab("labs")
    assert result.exit_code == 2
    assert "It shows something" in result.stdout
    assert "! two: " in result.stdout
    assert lab("labs", "three").exit_code == 2


def test_kinds_of_checks_are_listed_and_shown():
    listed = json.loads(lab("checks", "-o", "json").stdout)
    shown = json.loads(lab("checks", "reach", "-o", "json").stdout)
    assert shown in listed["kinds"]
    assert "reach" in lab("checks").stdout
    assert "expect" in lab("checks", "reach").stdout
    assert "# Checks" in lab("checks", "--markdown").stdout


def test_an_unknown_kind_of_check_is_told_with_the_known_ones():
    result = lab("checks", "raech")
    assert result.exit_code == 2
    assert "there is no kind of check 'raech'" in result.stderr
    assert "mesh, names, reach" in result.stderr


@pytest.mark.parametrize(("word", "pairs"), [("auto", None), ("all", "all"), ("paths", "paths"), ("nodes", "nodes")])
def test_every_plan_of_pairs_can_be_chosen(word, pairs):
    assert PairsChoice(word).plan == pairs
    assert {choice.plan for choice in PairsChoice} == {None, *Pairs}
