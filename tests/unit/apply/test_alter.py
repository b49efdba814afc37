"""Changes for a while: one thing differs, all else of the object stays, and what is not ours is left alone."""

import copy

import pytest
from apply_support import CONFIG, NETWORK, SERVICE

from orchestrator.apply.alter import force_update, set_availability, set_replicas
from orchestrator.apply.site import Site
from orchestrator.errors import RefusedError
from orchestrator.model.inventory import Availability
from orchestrator.model.labels import CLUSTER
from orchestrator.model.plan import CreateConfig, CreateNetwork, CreateService


@pytest.fixture
def site(formed, carry_out, context, hosts):
    carry_out(CreateNetwork(NETWORK), CreateConfig(CONFIG), CreateService(SERVICE))
    formed.changes.clear()
    return Site(context, hosts, {}, "n1")


def spec_of(swarm):
    return copy.deepcopy(swarm.named("services", "mesh_web")["Spec"])


def test_only_the_number_of_replicas_changes_and_comes_back(formed, site):
    before = spec_of(formed)
    set_replicas(site, "mesh_web", 0)
    assert spec_of(formed) == before | {"Mode": {"Replicated": {"Replicas": 0}}}
    set_replicas(site, "mesh_web", 2)
    assert spec_of(formed) == before
    set_replicas(site, "mesh_web", 2)
    assert len(formed.changes) == 2


def test_a_forced_update_replaces_every_task(formed, site):
    before = {task["ID"] for task in formed.tasks.values() if task["DesiredState"] == "running"}
    force_update(site, "mesh_web")
    after = {task["ID"] for task in formed.tasks.values() if task["DesiredState"] == "running"}
    assert len(after) == len(before) == 2
    assert not after & before


def test_somebody_who_was_faster_is_not_overwritten(formed, site):
    formed.fail(
        "n1", f"POST /services/{formed.named('services', 'mesh_web')['ID']}/update", 500, "update out of sequence"
    )
    set_replicas(site, "mesh_web", 1)
    assert spec_of(formed)["Mode"]["Replicated"]["Replicas"] == 1


def test_a_service_of_somebody_else_is_not_touched(formed, site):
    del formed.named("services", "mesh_web")["Spec"]["Labels"][CLUSTER]
    for change in (lambda: set_replicas(site, "mesh_web", 0), lambda: force_update(site, "mesh_web")):
        with pytest.raises(RefusedError, match="not ours"):
            change()
    assert formed.changes == []


def test_a_node_is_drained_and_nothing_else_of_it_changes(formed, site):
    node = formed.nodes[formed.engines["n3"].node_id]
    before = dict(node["Spec"])
    set_availability(site, node["ID"], Availability.DRAIN)
    assert node["Spec"] == before | {"Availability": "drain"}
    set_availability(site, node["ID"], Availability.ACTIVE)
    assert node["Spec"] == before


def test_nodes_of_a_swarm_of_somebody_else_are_not_touched(formed, site):
    formed.swarm["Spec"]["Labels"].clear()
    with pytest.raises(RefusedError, match="not ours"):
        set_availability(site, formed.engines["n3"].node_id, Availability.DRAIN)
    assert formed.changes == []
