"""What holds for every plan, whatever is there and whatever is wanted."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.model.inventory import Availability, Role
from orchestrator.model.lab import (
    Attachment,
    Bridge,
    ConfigMount,
    ConfigObject,
    Container,
    Lab,
    Network,
    Port,
    Service,
    ServiceMode,
)
from orchestrator.model.labels import CLUSTER, owned_by
from orchestrator.model.observed import ClusterView, SwarmState
from orchestrator.model.plan import (
    AwaitService,
    RemoveBridge,
    RemoveConfig,
    RemoveContainer,
    RemoveNetwork,
    RemoveService,
    UpdateService,
)
from orchestrator.planning.cluster import all_labels
from orchestrator.planning.diff import Known, plan_down, plan_remove_labs, plan_up
from orchestrator.planning.quorum import holds, managers_of

from .builders import (
    BLUE,
    IMAGES,
    NGINX,
    fresh,
    goal,
    host_port,
    inventory,
    lost,
    mesh_lab,
    plain_lab,
    with_foreign,
    with_member,
    with_node,
    with_swarm,
)
from .simulator import Simulator, all_actions, carry_out

LABS = ("alpha", "beta")
OBJECTS = (RemoveBridge, RemoveConfig, RemoveContainer, RemoveNetwork, RemoveService, UpdateService)
seeds = st.integers(0, 2**32)


@st.composite
def goals(draw):
    """Two labs with some services, networks and configs; ports and subnets are dealt out once over both."""
    ports = draw(st.permutations(range(8080, 8088)))
    subnets = draw(st.permutations([f"10.50.{third}.0/24" for third in range(6)]))
    return tuple(
        _lab(draw, name, list(ports[n * 4 : n * 4 + 4]), subnets[n * 3 : n * 3 + 3]) for n, name in enumerate(LABS)
    )


def _lab(draw, name, ports, subnets):
    networks = tuple(
        Network(key, f"{name}_{key}", subnet="" if key == "z" else subnet, attachable=draw(st.booleans()))
        for key, subnet in zip("xyz", subnets, strict=True)
        if draw(st.booleans())
    )
    bridges = tuple(
        Bridge(key, f"{name}_{key}", draw(NODES), f"172.{28 + LABS.index(name) * 2}.{draw(st.integers(1, 2))}.0/24")
        for key in ("blue",)
        if draw(st.booleans())
    )
    contents = draw(st.lists(st.sampled_from([b"1", b"2"]), max_size=2, unique=True))
    configs = tuple(
        ConfigObject(data.decode(), f"{name}_c-{data.decode()}", data, labels=draw(LABELS)) for data in contents
    )
    return Lab(
        name,
        Path(f"/nowhere/{name}"),
        services=tuple(_service(draw, name, key, ports, networks, configs) for key in "pqr" if draw(st.booleans())),
        containers=tuple(_container(draw, name, key, ports, networks, bridges) for key in "uv" if draw(st.booleans())),
        bridges=bridges,
        networks=networks,
        configs=configs,
    )


def _service(draw, lab, key, ports, networks, configs):
    return Service(
        key=key,
        name=f"{lab}_{key}",
        image=draw(st.sampled_from([NGINX.reference, "registry.example/other:2"])),
        mode=draw(st.sampled_from(ServiceMode)),
        replicas=draw(st.integers(0, 4)),
        environment=draw(LABELS),
        ports=(Port(ports.pop(), 80),) if draw(st.booleans()) and ports else (),
        networks=tuple(Attachment(network.name) for network in networks if draw(st.booleans())),
        configs=tuple(ConfigMount(config.name, "/c/" + config.key) for config in configs if draw(st.booleans())),
    )


def _container(draw, lab, key, ports, networks, bridges):
    bridge = draw(st.sampled_from([None, *bridges]))
    overlays = [network.name for network in networks if network.attachable]
    return Container(
        key,
        f"{lab}_{key}",
        draw(st.sampled_from([NGINX.reference, "registry.example/other:2"])),
        bridge.on if bridge else draw(NODES),
        bridge.name if bridge else draw(st.sampled_from(["bridge", "host", *overlays])),
        ports=(host_port(ports.pop()),) if draw(st.booleans()) and ports else (),
        environment=draw(LABELS),
        ends=draw(st.booleans()),
    )


NODES = st.sampled_from([(), (1,), (2, 4)])
LABELS = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"]), max_size=2)


@st.composite
def inventories(draw):
    """The same five nodes, always an odd number of managers, in changing roles and with changing labels."""
    inv = inventory(managers=1, workers=4)
    for name in ("n2", "n3") if draw(st.booleans()) else ():
        inv = with_node(inv, name, role=Role.MANAGER)
    for node in inv.nodes[1:]:
        inv = with_node(inv, node.name, labels=draw(LABELS), availability=draw(st.sampled_from(Availability)))
    return inv


def well_formed(plan):
    """The ids are unique and every step waits only for steps before it: so nothing goes in a circle."""
    seen = set()
    for step in plan.steps:
        assert step.id not in seen
        assert set(step.after) <= seen
        assert len(set(step.after)) == len(step.after)
        assert step.summary
        assert step.reason
        seen.add(step.id)


def up(inv, labs, view, seed=None, steps=None):
    plan = plan_up(inv, goal(inv, *labs), view)
    well_formed(plan)
    touches_only_ours(plan, view, inv.name)
    return carry_out(plan, view, inv, IMAGES, seed=seed, steps=steps)


def touches_only_ours(plan, view, cluster):
    swarm = view.swarm
    things = [*swarm.services, *swarm.networks, *swarm.configs] if swarm else []
    things += [bridge for node in view.nodes for bridge in node.bridges]
    ours = {thing.id for thing in things if owned_by(thing.spec.labels, cluster)}
    ours |= {live.id for node in view.nodes for live in node.plain if owned_by(live.labels, cluster)}
    assert {step.action.id for step in plan.steps if isinstance(step.action, OBJECTS)} <= ours


@settings(max_examples=40, deadline=None)
@given(inventories(), inventories(), goals(), goals(), seeds, st.integers(0, 40))
def test_a_plan_leads_to_what_is_wanted_from_anywhere(first, second, labs, others, seed, steps):
    """From nothing, half way, on to other goals on other roles: then a second plan is empty."""
    view = up(first, labs, fresh(first, images=seed % 2 == 0), seed, steps)
    if view.swarm:
        view = with_foreign(view)
    view = up(first, labs, view, seed)
    assert plan_up(first, goal(first, *labs), view).empty
    view = up(second, others, view, seed)
    assert plan_up(second, goal(second, *others), view).steps == ()


@settings(max_examples=30, deadline=None)
@given(inventories(), goals(), seeds, st.integers(0, 40), st.booleans())
def test_down_takes_away_everything_of_ours_from_anywhere(inv, labs, seed, steps, own):
    view = up(inv, labs, fresh(inv), seed, steps)
    if not own and view.swarm:
        view = with_foreign(with_swarm(view, labels={CLUSTER: "another"}))
    plan = plan_down(inv.name, view, own_swarm=own, nodes=inv.nodes)
    well_formed(plan)
    touches_only_ours(plan, view, inv.name)
    after = carry_out(plan, view, inv, IMAGES, seed=seed)
    if own or not view.swarm:
        assert after.swarm is None
        assert {node.swarm for node in after.nodes} == {SwarmState.INACTIVE}
        assert not any(owned_by(labels, inv.name) for labels in all_labels(after))
    else:
        assert not any(owned_by(labels, inv.name) for labels in all_labels(after))
        assert foreign_part(after) == foreign_part(view)
        assert after.swarm.nodes == view.swarm.nodes
    assert plan_down(inv.name, after, own_swarm=own, nodes=inv.nodes).empty


def foreign_part(view):
    swarm = view.swarm
    things = [*swarm.services, *swarm.networks, *swarm.configs]
    things += [bridge for node in view.nodes for bridge in node.bridges]
    plain = [live for node in view.nodes for live in node.plain if not owned_by(live.labels, "demo")]
    return [*(thing for thing in things if not owned_by(thing.spec.labels, "demo")), *plain]


@settings(max_examples=25, deadline=None)
@given(inventories(), goals(), seeds, st.sampled_from(LABS))
def test_one_lab_goes_and_the_other_stays(inv, labs, seed, name):
    view = with_foreign(up(inv, labs, fresh(inv), seed))
    plan = plan_remove_labs(inv.name, view, [name])
    well_formed(plan)
    after = carry_out(plan, view, inv, IMAGES, seed=seed)
    kept = [lab for lab in labs if lab.name != name]
    assert plan_up(inv, goal(inv, *kept), after).empty
    assert plan_remove_labs(inv.name, after, [name]).empty
    assert foreign_part(after) == foreign_part(view)


@settings(max_examples=30, deadline=None)
@given(inventories(), inventories(), goals(), goals(), seeds, st.sets(st.sampled_from(["n1", "n2", "n3", "n4", "n5"])))
def test_nodes_out_of_reach_never_break_a_plan(first, second, labs, others, seed, missing):
    """They get no step and a note each, or the plan is refused; never an exception."""
    view = up(first, labs, fresh(first), seed)
    for name in missing:
        view = lost(view, name)
    seeing = [node for node in view.nodes if node.reachable and node.is_manager]
    view = with_swarm(view, seen_by=seeing[0].name) if seeing else ClusterView(view.nodes)
    plan = plan_up(second, goal(second, *others), view)
    well_formed(plan)
    assert plan.refusals or missing <= {left.subject for left in plan.left}
    away = plan_down(first.name, view, own_swarm=True, nodes=first.nodes)
    well_formed(away)
    for step in (*plan.steps, *away.steps):
        assert getattr(step.action, "node", "") not in missing
        assert getattr(step.action, "via", "") not in missing


@settings(max_examples=60, deadline=None)
@given(
    inventories(),
    inventories(),
    goals(),
    seeds,
    st.sets(st.sampled_from(["n1", "n2", "n3", "n4", "n5"])),
    st.booleans(),
)
def test_a_partial_fleet_keeps_its_majority_and_is_finished_later(first, second, labs, seed, missing, noticed):
    """The simulator says no where a majority is lost; what is out of reach is told, and done when it is back."""
    whole = up(first, labs, fresh(first), seed)
    view = whole
    for name in missing:
        view = lost(with_member(view, name, state="down") if noticed else view, name)
    seeing = [node for node in view.nodes if node.reachable and node.is_manager]
    answers = seeing and holds(managers_of(view.swarm))
    view = with_swarm(view, seen_by=seeing[0].name) if answers else ClusterView(view.nodes)
    known = Known(whole.swarm.cluster_id, tuple(member.id for member in whole.swarm.nodes))
    plan = plan_up(second, goal(second, *labs), view, known)
    if not plan.refusals:
        assert missing <= {left.subject for left in plan.left}
        view = carry_out(plan, view, second, IMAGES, seed=seed)
        rest = plan_up(second, goal(second, *labs), view).steps
        if all(n.name in missing or n.availability is not Availability.ACTIVE for n in second.nodes):
            # Tasks that were lost have nowhere to go, so that all one can do is wait for them.
            rest = tuple(step for step in rest if not isinstance(step.action, AwaitService))
        assert rest == ()
    back = replace(view, nodes=tuple(whole.node(n.name) if n.name in missing else n for n in view.nodes))
    back = replace(back, swarm=view.swarm or whole.swarm)
    for name in missing:
        back = with_member(back, name, state="ready")
    finished = up(second, labs, back, seed)
    rest = plan_up(second, goal(second, *labs), finished)
    assert (rest.steps, rest.left) == ((), ())


@pytest.mark.parametrize("kind", all_actions())
def test_the_simulator_knows_every_action(kind):
    assert hasattr(Simulator, kind)


@pytest.mark.parametrize("seed", range(12))
def test_published_ports_can_be_handed_round(seed):
    """a → b → c → a, and d ↔ e: no service can wait for another, so they are made anew."""
    inv = inventory()

    def lab(*ports):
        service = mesh_lab().services[0]
        services = [
            replace(service, name=f"ingress-mesh_{key}", ports=(Port(port, 80),))
            for key, port in zip("abcde", ports, strict=True)
        ]
        return replace(mesh_lab(), services=tuple(services))

    view = up(inv, [lab(8001, 8002, 8003, 8004, 8005)], fresh(inv), seed)
    view = up(inv, [lab(8002, 8003, 8001, 8005, 8004)], view, seed)
    view = up(inv, [lab(8003, 8001, 8006, 8005, 8004)], view, seed)
    assert plan_up(inv, goal(inv, lab(8003, 8001, 8006, 8005, 8004)), view).empty


@pytest.mark.parametrize("seed", range(8))
def test_ports_and_networks_pass_between_containers_and_services(seed):
    """In any order that the plan allows: a port changes hands, networks are made anew under containers."""
    inv = inventory()
    view = up(inv, [plain_lab(), mesh_lab()], fresh(inv), seed)
    late = {live.name: live.state for live in view.node("n1").plain}["plain_late"]
    assert late == "created"  # it came after the container that has its port
    a1, late, *others = plain_lab().containers
    moved = [replace(a1, ports=(host_port(8080),)), replace(late, ports=(host_port(8081),)), *others]
    over = replace(plain_lab().networks[0], subnet="10.0.41.0/24")
    edited = plain_lab("plain", *moved, bridges=(replace(BLUE, subnet="172.28.1.0/25"),), networks=(over,))
    view = up(inv, [edited, mesh_lab(published=8081)], view, seed)
    assert {live.name: live.state for live in view.node("n1").plain}["plain_late"] == "created"
    assert plan_up(inv, goal(inv, edited, mesh_lab(published=8081)), view).empty
