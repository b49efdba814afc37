"""Two operators on the same hosts: each has a state folder of his own, the lease lies in the swarm."""

from dataclasses import replace

import pytest
from mesh_standins import MemoryProvider, Recorder, inventory, lab

from orchestrator.apply.lease import take
from orchestrator.apply.site import Site
from orchestrator.errors import Interrupted, LockedError, NodeError
from orchestrator.model.inventory import ProviderKind
from orchestrator.model.lease import NAME
from orchestrator.runtime.holder import this_run
from orchestrator.runtime.state import load_state
from orchestrator.transport.scripted import hosts_of
from orchestrator.usecases.down import down, down_labs
from orchestrator.usecases.status import status
from orchestrator.usecases.up import up

BOB = replace(this_run("lab up"), id="b", user="bob", host="lap", seat="elsewhere")


@pytest.fixture
def hosts() -> MemoryProvider:
    made = MemoryProvider(inventory(ProviderKind.SSH))
    up(Recorder().context, made.inventory, [lab()], made)
    made.fake.changes.clear()
    return made


@pytest.fixture
def run() -> Recorder:
    return Recorder()


def held_by_bob(hosts):
    return take(Site(Recorder().context, hosts_of(hosts.fake), {}, "n1"), "test", None, BOB)


def lease_calls(hosts):
    return [call for call in hosts.fake.changes if "/configs/" in call]


def test_a_changing_command_costs_two_calls_and_one_that_changes_nothing_none(hosts, run):
    up(run.context, hosts.inventory, [lab()], hosts)
    assert hosts.fake.changes == []
    up(run.context, hosts.inventory, [lab(replicas=3)], hosts)
    assert [call.split()[1] for call in lease_calls(hosts)] == ["POST", "DELETE"]


def test_a_down_needs_not_even_give_it_back(hosts, run):
    down(run.context, hosts.inventory, load_state("test"), hosts)
    assert len(lease_calls(hosts)) == 1


@pytest.mark.parametrize(
    "command",
    [
        lambda run, hosts: up(run.context, hosts.inventory, [lab(replicas=3)], hosts),
        lambda run, hosts: down_labs(run.context, hosts.inventory, load_state("test"), ["mesh"], hosts),
        lambda run, hosts: down(run.context, hosts.inventory, load_state("test"), hosts),
    ],
    ids=["up", "down LAB", "down"],
)
def test_nothing_is_changed_while_somebody_else_has_it(hosts, run, command):
    held_by_bob(hosts)
    hosts.fake.changes.clear()
    with pytest.raises(LockedError, match="bob@lap"):
        command(run, hosts)
    assert hosts.fake.changes == []
    assert "bob@lap (`lab up`" in status(run.context, hosts.inventory, hosts).swarm
    assert load_state("test") is not None


def test_on_fresh_hosts_the_engine_lets_only_one_start_the_swarm_and_the_lease_tells_who_goes_on(run, monkeypatch):
    hosts = MemoryProvider(inventory(ProviderKind.SSH))
    plan_up = __import__("orchestrator.usecases.up", fromlist=["plan_up"]).plan_up

    def faster(*wanted):
        """Somebody else starts the swarm and takes the lease after we have planned."""
        plan = plan_up(*wanted)
        spec = {"Labels": {"swarm-mesh-lab.cluster": "test"}}
        hosts_of(hosts.fake)["n1"].engine().init_swarm(swarm_spec=spec)
        held_by_bob(hosts)
        hosts.fake.changes.clear()
        return plan

    monkeypatch.setattr("orchestrator.usecases.up.plan_up", faster)
    with pytest.raises(LockedError, match="bob@lap"):
        up(run.context, hosts.inventory, [lab()], hosts)
    assert hosts.fake.changes == []


def test_steps_stop_when_the_lease_is_lost(hosts, run, monkeypatch):
    def lost(_lease):
        raise LockedError("taken over")

    monkeypatch.setattr("orchestrator.apply.lease.Lease.fence", lost)
    with pytest.raises((LockedError, NodeError)) as caught:
        up(run.context, hosts.inventory, [lab(replicas=3)], hosts)
    assert "taken over" in f"{caught.value.message} {caught.value.details}"
    assert not any("/services/" in call for call in hosts.fake.changes)


def test_it_is_given_back_after_a_failure_and_after_an_interruption(hosts, run, monkeypatch):
    hosts.fake.fail("n1", f"POST /services/{hosts.fake.named('services', 'mesh_web')['ID']}/update", 500, "no", times=9)
    with pytest.raises(NodeError):
        up(run.context, hosts.inventory, [lab(replicas=3)], hosts)
    assert hosts.fake.configs == {}

    def interrupted(context, *_arguments, **_options):
        assert NAME in {raw["Spec"]["Name"] for raw in hosts.fake.configs.values()}
        context.cancel()
        context.check()

    monkeypatch.setattr("orchestrator.usecases.up.apply_plan", interrupted)
    with pytest.raises(Interrupted):
        up(run.context, hosts.inventory, [lab(replicas=4)], hosts)
    assert hosts.fake.configs == {}


def test_machines_of_our_own_need_none(run):
    provider = MemoryProvider(inventory(ProviderKind.VM))
    up(run.context, provider.inventory, [lab()], provider)
    assert lease_calls(provider) == []
