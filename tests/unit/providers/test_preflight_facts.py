"""What the preflight's script prints and what the parsers make of it."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from host_standins import LISTENERS, VERSION, StandInHost, info, output

from orchestrator.errors import NodeError
from orchestrator.model.observed import Problem, SwarmState
from orchestrator.model.preflight import Clock, DockerFacts, HostAddress, HostFacts, HostRoute, Listener
from orchestrator.planning.preflight_host import MODULES
from orchestrator.providers.preflight import (
    SCRIPT,
    host_facts,
    parse_addresses,
    parse_engine,
    parse_facts,
    parse_listeners,
    parse_modules,
    parse_routes,
    parse_sections,
)

NO_ENGINE = Problem("engine", "not asked")


def run_script(folder: Path, **programs: str) -> dict[str, str]:
    """Run the real script in a real shell; ``programs`` are shell scripts that stand before the machine's own."""
    for name, body in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}"}
    result = subprocess.run(["sh", "-c", SCRIPT], capture_output=True, text=True, check=True, env=environment)
    assert result.stderr == ""
    return parse_sections(result.stdout)


def unloaded() -> set[str]:
    """The wanted modules that this machine's kernel does not show as loaded."""
    proc = Path("/proc/modules")
    loaded = {line.split()[0] for line in proc.read_text().splitlines()} if proc.exists() else set()
    return {name for name in MODULES if name not in loaded and not Path("/sys/module", name).exists()}


def test_the_script_runs_in_a_real_shell_and_its_output_is_understood():
    asked = time.time()
    result = subprocess.run(["sh", "-c", SCRIPT], capture_output=True, text=True, check=True)
    answered = time.time()
    facts = parse_facts(result.stdout, asked=asked, answered=answered, engine=NO_ENGINE)
    assert facts.kernel == os.uname().release
    assert set(facts.modules) == set(MODULES)
    assert HostAddress("lo", "127.0.0.1/8") in (facts.addresses or ())
    assert facts.listeners is not None
    assert abs(facts.clock.offset) <= facts.clock.uncertainty + 0.001


@pytest.mark.parametrize(
    ("sudo", "rights"), [("exit 1", "none"), ('[ "$1" = -n ] && shift && exec "$@"', "sudo")], ids=["none", "sudo"]
)
def test_an_ordinary_user_has_the_rights_that_sudo_gives(tmp_path, sudo, rights):
    own_ss = f'touch {tmp_path}/ss-ran; echo "tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*"'
    sections = run_script(tmp_path, id="echo 1000", sudo=sudo, ss=own_ss)
    assert sections["rights"] == rights
    assert parse_listeners(sections["listeners"]) == (Listener("tcp", "0.0.0.0", 22),)


@pytest.mark.parametrize(
    ("modprobe", "state"),
    [
        ("echo insmod /lib/modules/x/ip_vs.ko.xz", "loadable"),
        ("echo install /bin/false", "disabled"),
        ("echo install /usr/bin/true", "disabled"),
        ("exit 1", "unknown"),
    ],
)
def test_a_module_is_in_the_state_that_modprobe_tells(tmp_path, modprobe, state):
    sections = run_script(tmp_path, modprobe=modprobe, uname="echo no-such-kernel")
    states = parse_modules(sections["modules"], "")
    assert {states[name] for name in unloaded()} <= {state}
    assert set(states.values()) <= {state, "loaded"}


def test_the_script_only_reads(tmp_path):
    log = tmp_path / "log"
    programs = {name: f'echo "{name} $*" >> {log}' for name in ("date", "modprobe", "ip", "ss", "ls")}
    programs["sudo"] = f'echo "sudo $*" >> {log}; [ "$1" = -n ] && shift && exec "$@"'
    run_script(tmp_path, id="echo 1000", **programs)
    assert set(log.read_text().splitlines()) == {
        "date +%s.%N",
        "sudo -n true",
        "sudo -n ss -Hlntup",
        "ss -Hlntup",
        "sudo -n ls /run/docker/netns",
        "ls /run/docker/netns",
        "ip -j addr",
        "ip -j -4 route",
        "ip -j -6 route",
        *(f"modprobe -n -v {name}" for name in unloaded()),
    }


def test_the_script_writes_to_no_file():
    assert set(re.findall(r">\s*([^\s;]+)", SCRIPT)) == {"/dev/null"}


def test_facts_of_a_debian_server():
    facts = parse_facts(output(1), asked=999.0, answered=1000.0, engine=NO_ENGINE)
    assert facts == HostFacts(
        user="admin",
        rights="sudo",
        machine_id="00000000000000000000000000000001",
        kernel="6.12.41+deb13-amd64",
        clock=Clock(offset=0.75, uncertainty=0.5),
        docker=DockerFacts(installed=True, socket=True, socket_usable=True, rootless_socket=False),
        engine=NO_ENGINE,
        modules={
            "bridge": "loaded",
            "veth": "loadable",
            "vxlan": "loadable",
            "ip_vs": "loadable",
            "ip_vs_rr": "loadable",
            "xt_ipvs": "builtin",
        },
        listeners=(
            Listener("udp", "127.0.0.54", 53, "systemd-resolve (process 412)"),
            Listener("udp", "127.0.0.53%lo", 53, "systemd-resolve (process 412)"),
            Listener("tcp", "0.0.0.0", 22, "sshd (process 601)"),
            Listener("tcp", "[::]", 22, "sshd (process 601)"),
        ),
        overlays=("1-pwjk9yhqbr",),
        addresses=(
            HostAddress("lo", "127.0.0.1/8"),
            HostAddress("eth0", "192.168.90.11/24"),
            HostAddress("eth0", "fe80::5054:ff:fe12:3456/64"),
        ),
        routes=(HostRoute("eth0", "192.168.90.0/24"), HostRoute("eth0", "fe80::/64")),
    )


@pytest.mark.parametrize("printed", ["", "This account is only for git.\n", "=== clock\n\n=== user\nroot\n"])
def test_a_shell_that_does_not_run_the_script_is_said_to_be_one(printed):
    with pytest.raises(NodeError, match="login shell did not run a shell script"):
        parse_facts(printed, asked=0, answered=1, engine=NO_ENGINE)


def test_busybox_has_no_nanoseconds():
    facts = parse_facts("=== clock\n1000.N\n", asked=1000.0, answered=1000.0, engine=NO_ENGINE)
    assert facts.clock.offset == 0


def test_missing_programs_are_told_apart_from_empty_answers():
    assert parse_listeners("") is None
    assert parse_listeners("/usr/bin/ss") == ()
    assert parse_addresses("") is None
    assert parse_addresses("BusyBox v1.36.1 multi-call binary.") is None
    assert parse_routes("") is None
    assert parse_routes("[ ]\n[ ]") == ()


def test_routes_without_an_interface_are_kept():
    printed = '[{"type":"blackhole","dst":"10.0.0.0/16","flags":[]},{"dst":"10.9.9.9","dev":"tun0","flags":[]}]'
    assert parse_routes(printed) == (HostRoute("", "10.0.0.0/16"), HostRoute("tun0", "10.9.9.9"))


def test_listener_of_a_kernel_socket_has_no_process():
    assert parse_listeners("/usr/bin/ss\nudp UNCONN 0 0 *:4789 *:*") == (Listener("udp", "*", 4789),)


@pytest.mark.parametrize(
    ("state", "config", "wanted"),
    [
        ("unknown", "", "unknown"),
        ("unknown", "CONFIG_IP_VS=y", "builtin"),
        ("unknown", "CONFIG_IP_VS=m\nCONFIG_MODULES=y", "missing"),
        ("unknown", "# CONFIG_MODULES is not set", "missing"),
        ("loaded", "# CONFIG_MODULES is not set", "loaded"),
        ("disabled", "CONFIG_MODULES=y", "disabled"),
    ],
)
def test_the_kernel_configuration_tells_where_modules_do_not(state, config, wanted):
    assert parse_modules(f"ip_vs {state}", config) == {"ip_vs": wanted}


def test_engine_facts():
    engine = parse_engine(VERSION, info(1))
    assert (engine.version, engine.api_version, engine.id, engine.product) == (
        "26.1.5+dfsg1",
        "1.45",
        "engine-1",
        "Engine",
    )
    assert (engine.os_type, engine.swarm, engine.rootless, engine.live_restore) == (
        "linux",
        SwarmState.INACTIVE,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}, "rootless", True),
        ({"LiveRestoreEnabled": True}, "live_restore", True),
        ({"Swarm": {"LocalNodeState": "active"}}, "swarm", SwarmState.ACTIVE),
        ({"Swarm": None}, "swarm", SwarmState.INACTIVE),
        ({"SecurityOptions": None}, "rootless", False),
    ],
)
def test_engine_facts_that_differ(changes, field, value):
    assert getattr(parse_engine(VERSION, info(1, **changes)), field) == value


def test_the_clock_is_measured_against_the_middle_of_the_round_trip():
    ticks = iter([1000.0, 1002.0])
    facts = host_facts(StandInHost("n1", 1, printed=output(1, time=1061.0)), clock=lambda: next(ticks))
    assert isinstance(facts, HostFacts)
    assert facts.clock == Clock(offset=60.0, uncertainty=1.0)


def test_an_engine_that_does_not_answer_leaves_the_other_facts():
    refused = NodeError("the engine cannot be reached: permission denied", node="n1", hint="add the user")
    facts = host_facts(StandInHost("n1", 1, engine_error=refused))
    assert isinstance(facts, HostFacts)
    assert facts.user == "admin"
    assert facts.engine == Problem("engine", "the engine cannot be reached: permission denied", "add the user")


def test_the_sample_listeners_are_what_ss_prints():
    assert len(parse_listeners(f"/usr/bin/ss\n{LISTENERS}") or ()) == 4
