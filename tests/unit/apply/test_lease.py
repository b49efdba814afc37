"""The lease in a swarm in memory: taken by one only, renewed, lost, and given back."""

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from apply_support import InstantContext

from orchestrator.apply import lease as lease_module
from orchestrator.apply.lease import Lease, take
from orchestrator.apply.site import Site
from orchestrator.errors import LockedError, NodeError
from orchestrator.model.events import Notice
from orchestrator.model.lease import HOLDER, NAME, RENEWED
from orchestrator.observe.look import observe_node, observe_swarm
from orchestrator.planning.lease import FENCE, TERM
from orchestrator.runtime.holder import this_run
from orchestrator.transport.fakeswarm import FakeSwarm
from orchestrator.transport.scripted import hosts_of

ALICE = replace(this_run("lab up"), id="a", user="alice", host="desk")
BOB = replace(this_run("lab down"), id="b", user="bob", host="lap", seat="elsewhere")


class Clock:
    """The time of one operator's machine, in seconds."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def swarm() -> FakeSwarm:
    fake = FakeSwarm("n1", "n2")
    hosts_of(fake)["n1"].engine().init_swarm(swarm_spec={"Labels": {"swarm-mesh-lab.cluster": "dev"}})
    fake.changes.clear()
    return fake


@pytest.fixture
def site(swarm, events) -> Site:
    return Site(InstantContext(events), hosts_of(swarm), {}, "n1")


@pytest.fixture(autouse=True)
def by_hand(monkeypatch):
    """Nothing is renewed in the background."""
    monkeypatch.setattr(lease_module, "RENEW", 1e6)


def seen(swarm):
    """The lease as another operator's look shows it."""
    host = hosts_of(swarm)["n1"]
    return observe_swarm(host, "n1", observe_node(host, ()).clock).lease


def later(swarm, seconds):
    swarm.clock += timedelta(seconds=seconds)


def test_taking_and_giving_back_are_one_call_each(swarm, site):
    held = take(site, "dev", seen(swarm), ALICE)
    assert seen(swarm).holder == ALICE
    held.fence()
    held.release(site)
    assert [change.split()[1] for change in swarm.changes] == ["POST", "DELETE"]
    assert seen(swarm) is None
    assert swarm.configs == {}


def test_who_holds_it_is_told_with_since_and_until(swarm, site):
    take(site, "dev", None, ALICE)
    later(swarm, 20)
    with pytest.raises(LockedError, match=r"alice@desk \(`lab up`, pid \d+\) works on .* since .* at least until"):
        take(site, "dev", seen(swarm), BOB)
    assert seen(swarm).holder == ALICE


def test_of_two_that_saw_none_only_one_has_it(swarm, site):
    take(site, "dev", None, ALICE)
    with pytest.raises(LockedError, match="alice@desk"):
        take(site, "dev", None, BOB)


def test_one_whose_first_answer_was_lost_has_it_all_the_same(swarm, site):
    first = take(site, "dev", None, ALICE)
    first.end()
    take(site, "dev", None, ALICE).release(site)
    assert seen(swarm) is None


def test_a_lease_that_was_not_renewed_for_a_term_is_taken_over_and_its_holder_notices(swarm, site):
    clock = Clock()
    slept = take(site, "dev", None, BOB, clock)
    later(swarm, TERM + 1)
    thief = take(site, "dev", seen(swarm), ALICE)
    clock.now += TERM + 1
    with pytest.raises(LockedError, match="taken over"):
        slept.fence()
    slept.release(site)
    assert seen(swarm).holder == ALICE
    thief.fence()


def test_two_that_find_it_expired_do_not_both_get_it(swarm, site):
    take(site, "dev", None, BOB)
    later(swarm, TERM + 1)
    expired = seen(swarm)
    take(site, "dev", expired, ALICE)
    with pytest.raises(LockedError, match="alice@desk"):
        take(site, "dev", expired, replace(BOB, id="c"))


def test_a_holder_of_this_machine_that_was_killed_is_not_waited_for(swarm, site):
    take(site, "dev", None, replace(ALICE, born=1))
    take(site, "dev", seen(swarm), replace(ALICE, id="again"))
    assert seen(swarm).holder.id == "again"


def test_a_renewed_lease_is_young_again(swarm, site):
    held = take(site, "dev", None, BOB)
    later(swarm, TERM - 1)
    held.renew()
    later(swarm, TERM - 1)
    assert seen(swarm).age == TERM - 1
    with pytest.raises(LockedError, match="bob@lap"):
        take(site, "dev", seen(swarm), ALICE)
    assert swarm.named("configs", NAME)["Spec"]["Labels"][RENEWED] == "1"


def test_it_is_renewed_in_the_background(swarm, site, monkeypatch):
    monkeypatch.setattr(lease_module, "RENEW", 0.01)
    held = take(site, "dev", None, BOB)
    labels = swarm.named("configs", NAME)["Spec"]["Labels"]
    while labels[RENEWED] == "0":  # the test's own time-out ends this
        labels = swarm.named("configs", NAME)["Spec"]["Labels"]
    held.release(site)


def test_a_renewal_that_fails_is_told_and_tried_again(swarm, site, events, monkeypatch):
    monkeypatch.setattr(lease_module, "RENEW", 0.01)
    held = take(site, "dev", None, BOB)
    for host in site.hosts.values():
        host.close()
    warnings = []
    while len(warnings) < 2:  # the test's own time-out ends this
        warnings = [event for event in events if isinstance(event, Notice)]
    held.end()
    assert "the lease on the cluster 'dev' could not be renewed: no manager" in warnings[0].message
    assert warnings[0].level == "warning"


def test_a_renewal_that_is_interrupted_ends_without_a_word(site, events, monkeypatch):
    monkeypatch.setattr(lease_module, "RENEW", 0.01)
    failures = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    for host in site.hosts.values():
        monkeypatch.setattr(host, "engine", stopping(site.context))
    before = set(threading.enumerate())
    Lease(site, "dev", "id", 0.0, Clock())
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()
    assert (failures, [event for event in events if isinstance(event, Notice)]) == ([], [])


def stopping(context):
    def engine():
        context.cancel()
        context.check()

    return engine


def test_a_fence_asks_only_where_the_last_renewal_was_long_ago(swarm, site):
    clock = Clock()
    held = take(site, "dev", None, ALICE, clock)
    swarm.changes.clear()
    clock.now += FENCE - 1
    held.fence()
    assert swarm.changes == []
    clock.now += 2
    held.fence()
    held.fence()
    assert len(swarm.changes) == 1


def test_a_fence_that_can_ask_nobody_lets_nothing_pass(swarm, site):
    clock = Clock()
    held = take(site, "dev", None, ALICE, clock)
    for host in site.hosts.values():
        host.close()
    held.fence()
    clock.now += FENCE + 1
    with pytest.raises(NodeError, match="no manager of the swarm answers to renew"):
        held.fence()


def test_the_lease_is_no_config_of_a_lab(swarm, site):
    take(site, "dev", None, ALICE)
    assert observe_swarm(hosts_of(swarm)["n1"], "n1").configs == ()


def test_a_config_of_that_name_that_is_not_ours_is_left_alone(swarm, site):
    hosts_of(swarm)["n1"].engine().create_config(NAME, b"theirs")
    assert seen(swarm) is None
    with pytest.raises(LockedError, match="somebody else was faster"):
        take(site, "dev", None, ALICE)
    assert len(swarm.configs) == 1


@pytest.mark.parametrize("note", ["", "{", "[]", '{"id": 1}', json.dumps({"surprise": 1})])
def test_a_note_that_cannot_be_read_holds_for_a_term(swarm, site, note):
    take(site, "dev", None, BOB)
    swarm.named("configs", NAME)["Spec"]["Labels"][HOLDER] = note
    with pytest.raises(LockedError, match="somebody whose note cannot be read"):
        take(site, "dev", seen(swarm), ALICE)
    later(swarm, TERM + 1)
    take(site, "dev", seen(swarm), ALICE)
    assert seen(swarm).holder == ALICE


def test_a_manager_that_is_busy_for_a_moment_is_asked_again(swarm, site):
    swarm.fail("n1", "POST /configs/create", 500, "rpc error: context deadline exceeded", times=2)
    take(site, "dev", None, ALICE).release(site)
    assert site.context.waits == 2
    swarm.fail("n1", "POST /configs/create", 500, "disk full")
    with pytest.raises(NodeError, match="no manager of the swarm answers to take the lease"):
        take(site, "dev", None, ALICE)
    assert site.context.waits == 2
