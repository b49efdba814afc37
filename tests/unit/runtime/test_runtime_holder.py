"""Whether the holder of a lease still lives, told only of processes of this very machine."""

import os
import subprocess
import sys
from dataclasses import replace

from orchestrator.runtime.holder import has_ended, this_run


def test_a_run_that_lives_has_not_ended():
    assert not has_ended(this_run("lab up"))
    assert this_run("lab up").id != this_run("lab up").id


def test_a_process_that_is_gone_has_ended():
    code = "from orchestrator.runtime.holder import this_run; print(vars(this_run('lab up')))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    here = this_run("lab up")
    holder = replace(here, **eval(said))
    assert holder.seat == here.seat
    assert has_ended(holder)


def test_a_pid_that_another_process_has_now_has_ended():
    assert has_ended(replace(this_run("lab up"), born=1))


def test_nothing_is_known_of_another_machine_or_another_namespace():
    assert not has_ended(replace(this_run("lab up"), seat="another boot", pid=2**22 + os.getpid()))
    assert not has_ended(replace(this_run("lab up"), seat="", pid=2**22 + os.getpid()))
