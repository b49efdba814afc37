"""Open files: the soft limit is raised as far as it takes, and what cannot be is told before anything starts.

Limits are a process's own, so each case runs in one of its own.
"""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, resource, sys
from orchestrator.errors import EnvironmentProblem
from orchestrator.runtime.limits import room_for
soft, hard, connections = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
try:
    room_for(connections)
    said = ["", ""]
except EnvironmentProblem as error:
    said = [error.message, error.hint]
print(json.dumps([*resource.getrlimit(resource.RLIMIT_NOFILE), *said]))
"""


def after(soft: int, hard: int, connections: int) -> tuple[int, int, str, str]:
    words = [sys.executable, "-c", PROGRAM, str(soft), str(hard), str(connections)]
    return tuple(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout))


@pytest.mark.parametrize(("connections", "raised"), [(3, False), (400, True)])
def test_the_soft_limit_is_raised_only_where_it_is_needed(connections, raised):
    soft, hard, message, _ = after(256, 1024, connections)
    assert (soft > connections + 100, hard, message) == (True, 1024, "")
    assert (soft > 256) is raised


def test_a_hard_limit_that_is_too_low_is_told_with_what_it_takes():
    soft, hard, message, hint = after(256, 512, 1000)
    assert (soft, hard) == (256, 512)
    assert "1000 connections need about 11" in message
    assert "may have 512" in message
    assert "ulimit -Hn 11" in hint
