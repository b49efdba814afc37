"""Wrong command lines, and files that are no YAML files: each is told as in its golden text, and nothing is done.

After a change of the wording run ``LAB_UPDATE_GOLDEN=1 pytest tests/unit/badinput`` and read the difference.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from workspace import fill, lab, tree, watched, with_paths_left_out

GOLDEN = Path(__file__).parents[2] / "golden" / "commands"
LONG = "x" * 300
"""Longer than a name of a file can be."""

COMMANDS: dict[str, list[str]] = {
    "command-unknown": ["frobnicate"],
    "command-misspelt": ["verfiy"],
    "command-capital": ["UP"],
    "command-empty": [""],
    "command-hostile": ["; rm -rf /"],
    "command-terminal": ["\x1b]0;owned\x07"],
    "option-unknown": ["up", "--nope"],
    "option-misspelt": ["up", "--paln"],
    "option-of-another-command": ["up", "--requests", "2"],
    "option-before-the-command": ["--requests", "2", "verify"],
    "option-without-value": ["up", "-i"],
    "option-twice-without-value": ["verify", "--requests", "1", "--requests"],
    "option-flag-with-value": ["up", "--plan=1"],
    "option-short-cluster": ["up", "-pi"],
    "output-unknown": ["status", "-o", "xml"],
    "output-unknown-early": ["-o", "yaml", "status"],
    "output-empty": ["status", "-o", ""],
    "requests-zero": ["verify", "--requests", "0"],
    "requests-negative": ["verify", "--requests", "-1"],
    "requests-huge": ["verify", "--requests", "99999999999999999999"],
    "requests-fraction": ["verify", "--requests", "1.5"],
    "requests-text": ["verify", "--requests", "many"],
    "requests-other-digits": ["verify", "--requests", "\u0663"],
    "tolerance-above": ["verify", "--tolerance", "2"],
    "tolerance-not-a-number": ["verify", "--tolerance", "nan"],
    "tolerance-comma": ["verify", "--tolerance", "0,2"],
    "deadline-zero": ["verify", "--deadline", "0"],
    "deadline-endless": ["verify", "--deadline", "inf"],
    "deadline-unit": ["verify", "--deadline", "5s"],
    "status-argument": ["status", "n1"],
    "doctor-argument": ["doctor", "all"],
    "ssh-no-node": ["ssh"],
    "ssh-unknown-node": ["ssh", "n9"],
    "ssh-empty-node": ["ssh", ""],
    "ssh-option-for-node": ["ssh", "-oProxyCommand=x"],
    "ssh-hostile-node": ["ssh", "n1;reboot"],
    "ssh-look-alike-node": ["ssh", "n\u0661"],
    "ssh-option-of-openssh": ["ssh", "n1", "-L", "80:n2:80"],
    "image-without-command": ["image"],
    "image-unknown-command": ["image", "list"],
    "image-ls-argument": ["image", "ls", "trixie"],
    "image-build-hosts": ["image", "build", "-i", "ssh.yaml"],
    "init-exists": ["init"],
    "init-folder": ["init", "folder.yaml"],
    "init-folder-force": ["init", "folder.yaml", "--force"],
    "init-empty": ["init", ""],
    "init-two-files": ["init", "a.yaml", "b.yaml"],
    "init-provider": ["init", "--provider", "cloud", "new.yaml"],
    "schema-no-name": ["schema"],
    "schema-unknown": ["schema", "moon"],
    "checks-unknown": ["checks", "raech"],
    "checks-hostile": ["checks", "\x1b[2J"],
    "labs-unknown": ["labs", "wbe"],
    "labs-empty-folder": ["labs", "empty"],
    "labs-broken": ["labs", "broken"],
    "labs-tabs": ["labs", "tabs"],
    "labs-too-long": ["labs", LONG],
    "up-unknown-lab": ["up", "wbe"],
    "up-empty-lab": ["up", ""],
    "up-path-out": ["up", "../../etc/passwd"],
    "up-unknown-home": ["up", "~nobody-has-this/lab"],
    "up-long-lab": ["up", LONG],
    "up-hostile-lab": ["up", "$(reboot)"],
    "up-broken-lab": ["up", "broken"],
    "up-two-bad-labs": ["up", "broken", "tabs"],
    "up-lab-twice": ["up", "web", "web"],
    "up-same-ports": ["up", "web", "twin"],
    "up-node-that-is-not-there": ["up", "--plan", "far"],
    "up-bad-inventory": ["up", "-i", "bad.yaml"],
    "up-bad-inventory-and-lab": ["up", "broken", "-i", "bad.yaml"],
    "up-lab-of-the-inventory-gone": ["up", "-i", "gone.yaml"],
    "plan-bad-inventory": ["up", "--plan", "-i", "bad.yaml"],
    "inventory-missing": ["up", "-i", "nowhere.yaml"],
    "inventory-missing-verify": ["verify", "-i", "nowhere.yaml"],
    "inventory-missing-status": ["status", "-i", "nowhere.yaml"],
    "inventory-missing-ssh": ["ssh", "n1", "-i", "nowhere.yaml"],
    "inventory-missing-image": ["image", "build", "-i", "nowhere.yaml"],
    "inventory-empty-name": ["status", "-i", ""],
    "inventory-folder": ["status", "-i", "folder.yaml"],
    "inventory-device": ["status", "-i", "/dev/zero"],
    "inventory-unknown-home": ["status", "-i", "~nobody-has-this/inventory.yaml"],
    "inventory-long": ["status", "-i", LONG],
    "inventory-is-a-lab": ["status", "-i", "labs/web/compose.yaml"],
    "inventory-terminal": ["status", "-i", "\x1b]0;owned\x07.yaml"],
    "lab-is-an-inventory": ["labs", "./inventory.yaml"],
    "down-name-path": ["down", "--name", "../one"],
    "down-name-empty": ["down", "--name", ""],
    "down-name-long": ["down", "--name", LONG],
    "down-name-capital": ["down", "--name", "ONE"],
    "down-name-terminal": ["down", "--name", "\x1b[2J"],
}

FILES: dict[str, Callable[[Path], object]] = {
    "file-empty": lambda file: file.write_bytes(b""),
    "file-blank": lambda file: file.write_bytes(b" \n\n  \n"),
    "file-byte-order-mark-only": lambda file: file.write_bytes(b"\xef\xbb\xbf"),
    "file-byte-order-mark-and-problem": lambda file: file.write_bytes(b"\xef\xbb\xbfname: x\nprovider: moon\n"),
    "file-latin-1": lambda file: file.write_bytes(b"name: one\n# Z\xfcrich\nprovider: vm\n"),
    "file-utf-16": lambda file: file.write_bytes("name: one\n".encode("utf-16")),
    "file-half-a-character": lambda file: file.write_bytes(b"name: one\nprovider: \xe2\x82"),
    "file-nul-bytes": lambda file: file.write_bytes(b"name: one\nprovider: v\0m\n"),
    "file-nul-escaped": lambda file: file.write_bytes(b'name: one\nprovider: "v\\0m"\nnodes: []\n'),
    "file-half-a-pair": lambda file: file.write_bytes(b'name: "\\ud800"\nprovider: vm\nnodes: []\n'),
    "file-binary": lambda file: file.write_bytes(bytes(range(256))),
    "file-carriage-returns": lambda file: file.write_bytes(b"name: one\rprovider: moon\rnodes: []\r"),
    "file-dos-lines": lambda file: file.write_bytes(b"name: one\r\nprovider: moon\r\nnodes: []\r\n"),
    "file-tabs": lambda file: file.write_bytes(b"name: one\nnodes:\n\t- name: n1\n"),
    "file-json-cut-off": lambda file: file.write_bytes(b'{"name": "one", "nodes": [{"name"'),
    "file-html": lambda file: file.write_bytes(b"<!DOCTYPE html>\n<html><body>404: not found</body></html>\n"),
    "file-script": lambda file: file.write_bytes(b"#!/bin/sh\nset -e\nfor name in a b; do echo $name: $$; done\n"),
    "file-merge-conflict": lambda file: file.write_bytes(
        b"<<<<<<< HEAD\nname: one\n=======\nname: two\n>>>>>>> other\n"
    ),
    "file-ten-megabytes": lambda file: file.write_bytes(b"# filler\n" * 1_200_000),
    "file-many-values": lambda file: file.write_bytes(b"labs:\n" + b"- a\n" * 100_000),
    "file-deep-flow": lambda file: file.write_bytes(b"name: " + b"[" * 100_000),
    "file-deep-blocks": lambda file: file.write_bytes(b"".join(b" " * depth + b"a:\n" for depth in range(500))),
    "file-laughs": lambda file: file.write_bytes(laughs()),
    "file-quadratic-laughs": lambda file: file.write_bytes(
        b"a: &a [" + b"x, " * 300 + b"]\nlabs: [" + b"*a, " * 300 + b"]\n"
    ),
    "file-anchor-of-its-own-merge": lambda file: file.write_bytes(b"name: one\ndefaults: &d\n  <<: *d\n"),
    "file-anchor-unknown": lambda file: file.write_bytes(b"name: *nobody\nprovider: vm\n"),
    "file-merge-of-a-list": lambda file: file.write_bytes(b"x: &x [1]\nname: one\ndefaults:\n  <<: *x\n"),
    "file-keys-twice": lambda file: file.write_bytes(b"name: one\nprovider: vm\nname: two\nnodes: []\nnodes: []\n"),
    "file-two-documents": lambda file: file.write_bytes(b"---\nname: one\n---\nname: two\n"),
    "file-directive": lambda file: file.write_bytes(b"%YAML 9.9\n---\nname: one\n"),
    "file-python-object": lambda file: file.write_bytes(b"name: !!python/object/apply:os.system [touch x]\n"),
    "file-long-line": lambda file: file.write_bytes(b"name: " + b"x" * 200_000 + b"\n"),
    "file-long-key": lambda file: file.write_bytes(b"? " + b"x" * 5000 + b"\n: 1\nname: one\n"),
    "file-link-to-itself": lambda file: file.symlink_to(file),
    "file-link-to-nothing": lambda file: file.symlink_to("nowhere"),
    "file-pipe": lambda file: os.mkfifo(file),
}


def laughs() -> bytes:
    """A billion values in ten lines."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    return "\n".join([*lines, "name: one", "nodes: *a8", ""]).encode()


@pytest.fixture
def folder(tmp_path):
    fill(tmp_path)
    return tmp_path


def check(folder: Path, name: str, arguments: list[str]) -> None:
    """The command is wrong usage, says just what stands in the golden text, and does nothing."""
    before = tree(folder)
    with watched() as acts:
        result = lab(*arguments)
    assert result.exit_code == 2
    assert acts == []
    assert tree(folder) == before
    told = with_paths_left_out(result.stderr, folder).replace(LONG, "LONG")
    assert result.stdout == ""
    assert not [character for character in told if not character.isprintable() and character not in "\n\t"]
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("LAB_UPDATE_GOLDEN"):
        golden.write_text(told)
    assert told == golden.read_text()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_command_line(name, folder):
    check(folder, name, COMMANDS[name])


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_inventory(name, folder):
    FILES[name](folder / "wrong.yaml")
    check(folder, name, ["up", "-i", "wrong.yaml"])
    for line in (GOLDEN / f"{name}.txt").read_text().splitlines()[1:]:
        assert line.startswith("  wrong.yaml:")
        assert line.split(":")[1].isdigit()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(folder):
    (folder / "inventory.yaml").chmod(0)
    result = lab("up")
    assert result.exit_code == 2
    assert "inventory.yaml:1: the file cannot be read: Permission denied" in result.stderr


@pytest.mark.parametrize(
    "name", [name for name, words in COMMANDS.items() if words[:1] in (["up"], ["verify"], ["down"])]
)
def test_programs_get_the_same_as_a_document(name, folder):
    """What typer cannot parse is told on stderr; everything else is JSON."""
    text, document = lab(*COMMANDS[name]), lab("-o", "json", *COMMANDS[name])
    assert document.exit_code == 2
    if text.stderr.startswith("lab: "):
        error = json.loads(document.stdout)["error"]
        assert error["exit_code"] == 2
        assert error["message"] in text.stderr or "\x1b" in error["message"]
        assert all(problem["line"] >= 1 for problem in error.get("problems", []))


def test_the_corpus_is_whole():
    assert len(COMMANDS) + len(FILES) >= 110
    assert {path.stem for path in GOLDEN.glob("*.txt")} == COMMANDS.keys() | FILES.keys()


def process(script: str) -> subprocess.CompletedProcess:
    """A line of bash in which ``lab`` is the command."""
    command = f'lab() {{ {sys.executable} -m orchestrator "$@"; }}; {script}'
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": ROOT}
    )


ROOT = str(Path(__file__).parents[3])


@pytest.mark.parametrize(
    "script",
    [
        "lab checks -o json | true",
        "lab up -i bad.yaml 2>&1 | true",
        "lab checks >&- 2>&-",
    ],
)
def test_whoever_reads_may_go_away(script, folder):
    result = process(script)
    assert "Traceback" not in result.stderr + result.stdout
    assert "Exception ignored" not in result.stderr


def test_a_full_disk_under_the_output_is_no_traceback(folder):
    result = process("lab checks > /dev/full")
    assert result.returncode not in (0, 1)
    assert "Traceback" not in result.stderr


def test_arguments_that_are_not_utf_8(folder):
    result = process("lab up -o json -i $'\\xff.yaml'")
    assert "Traceback" not in result.stderr + result.stdout
    assert "bug" not in result.stderr + result.stdout
    assert json.loads(result.stdout)["error"]["exit_code"] == 2
