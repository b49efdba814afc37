"""Processes are found by what they are, and only those are ended."""

import os
import subprocess
from dataclasses import replace

import psutil
import pytest

from orchestrator.errors import EnvironmentProblem
from orchestrator.providers.vm import processes


def pids(found):
    return {process.pid for process in found}


def test_a_label_keeps_nodes_apart(spawn, tmp_path):
    one, ten = spawn("-name", f"{tmp_path}/nodes/n1/"), spawn("-name", f"{tmp_path}/nodes/n10/")
    assert pids(processes.find(f"{tmp_path}/nodes/n1/")) == {one.pid}
    assert pids(processes.find(f"{tmp_path}/nodes/")) == {one.pid, ten.pid}


def test_who_reads_a_file_of_a_machine_is_no_machine(spawn, tmp_path):
    spawn("-f", f"{tmp_path}/nodes/n1/console.log")
    spawn("-i", f"{tmp_path}/login_key", "root@127.0.0.1")
    switch = spawn("-sock", f"{tmp_path}/switch", "-daemon")
    assert pids(processes.find(f"{tmp_path}/")) == {switch.pid}


def test_users_of_a_folder_are_all_that_name_a_file_in_it(spawn, tmp_path):
    reader = spawn("-f", f"{tmp_path}/a/log")
    spawn("-f", f"{tmp_path}/b/log")
    assert processes.find_users(f"{tmp_path}/a/")[0].label == f"{tmp_path}/a/log"
    assert pids(processes.find_users(f"{tmp_path}/a/")) == {reader.pid}


def test_what_has_ended_is_not_found_although_nobody_waited_for_it(tmp_path):
    process = subprocess.Popen(["sh", "-c", ":", "sh", "-name", f"{tmp_path}/n1/"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert processes.find(f"{tmp_path}/") == []
    assert not processes.alive(process.pid)
    process.wait()
    assert not processes.alive(process.pid)


def test_ending_takes_one_process_and_no_other(spawn, tmp_path):
    one, other = spawn("-name", f"{tmp_path}/n1/"), spawn("-name", f"{tmp_path}/n10/")
    processes.end(processes.find(f"{tmp_path}/n1/"))
    assert (processes.alive(one.pid), processes.alive(other.pid)) == (False, True)


def test_a_pid_that_now_belongs_to_another_is_left_alone(spawn, tmp_path):
    process = spawn("-name", f"{tmp_path}/n1/")
    (found,) = processes.find(f"{tmp_path}/")
    processes.end([replace(found, started=found.started - 60)])
    assert processes.alive(process.pid)


def test_what_is_gone_already_needs_no_end(spawn, tmp_path):
    spawn("-name", f"{tmp_path}/n1/")
    found = processes.find(f"{tmp_path}/")
    processes.end(found)
    processes.end(found)


def test_ending_does_not_wait_for_a_parent_that_does_not_care(tmp_path):
    """Who is killed stays a zombie until its parent looks; here the parent never does."""
    script = 'sh -c "echo; kill -STOP \\$\\$" sh -name "$1" & exec sleep 1000'
    parent = subprocess.Popen(
        ["sh", "-c", script, "sh", f"{tmp_path}/n1/"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        parent.stdout.readline()
        (child,) = [found for found in processes.find(f"{tmp_path}/") if found.pid != parent.pid]
        processes.end([child], patience=processes._POLL * 3)
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    finally:
        processes.end(processes.find(f"{tmp_path}/"))
        parent.kill()
        parent.communicate()


def test_a_process_that_survives_is_told(spawn, tmp_path, monkeypatch):
    process = spawn("-name", f"{tmp_path}/n1/")
    monkeypatch.setattr(processes.psutil.Process, "kill", lambda _self: None)
    with pytest.raises(EnvironmentProblem, match=f"{process.pid}.* do not end"):
        processes.end(processes.find(f"{tmp_path}/"), patience=0.1)


def test_a_started_process_outlives_the_terminal_and_logs_into_its_folder(tmp_path, spawn):
    script = f'echo said; echo complained >&2; exec sh -c "kill -STOP \\$\\$" sh -name {tmp_path}/n1/'
    pid = processes.start(["sh", "-c", script], tmp_path, "log", "n1")
    try:
        os.waitid(os.P_PID, pid, os.WSTOPPED)
        assert os.getsid(pid) == pid
        assert processes.tail_of(tmp_path / "log") == ["said", "complained"]
        assert pids(processes.find(f"{tmp_path}/n1/")) == {pid}
    finally:
        processes.end(processes.find(f"{tmp_path}/n1/"))
    assert not processes.alive(pid)


def test_a_started_process_can_be_found_at_once(tmp_path, monkeypatch):
    """Its arguments may be readable a moment later than it is begun."""
    early, whole = [[], []], processes.psutil.Process.cmdline
    monkeypatch.setattr(processes.psutil.Process, "cmdline", lambda self: early.pop() if early else whole(self))
    processes.start(["sh", "-c", "kill -STOP $$", "-name", f"{tmp_path}/n1/"], tmp_path, "log", "n1")
    assert early == []
    found = processes.find(f"{tmp_path}/n1/")
    processes.end(found)
    assert len(found) == 1


def test_a_process_that_ends_at_once_is_started_all_the_same(tmp_path):
    pid = processes.start(["true"], tmp_path, "log", "n1")
    assert os.waitpid(pid, 0) == (pid, 0)


def test_a_program_that_is_missing_is_named(tmp_path):
    with pytest.raises(EnvironmentProblem, match="cannot start no-such-program for n1: No such file"):
        processes.start(["no-such-program"], tmp_path, "log", "n1")


def test_the_tail_of_a_log(tmp_path):
    (tmp_path / "log").write_bytes(b"one\ntwo\n\xff\n")
    assert processes.tail_of(tmp_path / "log", 2) == ["two", "\ufffd"]
    assert processes.tail_of(tmp_path / "none") == []
