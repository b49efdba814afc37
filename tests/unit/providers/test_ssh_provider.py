"""The provider of hosts that exist: one standing connection each, all failures at once, nothing changed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Barrier, BrokenBarrierError, Event
from typing import Any

import pytest
from host_standins import LISTENERS, StandInHost, info, inventory, output

from orchestrator.errors import HostKeyChanged, Interrupted, NodeError
from orchestrator.model.events import Notice
from orchestrator.model.inventory import SshAddress
from orchestrator.planning.pairs import ALL_UP_TO, NEIGHBOURS
from orchestrator.providers import make_provider
from orchestrator.providers.preflight import SCRIPT
from orchestrator.providers.ssh import SshProvider
from orchestrator.runtime.context import Context
from orchestrator.transport.base import ChannelFailed


class Hosts:
    """Opens connections to stand-ins; a name mapped to an error cannot be reached."""

    def __init__(self, **hosts: StandInHost | NodeError) -> None:
        self.hosts = hosts
        self.opened: list[str] = []

    def connect(self, context: Context, address: SshAddress, *, name: str, timeout: float) -> Any:
        self.opened.append(name)
        host = self.hosts[name]
        if isinstance(host, NodeError):
            raise host
        host.alive = True
        return host


@pytest.fixture
def events() -> list[object]:
    return []


@pytest.fixture
def context(events: list[object]) -> Context:
    return Context(events.append)


def three_hosts(**changes: StandInHost | NodeError) -> Hosts:
    return Hosts(**{f"n{number}": StandInHost(f"n{number}", number) for number in (1, 2, 3)} | changes)


def provider_of(hosts: Hosts, **options: Any) -> SshProvider:
    return SshProvider(inventory(), connect=hosts.connect, **options)


def test_the_subnets_of_the_labs_are_examined_too(context, tmp_path):
    provider = make_provider(inventory(), tmp_path, ["192.168.0.0/16"])
    provider._connect = three_hosts().connect
    with pytest.raises(NodeError) as caught:
        provider.ensure(context)
    assert all("the lab's subnet 192.168.0.0/16" in line for line in caught.value.details)


def test_of_many_hosts_only_some_ways_are_tried(context):
    count = ALL_UP_TO + 10
    hosts = Hosts(**{f"n{number}": StandInHost(f"n{number}", number) for number in range(1, count + 1)})
    SshProvider(inventory(count), connect=hosts.connect).ensure(context)
    tried = {name: [call for call in host.calls if call.startswith("tcp")] for name, host in hosts.hosts.items()}
    manager = {"tcp 192.168.90.11:2377", "tcp 192.168.90.11:7946"}
    assert all(manager <= set(calls) for name, calls in tried.items() if name != "n1")
    assert sum(map(len, tried.values())) <= count * (len(manager) + NEIGHBOURS + 1)


def test_healthy_hosts_pass_and_nothing_is_started(context, events):
    assert provider_of(three_hosts()).ensure(context) == ()
    assert events == []


def test_the_preflight_changes_nothing(context):
    hosts = three_hosts()
    provider_of(hosts).ensure(context)
    for host in hosts.hosts.values():
        assert isinstance(host, StandInHost)
        asked = {call for call in host.calls if not call.startswith("tcp ")}
        script = f"run {['sh', '-c', SCRIPT, 'sh', '/var/run/docker.sock']}"
        assert asked == {script, "GET /version", "GET /info"}
        assert host.calls.count(script) == 1


def test_every_host_tries_the_swarm_ports_of_every_other(context):
    hosts = three_hosts()
    provider_of(hosts).ensure(context)
    tried = {name: {call for call in host.calls if call.startswith("tcp ")} for name, host in hosts.hosts.items()}
    n1, n2, n3 = (
        {"tcp 192.168.90.11:2377", "tcp 192.168.90.11:7946"},
        "tcp 192.168.90.12:7946",
        "tcp 192.168.90.13:7946",
    )
    assert tried == {"n1": {n2, n3}, "n2": {*n1, n3}, "n3": {*n1, n2}}


def test_all_failures_of_all_hosts_come_at_once(context):
    port_taken = LISTENERS + '\ntcp LISTEN 0 511 *:7946 *:* users:(("consul",pid=77,fd=6))'
    hosts = three_hosts(
        n1=StandInHost("n1", 1, printed=output(1, listeners=port_taken, ip_vs="missing")),
        n2=NodeError("connection refused", node="n2", kind="refused", hint="is sshd running?"),
        n3=StandInHost("n3", 3, shut={("192.168.90.11", 2377): ChannelFailed("timeout", "Connection timed out")}),
    )
    with pytest.raises(NodeError) as caught:
        provider_of(hosts, subnets=["192.168.0.0/16"]).ensure(context)
    assert caught.value.message == "3 of 3 hosts failed the preflight; nothing was changed"
    assert caught.value.details == (
        (
            "n1: kernel modules ip_vs: not there for the running kernel 6.12.41+deb13-amd64; boot a kernel that has "
            "them (Debian: linux-image-amd64; Ubuntu: linux-modules-extra)"
        ),
        "n1: port 7946/tcp: in use on * by consul (process 77); stop what uses it",
        (
            "n1: networks of the host against the lab's subnet 192.168.0.0/16: overlaps 192.168.90.0/24 on eth0; "
            "choose another subnet"
        ),
        (
            "n1: TCP connection from n3 to 192.168.90.11 port 2377: no answer; let 2377/tcp through between all nodes "
            "(firewalls, security groups), and check advertise_addr"
        ),
        "n2: SSH login as admin at 192.168.90.12: connection refused; is sshd running?",
        (
            "n3: networks of the host against the lab's subnet 192.168.0.0/16: overlaps 192.168.90.0/24 on eth0; "
            "choose another subnet"
        ),
    )


def test_a_host_whose_script_fails_does_not_hide_the_others(context):
    hosts = three_hosts(n2=StandInHost("n2", 2, printed="This account is only for git.\n"))
    with pytest.raises(NodeError) as caught:
        provider_of(hosts).ensure(context)
    assert [line for line in caught.value.details if "only for git" in line]
    assert caught.value.message.startswith("1 of 3 hosts")


def test_a_bug_is_not_taken_for_a_bad_host(context):
    hosts = three_hosts()
    hosts.hosts["n2"] = None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        provider_of(hosts).ensure(context)


def test_warnings_are_told_and_do_not_stop(context, events):
    hosts = three_hosts(n2=StandInHost("n2", 2, said=info(1)))
    provider_of(hosts).ensure(context)
    message = (
        "n2: engine id: is that of n1 too, as in a clone; give each clone its own: "
        "remove /var/lib/docker/engine-id on one of them and start it again"
    )
    assert events == [Notice(message, "warning", "n2")]


def test_one_connection_stands_per_node_however_many_ask(context):
    hosts, both_inside = three_hosts(), Barrier(2)

    def connect(context: Context, address: SshAddress, *, name: str, timeout: float) -> Any:
        with suppress(BrokenBarrierError):
            both_inside.wait(0.2)  # a second thread that came in here too would be met
        return hosts.connect(context, address, name=name, timeout=timeout)

    provider = SshProvider(inventory(), connect=connect)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(provider.connect, context, inventory().node("n1")) for _ in range(2)]
    assert {future.result() for future in asked} == {hosts.hosts["n1"]}
    assert hosts.opened == ["n1"]


def test_a_slow_host_does_not_hold_up_another(context):
    hosts = three_hosts()
    n1_may_answer, original = Event(), hosts.connect

    def connect(context: Context, address: SshAddress, *, name: str, timeout: float) -> Any:
        if name == "n1":
            assert n1_may_answer.wait(10)
        return original(context, address, name=name, timeout=timeout)

    provider = SshProvider(inventory(), connect=connect)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(provider.connect, context, inventory().node("n1"))
        assert provider.connect(context, inventory().node("n2")) is hosts.hosts["n2"]
        n1_may_answer.set()
        assert slow.result() is hosts.hosts["n1"]


def test_a_connection_that_died_is_opened_anew(context):
    hosts = three_hosts()
    provider = provider_of(hosts)
    node = inventory().node("n1")
    host = provider.connect(context, node)
    assert provider.connect(context, node) is host
    hosts.hosts["n1"].alive = False  # type: ignore[union-attr]
    provider.connect(context, node)
    assert hosts.opened == ["n1", "n1"]
    assert hosts.hosts["n1"].closed == 1  # type: ignore[union-attr]


def test_a_failed_connection_is_tried_again(context):
    hosts = three_hosts(n1=NodeError("no route", node="n1"))
    provider = provider_of(hosts)
    with pytest.raises(NodeError, match="no route"):
        provider.connect(context, inventory().node("n1"))
    hosts.hosts["n1"] = StandInHost("n1", 1)
    assert provider.connect(context, inventory().node("n1")).name == "n1"


def test_nothing_is_connected_after_an_interrupt(context):
    context.cancel()
    hosts = three_hosts()
    with pytest.raises(Interrupted):
        provider_of(hosts).ensure(context)
    assert hosts.opened == []


def test_an_interrupt_during_the_preflight_closes_the_connections(context):
    hosts = three_hosts()
    first = hosts.hosts["n1"]
    assert isinstance(first, StandInHost)
    original = first.run

    def run(*args: Any, **options: Any) -> Any:
        context.cancel()
        return original(*args, **options)

    first.run = run  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        provider_of(hosts).ensure(context)
    assert first.closed >= 1


def test_destroy_closes_the_connections_and_leaves_the_hosts(context):
    hosts = three_hosts()
    provider = provider_of(hosts)
    provider.ensure(context)
    before = [list(host.calls) for host in hosts.hosts.values() if isinstance(host, StandInHost)]
    assert provider.destroy(context) == ()
    assert [(host.closed, host.calls) for host in hosts.hosts.values() if isinstance(host, StandInHost)] == [
        (1, calls) for calls in before
    ]
    assert provider.destroy(context) == ()


def test_machines_are_foreign_and_not_asked():
    hosts = three_hosts()
    machines = provider_of(hosts).machines()
    assert [(machine.name, machine.state) for machine in machines] == [(f"n{i}", "foreign") for i in (1, 2, 3)]
    assert machines[0].detail == "admin@192.168.90.11:22"
    assert hosts.opened == []


def test_a_node_without_an_ssh_address_says_what_to_write():
    node = replace(inventory().node("n1"), ssh=None)
    with pytest.raises(NodeError, match="no ssh address") as caught:
        provider_of(three_hosts()).address(node)
    assert "ssh.host" in caught.value.hint


def route(host: str, resolve: Any) -> Any:
    node = replace(inventory().node("n1"), ssh=SshAddress(host=host, port=31022, user="root"))
    return provider_of(three_hosts(), resolve=resolve).operator_route(node, 8080)


def test_the_operator_goes_where_ssh_goes_by_ipv4():
    found = route("web1.example", lambda name: {"web1.example": "203.0.113.5"}[name])
    assert (found.address, found.port, found.absent) == ("203.0.113.5", 8080, "")


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1"), ("tunnel", "127.0.1.1")])
def test_a_forwarded_ssh_port_is_no_way_to_a_published_port(host, address):
    found = route(host, lambda _: address)
    assert (found.address, found.port) == ("", 0)
    assert found.absent == f"SSH reaches n1 through a port of this machine (root@{host}:31022)"


def test_a_published_port_is_not_behind_a_jump_host():
    node = replace(inventory().node("n1"), ssh=SshAddress("192.0.2.7", jump=("me@bastion.example",)))
    found = provider_of(three_hosts()).operator_route(node, 8080)
    assert found.absent == "SSH reaches n1 through bastion.example, which forwards nothing else"


def test_a_changed_key_of_one_host_stops_the_preflight_of_all(context):
    hosts = three_hosts(n2=HostKeyChanged("the host key has changed", node="n2", hint="compare"))
    with pytest.raises(HostKeyChanged):
        provider_of(hosts).ensure(context)


def test_the_engine_s_socket_of_the_inventory_is_looked_at(context):
    hosts, inv = three_hosts(), inventory()
    first = replace(inv.nodes[0], ssh=replace(inv.nodes[0].ssh, docker_socket="/run/other.sock"))
    SshProvider(replace(inv, nodes=(first, *inv.nodes[1:])), connect=hosts.connect).ensure(context)
    assert f"run {['sh', '-c', SCRIPT, 'sh', '/run/other.sock']}" in hosts.hosts["n1"].calls


def test_a_host_without_an_ipv4_address_is_out_of_the_operators_reach():
    def resolve(_: str) -> str:
        raise OSError(-9, "Address family for hostname not supported")

    assert route("2001:db8::5", resolve).absent == (
        "2001:db8::5 has no IPv4 address here: Address family for hostname not supported"
    )


def test_addresses_are_resolved_without_asking_anybody():
    assert provider_of(three_hosts()).operator_route(inventory().node("n2"), 80).address == "192.168.90.12"
