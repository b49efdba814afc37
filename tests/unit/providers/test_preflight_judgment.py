"""What the facts of hosts mean: every rule of the preflight, with what must not trigger it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from host_standins import inventory

from orchestrator.model.inventory import Inventory, SshAddress, SwarmOptions
from orchestrator.model.observed import Problem, SwarmState
from orchestrator.model.preflight import (
    Clock,
    DockerFacts,
    EngineFacts,
    HostAddress,
    HostFacts,
    HostRoute,
    Judgment,
    Listener,
    Reach,
)
from orchestrator.planning.preflight import judge_preflight, ports_between
from orchestrator.planning.preflight_host import MODULES, cluster_address

ENGINE = EngineFacts(
    version="26.1.5",
    api_version="1.45",
    id="engine-1",
    product="Engine",
    os_type="linux",
    swarm=SwarmState.INACTIVE,
    rootless=False,
    live_restore=False,
)


def facts(number: int = 1, **changes: Any) -> HostFacts:
    """A good host whose address ends in 10 + number; ``engine_…`` changes what its engine says."""
    engine = {key.removeprefix("engine_"): changes.pop(key) for key in list(changes) if key.startswith("engine_")}
    good = HostFacts(
        user="admin",
        rights="sudo",
        machine_id=f"machine-{number}",
        kernel="6.12",
        clock=Clock(0.0, 0.2),
        docker=DockerFacts(installed=True, socket=True, socket_usable=True, rootless_socket=False),
        engine=replace(ENGINE, **{"id": f"engine-{number}", **engine}),
        modules=dict.fromkeys(MODULES, "loadable"),
        listeners=(Listener("tcp", "0.0.0.0", 22, "sshd (process 1)"),),
        addresses=(
            HostAddress("lo", "127.0.0.1/8"),
            HostAddress("eth0", f"192.168.90.{10 + number}/24"),
            HostAddress("docker0", "172.17.0.1/16"),
        ),
        routes=(HostRoute("eth0", "192.168.90.0/24"), HostRoute("docker0", "172.17.0.0/16")),
    )
    return replace(good, **changes)


def judge_one(found: HostFacts, subnets: tuple[str, ...] = (), **changes: Any) -> Judgment:
    """Judge host n1 alone; ``changes`` go to its entry in the inventory, ``swarm`` to the inventory."""
    swarm = changes.pop("swarm", SwarmOptions())
    alone = inventory(1, swarm=swarm)
    alone = replace(alone, nodes=(replace(alone.nodes[0], **changes),))
    return judge_preflight(alone, {"n1": found}, subnets)


def judge_three(*found: HostFacts, of: Inventory | None = None) -> Judgment:
    return judge_preflight(of or inventory(), {f"n{number}": one for number, one in enumerate(found, 1)})


def lines(judgment: Judgment) -> tuple[list[str], list[str]]:
    return [str(one) for one in judgment.failures], [str(one) for one in judgment.warnings]


def test_good_hosts_have_nothing_against_them():
    assert judge_three(facts(1), facts(2), facts(3)) == Judgment()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"engine_api_version": "1.40", "engine_version": "19.03.15"}, "API 1.40 (Docker 19.03.15); upgrade"),
        ({"engine_api_version": "1.5"}, "API 1.5 (Docker 26.1.5); upgrade to Docker 20.10 or later (API 1.41)"),
        ({"engine_api_version": "?"}, "API ? (Docker"),
        ({"engine_rootless": True}, "a rootless one, which cannot carry overlay networks"),
        ({"engine_live_restore": True}, 'does not allow together with Swarm; take "live-restore" out'),
        ({"engine_product": "Podman Engine"}, "Podman answers, which has no Swarm"),
        ({"engine_os_type": "windows"}, "an engine for windows; use a Linux host"),
        ({"listeners": None}, "ports in use (ss): the host has no ss; install it: apt-get install iproute2"),
        ({"addresses": None}, "the host has no ip that prints JSON; install it: apt-get install iproute2"),
        ({"routes": None}, "the host has no ip that prints JSON"),
    ],
)
def test_what_one_host_lacks(changes, words):
    failures, warnings = lines(judge_one(facts(**changes)))
    assert len(failures) == 1
    assert words in failures[0]
    assert warnings == []


def test_the_lowest_api_version_passes():
    assert judge_one(facts(engine_api_version="1.41")) == Judgment()


@pytest.mark.parametrize(
    ("docker", "rights", "words"),
    [
        ((False, False, False, False), "sudo", "Docker: not installed; install it"),
        ((True, False, False, False), "sudo", "does not exist: Docker does not run; start it: systemctl start docker"),
        ((True, False, False, True), "none", "a rootless one, which cannot carry overlay networks"),
        (
            (True, True, False, False),
            "none",
            "the user admin may not use it; run there as root: usermod -aG docker admin",
        ),
        ((True, True, False, False), "sudo", "GET /info: it hung; look on the host"),
        ((True, True, True, True), "none", "GET /info: it hung; look on the host"),
    ],
)
def test_why_an_engine_does_not_answer(docker, rights, words):
    found = facts(engine=Problem("timeout", "it hung"), docker=DockerFacts(*docker), rights=rights)
    failures, _ = lines(judge_one(found))
    assert len(failures) == 1
    assert words in failures[0]


@pytest.mark.parametrize(
    ("state", "failures", "warnings"),
    [("loaded", 0, 0), ("builtin", 0, 0), ("loadable", 0, 0), ("missing", 1, 0), ("disabled", 1, 0), ("unknown", 0, 1)],
)
@pytest.mark.parametrize("module", MODULES)
def test_kernel_modules(module, state, failures, warnings):
    judgment = judge_one(facts(modules=dict.fromkeys(MODULES, "loadable") | {module: state}))
    assert (len(judgment.failures), len(judgment.warnings)) == (failures, warnings)
    assert all(module in one.asked for one in (*judgment.failures, *judgment.warnings))


def test_modules_that_lack_alike_share_a_line():
    states = dict.fromkeys(MODULES, "loaded") | {"ip_vs": "missing", "xt_ipvs": "missing", "veth": "disabled"}
    judgment = judge_one(facts(modules=states))
    assert [one.asked for one in judgment.failures] == ["kernel modules ip_vs, xt_ipvs", "kernel modules veth"]


@pytest.mark.parametrize(
    ("listener", "taken"),
    [
        (
            Listener("tcp", "0.0.0.0", 2377, "nginx (process 7)"),
            "port 2377/tcp: in use on 0.0.0.0 by nginx (process 7)",
        ),
        (Listener("tcp", "[::]", 7946), "port 7946/tcp: in use on [::] by the kernel"),
        (Listener("udp", "127.0.0.1", 7946, "x (process 1)"), "port 7946/udp: in use on 127.0.0.1"),
        (Listener("udp", "*", 4789), "or choose another port with swarm.data_path_port"),
        (Listener("tcp", "*", 4789), ""),
        (Listener("udp", "*", 2377), ""),
        (Listener("udp", "*", 8472), ""),
    ],
)
def test_ports_that_something_else_uses(listener, taken):
    failures, _ = lines(judge_one(facts(listeners=(listener,))))
    assert bool(failures) == bool(taken)
    assert all(taken in line for line in failures)


def test_the_data_path_port_is_the_inventorys():
    found = facts(listeners=(Listener("udp", "*", 4789), Listener("udp", "*", 8472)))
    failures, _ = lines(judge_one(found, swarm=SwarmOptions(data_path_port=8472)))
    assert [line.split(":")[1].strip() for line in failures] == ["port 8472/udp"]


LEFT = ("1-pwjk9yhqbr",)


def test_what_an_engine_left_behind_when_it_was_stopped_is_a_warning():
    failures, warnings = lines(judge_one(facts(listeners=(Listener("udp", "*", 4789),), overlays=LEFT)))
    assert failures == []
    assert warnings == [
        (
            "n1: port 4789/udp: held by what an earlier swarm left in /run/docker/netns: 1-pwjk9yhqbr; "
            "Docker takes it over; it is gone after a reboot"
        )
    ]


@pytest.mark.parametrize("listener", [Listener("udp", "*", 4789, "x (process 1)"), Listener("udp", "*", 7946)])
def test_beside_what_an_engine_left_behind_a_port_can_be_taken_all_the_same(listener):
    failures, warnings = lines(judge_one(facts(listeners=(listener,), overlays=LEFT)))
    assert len(failures) == 1
    assert warnings == []


def test_docker_itself_listens_where_a_swarm_is_active():
    listeners = (Listener("tcp", "*", 2377), Listener("tcp", "*", 7946), Listener("udp", "*", 4789))
    assert judge_one(facts(listeners=listeners, engine_swarm=SwarmState.ACTIVE)) == Judgment()


def test_a_worker_needs_no_manager_port():
    taken = facts(2, listeners=(Listener("tcp", "*", 2377, "nginx (process 7)"),))
    assert judge_three(facts(1), taken, facts(3)) == Judgment()


def test_without_rights_the_process_is_not_known():
    failures, _ = lines(judge_one(facts(listeners=(Listener("tcp", "*", 7946),), rights="none")))
    assert "a process we may not see" in failures[0]


ADVICE = "set it to one of: 192.168.90.11 (eth0), 172.17.0.1 (docker0)"


@pytest.mark.parametrize(
    ("node", "failure"),
    [
        ({"advertise_addr": "192.168.90.11"}, ""),
        ({"advertise_addr": "eth0"}, ""),
        ({"advertise_addr": "eth0", "data_path_addr": "docker0"}, ""),
        ({"advertise_addr": "10.1.1.1"}, "n1: advertise_addr 10.1.1.1: no such address or interface on the host; "),
        ({"advertise_addr": "eth1"}, "n1: advertise_addr eth1: no such address or interface on the host; "),
        ({"data_path_addr": "ens9"}, "n1: data_path_addr ens9: no such address or interface on the host; "),
        (
            {"ssh": SshAddress("web1.example")},
            "n1: advertise_addr: not given, and ssh.host is not an address of the cluster; ",
        ),
        (
            {"ssh": SshAddress("127.0.0.1", 31022)},
            "n1: advertise_addr: not given, and ssh.host is not an address of the cluster; ",
        ),
        (
            {"ssh": SshAddress("203.0.113.5")},
            "n1: advertise_addr 203.0.113.5: no such address or interface on the host; ",
        ),
        ({"ssh": SshAddress("127.0.0.1", 31022), "advertise_addr": "192.168.90.11"}, ""),
    ],
)
def test_the_swarms_addresses_must_be_the_hosts_own(node, failure):
    failures, warnings = lines(judge_one(facts(), **node))
    assert failures == ([failure + ADVICE] if failure else [])
    assert warnings == []


def test_an_interface_stands_for_its_first_ipv4_address():
    found = facts(
        addresses=(
            HostAddress("eth1", "fe80::1/64"),
            HostAddress("eth1", "fd00::7/64"),
            HostAddress("eth1", "10.7.0.7/24"),
        )
    )
    node = replace(inventory(1).nodes[0], advertise_addr="eth1")
    assert cluster_address(node, found) == "10.7.0.7"


@pytest.mark.parametrize(
    ("host_network", "pools", "subnets", "failures", "warnings"),
    [
        ("172.20.0.0/16", (), (), 0, 0),
        ("10.0.0.0/16", (), (), 1, 0),  # holds the ingress network that Docker cuts first
        ("10.20.0.0/16", (), (), 0, 1),  # somewhere in the default pool
        ("10.20.0.0/16", ("10.30.0.0/16",), (), 0, 0),
        ("10.20.0.0/16", ("10.16.0.0/12",), (), 1, 0),
        ("10.0.9.128/25", ("10.64.0.0/16",), ("10.0.9.0/24",), 1, 0),
        ("10.0.8.0/24", ("10.64.0.0/16",), ("10.0.9.0/24",), 0, 0),
        ("0.0.0.0/1", (), ("10.0.9.0/24",), 0, 0),  # a VPN's default route
        ("fd00::/8", ("10.64.0.0/16",), (), 0, 0),
        ("10.0.9.7", ("10.64.0.0/16",), ("10.0.9.0/24",), 1, 0),
    ],
)
def test_overlay_networks_must_not_hide_the_hosts(host_network, pools, subnets, failures, warnings):
    routes = (*facts().routes, HostRoute("eth7", host_network))
    judgment = judge_one(facts(routes=routes), subnets, swarm=SwarmOptions(default_addr_pool=pools))
    assert (len(judgment.failures), len(judgment.warnings)) == (failures, warnings)
    assert all("on eth7" in one.answer for one in (*judgment.failures, *judgment.warnings))


def test_a_bridge_of_docker_counts_only_where_it_overlaps():
    judgment = judge_one(facts(), ("172.17.0.0/24",))
    assert [one.answer for one in judgment.failures] == ["overlaps 172.17.0.0/16 on docker0"]


def test_an_address_and_its_route_are_one_network():
    judgment = judge_one(facts(), ("192.168.90.0/28",))
    assert [one.answer for one in judgment.failures] == ["overlaps 192.168.90.0/24 on eth0"]


@pytest.mark.parametrize(
    ("offsets", "failures", "warnings"),
    [
        ((0.0, 5.3, 0.0), [], []),  # 5.3 s apart, measured to ± 0.4 s: not certainly more than 5
        ((0.0, 6.0, 0.0), [], ["n2: clock: 6 s ahead of that of n3"]),
        ((0.0, 0.0, -90.0), ["n3: clock: 90 s behind that of n1"], []),
        ((3600.0, 3600.0, 3600.0), [], []),  # the operator's own clock is wrong: no matter
    ],
)
def test_clocks_are_compared_with_each_other(offsets, failures, warnings):
    found = [facts(number, clock=Clock(offset, 0.2)) for number, offset in enumerate(offsets, 1)]
    judged = lines(judge_three(*found))
    assert [line.partition(";")[0] for line in judged[0]] == failures
    assert [line.partition(";")[0] for line in judged[1]] == warnings


def test_a_slow_answer_is_not_held_against_a_clock():
    assert judge_three(facts(1), facts(2, clock=Clock(30.0, 28.0)), facts(3)) == Judgment()


@pytest.mark.parametrize(
    ("changes", "failures", "warnings"),
    [
        ({"machine_id": "machine-1", "engine_id": "engine-1"}, ["machine-id and engine id"], []),
        ({"machine_id": "machine-1"}, [], ["machine-id"]),
        ({"engine_id": "engine-1"}, [], ["engine id"]),
    ],
)
def test_two_names_for_one_machine(changes, failures, warnings):
    judgment = judge_three(facts(1), facts(2), facts(3, **changes))
    assert ([one.asked for one in judgment.failures], [one.asked for one in judgment.warnings]) == (failures, warnings)
    assert {one.node for one in (*judgment.failures, *judgment.warnings)} == {"n3"}


def test_ids_that_are_not_known_are_not_equal():
    first, second = (facts(number, machine_id="", engine_id="") for number in (1, 2))
    assert judge_three(first, second, facts(3)) == Judgment()


def test_managers_serve_one_port_more():
    assert [ports_between(node) for node in inventory(2).nodes] == [(2377, 7946), (7946,)]


def reaching(number: int, target: str, port: int, outcome: str, message: str = "") -> HostFacts:
    return facts(number, reach=(Reach(target, "192.168.90.99", port, outcome, message),))


@pytest.mark.parametrize("outcome", ["open", "refused"])
def test_a_port_that_packets_reach_is_fine(outcome):
    assert judge_three(facts(1), reaching(2, "n1", 7946, outcome), facts(3)) == Judgment()


def test_hosts_that_see_the_same_shut_port_share_a_line():
    judgment = judge_three(facts(1), reaching(2, "n1", 7946, "timeout"), reaching(3, "n1", 7946, "timeout"))
    assert [(one.node, one.asked, one.answer) for one in judgment.failures] == [
        ("n1", "TCP connection from n2, n3 to 192.168.90.99 port 7946", "no answer")
    ]


def test_an_unreachable_host_says_why():
    judgment = judge_three(facts(1), reaching(2, "n1", 7946, "unreachable", "No route to host"), facts(3))
    assert [(one.node, one.answer) for one in judgment.failures] == [("n1", "No route to host")]


@pytest.mark.parametrize(
    ("outcome", "advice"), [("prohibited", "AllowTcpForwarding yes"), ("dead", "journalctl -u ssh")]
)
def test_an_sshd_that_opens_no_connections_is_the_vantages_fault(outcome, advice):
    judgment = judge_three(facts(1), reaching(2, "n1", 7946, outcome, "said so"), facts(3))
    assert [(one.node, one.answer) for one in judgment.failures] == [("n2", "said so")]
    assert advice in judgment.failures[0].advice


def test_a_host_that_cannot_be_asked_does_not_stop_the_others_being_judged():
    refused = Problem("refused", "connection refused", "")
    judgment = judge_preflight(inventory(2), {"n1": refused, "n2": facts(2, engine_rootless=True)})
    assert [one.node for one in judgment.failures] == ["n1", "n2"]
    assert str(judgment.failures[0]) == (
        "n1: SSH login as admin at 192.168.90.11: connection refused; try it by hand: lab ssh n1"
    )


@pytest.mark.parametrize("kind", ["unreachable", "timeout", "refused"])
def test_hosts_out_of_reach_do_not_keep_the_others_from_being_used(kind):
    """Neither do their ports that the others cannot reach."""
    away = Problem(kind, "no answer", "")
    judgment = judge_preflight(inventory(2), {"n1": away, "n2": reaching(2, "n1", 7946, "timeout", "no answer")})
    assert judgment.failures == ()
    assert [one.node for one in judgment.warnings] == ["n1", "n1"]


@pytest.mark.parametrize("kind", ["auth", "host-key", "engine"])
def test_a_host_that_does_not_let_us_in_stops_everything(kind):
    judgment = judge_preflight(inventory(2), {"n1": Problem(kind, "no", ""), "n2": facts(2)})
    assert [one.node for one in judgment.failures] == ["n1"]


def test_where_no_host_answers_nothing_can_be_done():
    away = Problem("timeout", "no answer", "")
    assert len(judge_preflight(inventory(2), {"n1": away, "n2": away}).failures) == 2


def test_why_sudo_does_not_help_outdoes_the_advice_to_allow_it():
    """The user may use sudo, with a password that nobody told."""
    problem = Problem("auth", "sudo wants the password of admin, and nobody is there to ask for it", "use a terminal")
    docker = DockerFacts(installed=True, socket=True, socket_usable=False, rootless_socket=False)
    failures, _ = lines(judge_one(facts(engine=problem, docker=docker, rights="none")))
    assert failures == [f"n1: GET /info: {problem.message}; use a terminal"]


def test_an_engine_that_does_not_listen_where_it_was_said():
    docker = DockerFacts(installed=True, socket=False, socket_usable=False, rootless_socket=False)
    found = facts(engine=Problem("engine", "nothing there"), docker=docker)
    failures, _ = lines(judge_one(found, ssh=SshAddress("192.168.90.11", docker_socket="/run/other.sock")))
    assert "n1: /run/other.sock: does not exist" in failures[0]
    assert "or correct ssh.docker_socket" in failures[0]
