"""What docs/ssh-hosts.md says that is asked in the mode that only looks is what is let through, and nothing else."""

import re

from manual import ROOT

from orchestrator.transport.readonly import COMMANDS, ENGINE_CALLS

PART = (ROOT / "docs" / "ssh-hosts.md").read_text().split("## A swarm that somebody else made")[1].split("\n## ")[0]


def test_the_documented_calls_and_commands_are_those_of_the_gate():
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PART, re.DOTALL | re.MULTILINE)
    calls, commands = (code for language, code in blocks if not language)
    assert tuple(calls.splitlines()) == ENGINE_CALLS
    assert tuple(commands.splitlines()) == COMMANDS
