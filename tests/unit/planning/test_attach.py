"""Whether hosts are in one swarm, and how somebody's services look as labs."""

from dataclasses import replace

from orchestrator.model.labels import CLUSTER, LAB, STACK
from orchestrator.model.observed import SwarmState
from orchestrator.planning.attach import as_labs, strays, without_jobs

from .builders import foreign_swarm, inventory, lost, with_service, with_swarm, with_view

INV = inventory()
THEIRS = foreign_swarm(INV, "n1", "n2", "n3")
SHOP = next(live for live in THEIRS.swarm.services if live.spec.name == "shop")
WHOLE = with_swarm(THEIRS, services=(SHOP,))


def test_hosts_of_one_swarm_are_fine():
    assert strays(WHOLE) == ()


def test_a_host_that_cannot_be_asked_says_nothing_against_it():
    assert strays(lost(WHOLE, "n3")) == ()
    assert strays(replace(lost(WHOLE, "n1"), swarm=None)) == ()


def test_managers_of_two_swarms_are_told_apart():
    view = with_view(WHOLE, "n3", is_manager=True, cluster_id="a second one")
    assert strays(view) == (
        "n1: a manager of swarm theirs",
        "n2: a worker of swarm theirs",
        "n3: a manager of swarm a second one",
    )


def test_a_worker_of_a_swarm_that_no_manager_here_knows():
    view = with_view(WHOLE, "n3", node_id="strange", remote_managers=("10.1.1.1:2377",))
    assert strays(view)[2] == "n3: a worker of some swarm whose managers are 10.1.1.1:2377"


def test_a_host_that_is_neither_in_nor_out():
    assert strays(with_view(WHOLE, "n2", swarm=SwarmState.LOCKED))[1] == "n2: its swarm state is locked"


def test_managers_that_have_lost_their_majority_are_no_reason_to_refuse():
    assert strays(replace(WHOLE, swarm=None)) == ()


def test_a_service_is_of_its_stack_or_stands_for_itself():
    stacked = replace(SHOP.spec, name="front_shop", key="shop", labels={STACK: "front", "team": "blue"})
    view = with_service(WHOLE, "shop", spec=stacked)
    assert [live.spec.labels[LAB] for live in as_labs(WHOLE, "mine").swarm.services] == ["shop"]
    (live,) = as_labs(view, "mine").swarm.services
    assert live.spec.labels == {STACK: "front", "team": "blue", CLUSTER: "mine", LAB: "front"}
    assert live.spec.key == "front_shop"


def test_jobs_are_told_and_left_out():
    view = with_service(WHOLE, "shop", unsupported=("Mode.ReplicatedJob",))
    kept, notes = without_jobs(view)
    assert kept.swarm.services == ()
    assert notes == ("shop is not checked: it is a job, which runs to its end",)
    assert without_jobs(WHOLE) == (WHOLE, ())
