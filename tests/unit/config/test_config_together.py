"""Problems between labs, and between labs and the cluster."""

from dataclasses import replace

import pytest

from orchestrator.config.compose import check_labs_together, load_lab
from orchestrator.errors import ConfigError
from orchestrator.model.inventory import Inventory, NodeConfig, ProviderKind, Role, SshAddress, SwarmOptions

TEXT = """name: {name}
services:
  web:
    image: nginx
    ports:
      - "{port}"
    networks: [mesh]
networks:
  mesh:
    ipam:
      config:
        - subnet: {subnet}
"""


@pytest.fixture
def lab(tmp_path):
    def loader(name, port="8080:80", subnet="10.0.9.0/24"):
        path = tmp_path / f"{name}-{port.replace(':', '-').replace('/', '-')}.yaml"
        path.write_text(TEXT.format(name=name, port=port, subnet=subnet))
        return load_lab(path, {}).value

    return loader


@pytest.fixture
def inventory(tmp_path):
    node = NodeConfig("n1", Role.MANAGER, ssh=SshAddress("192.0.2.1"))
    return Inventory("demo", tmp_path / "inventory.yaml", ProviderKind.VM, (node,))


def problems(labs, inventory):
    with pytest.raises(ConfigError) as error:
        check_labs_together(labs, inventory)
    return [(problem.file.stem, problem.line, problem.path, problem.message) for problem in error.value.problems]


def test_labs_that_share_nothing_are_fine(lab, inventory):
    check_labs_together(
        [lab("a"), lab("b", "8081:80", "10.0.10.0/24"), lab("c", "8080:80/udp", "10.0.11.0/24")], inventory
    )
    check_labs_together([], inventory)


def test_the_same_published_port(lab, inventory):
    assert problems([lab("a"), lab("b", "8080:81", "10.0.10.0/24")], inventory) == [
        (
            "b-8080-81",
            5,
            "services.web.ports",
            "8080/tcp is also published by web of the lab a; expected another port",
        )
    ]


def test_overlapping_subnets(lab, inventory):
    assert problems([lab("a"), lab("b", "8081:80", "10.0.8.0/22")], inventory) == [
        (
            "b-8081-80",
            12,
            "networks.mesh.ipam.config[0].subnet",
            "10.0.8.0/22 overlaps 10.0.9.0/24 of the lab a; expected them apart",
        )
    ]


def test_the_same_name(lab, inventory):
    ((stem, line, path, _),) = problems([lab("a"), lab("a", "8081:80")], inventory)
    assert (stem, line, path) == ("a-8081-80", 1, "name")


def test_the_same_network_name(lab, inventory):
    one = lab("a")
    named = replace(one.networks[0], name="shared", subnet="")
    other = replace(lab("b", "8081:80"), networks=(named,))
    ((_, line, path, message),) = problems([replace(one, networks=(named,)), other], inventory)
    assert (line, path) == (9, "networks.mesh.name")
    assert "'shared' is also a network of the lab a" in message


def test_external_networks_may_be_shared(lab, inventory):
    labs = [lab("a"), lab("b", "8081:80")]
    shared = [replace(one, networks=(replace(one.networks[0], name="shared", external=True),)) for one in labs]
    check_labs_together(shared, inventory)


def test_a_subnet_in_the_nodes_lan(lab, inventory):
    ((_, _, _, message),) = problems([lab("a", subnet="192.168.0.0/16")], inventory)
    assert "overlaps the nodes' own network vm.lan 192.168.90.0/24" in message
    check_labs_together([lab("a", subnet="192.168.0.0/16")], replace(inventory, provider=ProviderKind.SSH))


def test_a_subnet_that_holds_a_host(lab, inventory):
    ((_, _, _, message),) = problems([lab("a", subnet="192.0.2.0/24")], replace(inventory, provider=ProviderKind.SSH))
    assert "holds 192.0.2.1, the address of the node n1" in message


@pytest.mark.parametrize(
    ("pool", "size", "ingress"), [((), 24, "10.0.0.0/24"), (("10.30.0.0/16", "10.40.0.0/16"), 26, "10.30.0.0/26")]
)
def test_the_ingress_networks_subnet_is_taken(lab, inventory, pool, size, ingress):
    inventory = replace(inventory, swarm=SwarmOptions(pool, size))
    ((_, _, _, message),) = problems([lab("a", subnet=ingress)], inventory)
    assert f"overlaps {ingress}, which Docker gives to the ingress network" in message


PLAIN = """name: {name}
x-lab:
  bridges:
    blue: {{subnet: {subnet}}}
  containers:
    c:
      image: nginx
      on: {on}
      ports: ["{port}"]
    ending:
      image: nginx
      on: {on}
      ports: ["{port}"]
      ends: true
"""


@pytest.fixture
def plain(tmp_path):
    def loader(name, port="8080:80", subnet="172.28.1.0/24", on="1"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(PLAIN.format(name=name, port=port, subnet=subnet, on=on))
        return load_lab(path, {}).value

    return loader


def test_containers_of_different_labs_share_a_port_on_different_nodes_only(plain, inventory):
    two = replace(inventory, nodes=inventory.nodes * 2)
    check_labs_together([plain("a"), plain("b", subnet="172.28.2.0/24", on="2")], two)
    expected = (
        "b",
        9,
        "x-lab.containers.c.ports",
        "8080/tcp is also published by c of the lab a; expected another port",
    )
    assert problems([plain("a"), plain("b", subnet="172.28.2.0/24", on="all")], two) == [expected]


def test_a_port_of_the_routing_mesh_is_taken_for_containers_too(lab, plain, inventory):
    expected = "8080/tcp is also published by web of the lab a; expected another port"
    assert problems([lab("a"), plain("b")], inventory) == [("b", 9, "x-lab.containers.c.ports", expected)]


def test_bridges_keep_apart_from_all_other_networks(lab, plain, inventory):
    labs = [lab("a"), plain("b", "81:80", "10.0.9.0/25"), plain("c", "82:80", "192.168.90.0/25")]
    assert [(file, line, path) for file, line, path, _ in problems(labs, inventory)] == [
        ("b", 4, "x-lab.bridges.blue.subnet"),
        ("c", 4, "x-lab.bridges.blue.subnet"),
    ]


def test_a_node_that_the_inventory_does_not_have(plain, inventory):
    expected = "there is no node 2, 3: the inventory has 1; expected 1 to 1, or all"
    assert problems([plain("a", on="[1, 2, 3]")], inventory) == [
        ("a", 8, "x-lab.containers.c.on", expected),
        ("a", 12, "x-lab.containers.ending.on", expected),
    ]
