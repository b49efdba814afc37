"""Every field of a wanted object is compared, and told in words."""

from dataclasses import fields, replace

import pytest

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
from orchestrator.planning.compare import config_changes, network_changes, service_changes

WEB = Service("web", "lab_web", "nginx:1", ports=(Port(8080, 80),), networks=(Attachment("lab_mesh"),))

SERVICE_CHANGES = {
    "image": ("nginx:2", "image: nginx:1 → nginx:2"),
    "mode": (ServiceMode.GLOBAL, "mode: replicated → global"),
    "replicas": (3, "replicas: 1 → 3"),
    "entrypoint": (("/bin/sh", "-c"), "entrypoint: – → /bin/sh -c"),
    "command": (("a b", "c"), "command: – → 'a b' c"),
    "environment": ({"TOKEN": "hunter2"}, "environment TOKEN: added"),
    "hostname": ("h", "hostname: – → h"),
    "user": ("33", "user: – → 33"),
    "working_dir": ("/srv", "working_dir: – → /srv"),
    "stop_grace_period": (2.5, "stop_grace_period: 10 s → 2.5 s"),
    "cap_add": (("NET_ADMIN",), "cap_add: – → NET_ADMIN"),
    "healthcheck": (Healthcheck(("CMD", "true")), "healthcheck test: – → CMD true"),
    "labels": ({"a": "1"}, "label a: – → 1"),
    "container_labels": ({"a": "1"}, "container label a: – → 1"),
    "constraints": (("node.role==manager",), "constraints: – → node.role==manager"),
    "max_replicas_per_node": (1, "max_replicas_per_node: 0 → 1"),
    "endpoint_mode": (EndpointMode.DNSRR, "endpoint_mode: vip → dnsrr"),
    "ports": ((Port(8081, 80),), "ports: 8080:80/tcp → 8081:80/tcp"),
    "networks": ((Attachment("lab_mesh", ("w",)),), "networks: lab_mesh → lab_mesh (alias w)"),
    "configs": ((ConfigMount("c", "/c"),), "configs: – → c at /c (0:0 444)"),
    "update": (UpdatePolicy(parallelism=2), "update parallelism: 1 → 2"),
    "restart": (RestartPolicy(delay=0.5), "restart delay: 5 s → 0.5 s"),
}


@pytest.mark.parametrize("field", [f.name for f in fields(Service) if f.name not in {"key", "name"}])
def test_every_field_of_a_service_is_compared(field):
    value, said = SERVICE_CHANGES[field]
    assert said in service_changes(WEB, replace(WEB, **{field: value}), {})
    assert service_changes(replace(WEB, **{field: value}), replace(WEB, **{field: value}), {}) == ()


@pytest.mark.parametrize("policy", [UpdatePolicy(), RestartPolicy(), Healthcheck(("CMD", "true"))])
def test_every_field_of_a_policy_is_compared(policy):
    name = {UpdatePolicy: "update", RestartPolicy: "restart", Healthcheck: "healthcheck"}[type(policy)]
    for field in fields(policy):
        value = getattr(policy, field.name)
        other = ("NONE",) if isinstance(value, tuple) else value + 1 if not isinstance(value, str) else "other"
        before, after = replace(WEB, **{name: policy}), replace(WEB, **{name: replace(policy, **{field.name: other})})
        (said,) = service_changes(before, after, {})
        assert said.startswith(f"{name} {field.name}: ")


def test_values_of_the_environment_are_never_shown():
    before, after = replace(WEB, environment={"A": "hunter2", "B": "x"}), replace(WEB, environment={"A": "hunter3"})
    assert service_changes(before, after, {}) == ("environment A: changed", "environment B: removed")


def test_the_key_and_the_order_of_things_do_not_matter():
    many = replace(
        WEB,
        ports=(Port(1, 1), Port(2, 2)),
        networks=(Attachment("a", ("x", "y")), Attachment("b")),
        constraints=("p", "q"),
        cap_add=("A", "B"),
    )
    turned = replace(
        many,
        key="other",
        ports=many.ports[::-1],
        networks=(Attachment("b"), Attachment("a", ("y", "x"))),
        constraints=("q", "p"),
        cap_add=("B", "A"),
    )
    assert service_changes(many, turned, {}) == ()


def test_replicas_of_a_global_service_do_not_matter():
    everywhere = replace(WEB, mode=ServiceMode.GLOBAL)
    assert service_changes(everywhere, replace(everywhere, replicas=7), {}) == ()


def test_whole_numbers_and_lost_nanoseconds_are_no_difference():
    live = replace(WEB, stop_grace_period=0.569999999, update=UpdatePolicy(delay=3.0))
    assert service_changes(live, replace(WEB, stop_grace_period=0.57, update=UpdatePolicy(delay=3)), {}) == ()


@pytest.mark.parametrize(
    ("live", "wanted", "equal"),
    [
        ((Port(30000, 80),), (Port(0, 80),), True),
        ((Port(30000, 81),), (Port(0, 80),), False),
        ((Port(30000, 80),), (Port(0, 80, Protocol.UDP),), False),
        ((Port(30000, 80),), (Port(0, 80, mode=PublishMode.HOST),), False),
        ((Port(30000, 80), Port(8080, 80)), (Port(0, 80), Port(8080, 80)), True),
        ((Port(30000, 80), Port(8080, 80)), (Port(0, 80),), False),
        ((), (Port(0, 80),), False),
    ],
)
def test_a_port_number_that_is_left_to_docker_may_be_any(live, wanted, equal):
    assert (service_changes(replace(WEB, ports=live), replace(WEB, ports=wanted), {}) == ()) is equal


def test_images_are_told_by_the_name_that_people_know():
    names = {"sha256:" + "ab" * 32: "swarm-mesh-lab/nginx:1"}
    (said,) = service_changes(WEB, replace(WEB, image="sha256:" + "ab" * 32), names)
    assert said == "image: nginx:1 → swarm-mesh-lab/nginx:1 (abababababab)"


NETWORK_CHANGES = {
    "subnet": ("10.1.0.0/24", "subnet: 10.0.9.0/24 → 10.1.0.0/24"),
    "gateway": ("10.0.9.9", "gateway: 10.0.9.1 → 10.0.9.9"),
    "attachable": (True, "attachable: no → yes"),
    "internal": (True, "internal: no → yes"),
    "encrypted": (True, "encrypted: no → yes"),
    "mtu": (1400, "mtu: default → 1400"),
    "labels": ({"a": "1"}, "label a: – → 1"),
}


@pytest.mark.parametrize("field", [f.name for f in fields(Network) if f.name not in {"key", "name", "external"}])
def test_every_field_of_a_network_is_compared(field):
    live = Network("mesh", "lab_mesh", "10.0.9.0/24", "10.0.9.1")
    value, said = NETWORK_CHANGES[field]
    assert network_changes(live, replace(live, key="k", **{field: value})) == (said,)


def test_an_empty_subnet_or_gateway_means_any():
    assert network_changes(Network("", "n", "10.0.9.0/24", "10.0.9.1"), Network("", "n")) == ()


def test_every_field_of_a_config_is_compared_and_its_content_never_shown():
    live = ConfigObject("c", "lab_c", b"old secret")
    assert config_changes(live, replace(live, key="k")) == ()
    (said,) = config_changes(live, replace(live, data=b"new secret"))
    assert said.startswith("content: sha256 ")
    assert "secret" not in said
    assert config_changes(live, replace(live, template_driver="golang")) == ("template_driver: – → golang",)
    assert config_changes(live, replace(live, labels={"a": "1"})) == ("label a: – → 1",)
