"""What the engines say, in the model's words; and that nothing is lost or invented on the way there and back."""

from __future__ import annotations

import base64
import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.apply.render import config_args, network_args, service_spec
from orchestrator.model.inventory import Availability, Role
from orchestrator.model.lab import (
    Attachment,
    ConfigMount,
    ConfigObject,
    EndpointMode,
    Healthcheck,
    Network,
    Port,
    Protocol,
    PublishMode,
    RestartPolicy,
    Service,
    ServiceMode,
    UpdatePolicy,
)
from orchestrator.model.labels import ownership
from orchestrator.model.observed import SwarmState
from orchestrator.observe.parse import (
    is_overlay,
    key_of,
    parse_config,
    parse_network,
    parse_node,
    parse_service,
    parse_service_spec,
    parse_swarm_node,
    parse_task,
)
from orchestrator.observe.unsupported import unsupported
from orchestrator.transport.fakeobjects import as_engine_returns

NAMES = {"net-a": "lab_a", "net-b": "lab_b"}
IDS = {name: identity for identity, name in NAMES.items()}
CONFIGS = {"lab_conf-1": "conf1", "lab_conf-2": "conf2"}

word = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
words = st.lists(word, max_size=3).map(tuple)
labels = st.dictionaries(word, word, max_size=3)
duration = st.integers(0, 10_000_000).map(lambda ms: ms / 1000)
long_enough = st.integers(1, 10_000_000).map(lambda ms: ms / 1000)
port = st.builds(
    Port, st.integers(0, 65535), st.integers(1, 65535), st.sampled_from(Protocol), st.sampled_from(PublishMode)
)
health = st.builds(
    Healthcheck,
    test=words.map(lambda rest: ("CMD", *rest)),
    interval=long_enough,
    timeout=long_enough,
    retries=st.integers(1, 9),
    start_period=duration,
)
update = st.builds(
    UpdatePolicy,
    parallelism=st.integers(0, 5),
    delay=duration,
    order=st.sampled_from(["stop-first", "start-first"]),
    failure_action=st.sampled_from(["pause", "continue", "rollback"]),
    monitor=long_enough,
    max_failure_ratio=st.sampled_from([0.0, 0.25, 0.1, 1.0]),
)
restart = st.builds(
    RestartPolicy,
    condition=st.sampled_from(["none", "on-failure", "any"]),
    delay=duration,
    max_attempts=st.integers(0, 5),
    window=duration,
)
mount = st.builds(ConfigMount, st.sampled_from(sorted(CONFIGS)), word, word, word, st.integers(0, 511))
service = st.builds(
    Service,
    key=word,
    name=word,
    image=word,
    mode=st.just(ServiceMode.REPLICATED),
    replicas=st.integers(0, 9),
    entrypoint=words,
    command=words,
    environment=st.dictionaries(word, st.text(string.printable, max_size=5), max_size=3),
    hostname=st.sampled_from(["", "{{.Node.Hostname}}"]),
    user=st.sampled_from(["", "1000:1000"]),
    working_dir=st.sampled_from(["", "/srv"]),
    stop_grace_period=duration,
    cap_add=st.sampled_from([(), ("CAP_NET_ADMIN",)]),
    healthcheck=st.none() | health,
    labels=labels,
    container_labels=labels,
    constraints=st.sampled_from([(), ("node.role==manager",)]),
    max_replicas_per_node=st.integers(0, 3),
    endpoint_mode=st.sampled_from(EndpointMode),
    ports=st.lists(port, max_size=3).map(tuple),
    networks=st.lists(st.builds(Attachment, st.sampled_from(sorted(IDS)), words), max_size=2).map(tuple),
    configs=st.lists(mount, max_size=2).map(tuple),
    update=update,
    restart=restart,
)


def rendered(spec: Service) -> dict:
    return service_spec(spec, image=spec.image, network_ids=IDS, config_ids=CONFIGS)


@given(service)
def test_a_service_survives_the_trip(spec):
    live = parse_service_spec(as_engine_returns(rendered(spec)), NAMES)
    assert replace(live, key=spec.key) == spec


@given(service)
def test_what_dockerd_adds_is_no_difference(spec):
    raw = as_engine_returns(rendered(spec))
    raw["TaskTemplate"] |= {"ForceUpdate": 3, "Runtime": "container", "Resources": {"Limits": {}, "Reservations": {}}}
    raw["TaskTemplate"]["ContainerSpec"] |= {
        "Isolation": "default",
        "DNSConfig": {},
        "Init": False,
        "Privileges": {"SELinuxContext": None},
    }
    raw["TaskTemplate"].setdefault("Placement", {})["Platforms"] = [{"Architecture": "amd64", "OS": "linux"}]
    assert replace(parse_service_spec(raw, NAMES), key=spec.key) == spec
    assert unsupported(raw) == ()


def test_a_global_service_survives_the_trip():
    spec = Service(key="web", name="web", image="web:1", mode=ServiceMode.GLOBAL)
    assert parse_service_spec(as_engine_returns(rendered(spec)), NAMES) == spec


def test_a_bare_service_has_dockers_defaults():
    """What `docker service create` leaves behind for the fewest arguments means the model's defaults."""
    raw = {
        "Name": "web",
        "TaskTemplate": {"ContainerSpec": {"Image": "web:1"}},
        "Mode": {"Replicated": {"Replicas": 1}},
    }
    assert parse_service_spec(raw, {}) == Service(key="web", name="web", image="web:1")


network = st.builds(
    Network,
    key=word,
    name=word,
    subnet=st.just("10.0.9.0/24"),
    gateway=st.just("10.0.9.1"),
    attachable=st.booleans(),
    internal=st.booleans(),
    encrypted=st.booleans(),
    mtu=st.sampled_from([0, 1400]),
    labels=labels,
)


@given(network)
def test_a_network_survives_the_trip(spec):
    args = network_args(spec)
    raw = {
        "Id": "net1",
        "Name": args["name"],
        "Scope": args["scope"],
        "Driver": args["driver"],
        "Options": {"com.docker.network.driver.overlay.vxlanid_list": "4097", **args["options"]},
        "IPAM": {"Driver": "default", "Options": None, "Config": args["ipam"]["Config"]},
        "Attachable": args["attachable"],
        "Internal": args["internal"],
        "Labels": args["labels"],
        "Containers": None,
    }
    assert is_overlay(raw)
    live = parse_network(raw)
    assert (live.id, replace(live.spec, key=spec.key)) == ("net1", spec)


def test_a_network_without_a_wanted_subnet_leaves_the_choice_to_docker():
    assert "ipam" not in network_args(Network(key="a", name="a"))
    assert network_args(Network(key="a", name="a", subnet="10.1.0.0/24"))["ipam"]["Config"] == [
        {"Subnet": "10.1.0.0/24"}
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"Scope": "swarm", "Driver": "overlay", "Ingress": False}, True),
        ({"Scope": "swarm", "Driver": "overlay", "Ingress": True}, False),
        ({"Scope": "local", "Driver": "bridge"}, False),
        ({"Scope": "local", "Driver": "overlay"}, False),
    ],
)
def test_only_overlays_that_people_made_count(raw, expected):
    assert is_overlay(raw) is expected


config = st.builds(
    ConfigObject,
    key=word,
    name=word,
    data=st.binary(max_size=20),
    template_driver=st.sampled_from(["", "golang"]),
    labels=labels,
)


@given(config)
def test_a_config_survives_the_trip(spec):
    args = config_args(spec)
    raw_spec = {"Name": args["name"], "Labels": args["labels"], "Data": base64.b64encode(args["data"]).decode()}
    raw_spec |= {"Templating": args["templating"]} if "templating" in args else {}
    live = parse_config({"ID": "conf1", "Spec": raw_spec})
    assert replace(live.spec, key=spec.key) == spec


@pytest.mark.parametrize(
    ("where", "value", "name"),
    [
        (("TaskTemplate", "ContainerSpec", "Mounts"), [{"Target": "/x"}], "TaskTemplate.ContainerSpec.Mounts"),
        (("TaskTemplate", "ContainerSpec", "Secrets"), [{"SecretName": "x"}], "TaskTemplate.ContainerSpec.Secrets"),
        (("TaskTemplate", "Resources"), {"Limits": {"MemoryBytes": 1}}, "TaskTemplate.Resources"),
        (("TaskTemplate", "Placement", "Preferences"), [{"Spread": {}}], "TaskTemplate.Placement.Preferences"),
        (("TaskTemplate", "Networks"), [{"Target": "n", "DriverOpts": {"a": "b"}}], "TaskTemplate.Networks.DriverOpts"),
        (("RollbackConfig",), {"Parallelism": 1}, "RollbackConfig"),
        (("Mode",), {"ReplicatedJob": {"MaxConcurrent": 1}}, "Mode.ReplicatedJob"),
    ],
)
def test_a_setting_that_a_lab_cannot_express_is_named(where, value, name):
    raw = rendered(Service(key="web", name="web", image="web:1", constraints=("node.role==manager",)))
    place = raw
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    assert unsupported(raw) == (name,)


def test_a_live_service_has_addresses_version_and_state():
    raw = {
        "ID": "s1",
        "Version": {"Index": 42},
        "Spec": rendered(Service(key="web", name="web", image="web:1")),
        "Endpoint": {"VirtualIPs": [{"NetworkID": "net-a", "Addr": "10.0.9.2/24"}, {"NetworkID": "x"}]},
        "UpdateStatus": {"State": "updating"},
    }
    live = parse_service(raw, NAMES)
    assert (live.id, live.version, live.vips, live.update_state) == ("s1", 42, {"lab_a": "10.0.9.2"}, "updating")


def test_a_key_is_the_name_without_its_stack():
    assert key_of("ingress-mesh_web", ownership("dev", "ingress-mesh")) == "web"
    assert key_of("other_web", ownership("dev", "ingress-mesh")) == "other_web"
    assert key_of("web", {}) == "web"


def test_a_task():
    raw = {
        "ID": "t1",
        "ServiceID": "s1",
        "Slot": 2,
        "NodeID": "n1",
        "DesiredState": "running",
        "Status": {"State": "rejected", "Err": "No such image", "ContainerStatus": {"ContainerID": "c1"}},
        "NetworksAttachments": [
            {"Network": {"Spec": {"Name": "lab_a"}}, "Addresses": ["10.0.9.3/24"]},
            {"Network": {"Spec": {"Name": "lab_b"}}, "Addresses": None},
        ],
    }
    task = parse_task(raw, {"s1": "web"})
    assert (task.service, task.slot, task.state, task.desired) == ("web", 2, "rejected", "running")
    assert (task.error, task.container_id, task.addresses) == ("No such image", "c1", {"lab_a": "10.0.9.3"})


def test_a_pending_task_has_neither_node_nor_container():
    task = parse_task({"ID": "t1", "ServiceID": "gone", "Status": {"State": "pending"}, "DesiredState": "running"}, {})
    assert (task.service, task.node_id, task.container_id, task.slot) == ("gone", "", "", 0)


def test_a_member():
    raw = {
        "ID": "n1",
        "Version": {"Index": 7},
        "Spec": {"Role": "manager", "Availability": "drain", "Labels": {"a": "b"}},
        "Description": {"Hostname": "node1"},
        "Status": {"State": "ready", "Addr": "192.168.90.11"},
        "ManagerStatus": {"Leader": True, "Reachability": "reachable"},
    }
    node = parse_swarm_node(raw)
    assert (node.id, node.hostname, node.role, node.availability) == ("n1", "node1", Role.MANAGER, Availability.DRAIN)
    assert (node.state, node.address, node.labels, node.leader, node.version) == (
        "ready",
        "192.168.90.11",
        {"a": "b"},
        True,
        7,
    )


def test_a_node_outside_a_swarm():
    view = parse_node(
        "n1",
        {"ServerVersion": "26.1.5", "Swarm": {"LocalNodeState": "inactive", "RemoteManagers": None}},
        api_version="1.45",
        images={},
    )
    assert (view.reachable, view.swarm, view.remote_managers) == (True, SwarmState.INACTIVE, ())
    assert (view.cluster_id, view.ingress_address, view.containers) == ("", "", {})


@pytest.mark.parametrize(
    ("status", "new"),
    [
        ([["driver-type", "io.containerd.snapshotter.v1"]], True),
        ([["Backing Filesystem", "extfs"], ["Supports d_type", "true"]], False),
        (None, False),
    ],
)
def test_where_a_node_keeps_its_images(status, new):
    info = {"DriverStatus": status, "Swarm": {"LocalNodeState": "inactive"}}
    assert parse_node("n1", info, api_version="1.45", images={}).containerd_images is new


def test_a_manager_with_tasks():
    info = {
        "ServerVersion": "26.1.5",
        "Swarm": {
            "LocalNodeState": "active",
            "NodeID": "n1",
            "NodeAddr": "192.168.90.11",
            "ControlAvailable": True,
            "RemoteManagers": [{"NodeID": "n1", "Addr": "192.168.90.11:2377"}],
            "Cluster": {"ID": "c1"},
        },
    }
    containers = [
        {"Id": "box1", "Labels": {"com.docker.swarm.task.id": "t1"}},
        {"Id": "box2", "Labels": {}},
    ]
    ingress = {"Containers": {"ingress-sbox": {"IPv4Address": "10.0.0.2/24"}}}
    view = parse_node("n1", info, api_version="1.45", images={"a": "sha256:1"}, ingress=ingress, containers=containers)
    assert (view.swarm, view.node_id, view.cluster_id, view.is_manager) == (SwarmState.ACTIVE, "n1", "c1", True)
    assert (view.ingress_address, view.containers) == ("10.0.0.2", {"box1": "t1"})
    assert view.remote_managers == ("192.168.90.11:2377",)
