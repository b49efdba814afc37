"""What a good lab file means to us: the same as to ``docker stack deploy``."""

import pytest

from orchestrator.config.compose import load_lab
from orchestrator.errors import ConfigError
from orchestrator.model.lab import (
    Attachment,
    Bridge,
    ConfigMount,
    Container,
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


@pytest.fixture
def load(tmp_path):
    def loader(text, env=None, name="demo"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "compose.yaml").write_text(text)
        return load_lab(folder, env or {}).value

    return loader


@pytest.fixture
def service(load):
    def loader(body, env=None):
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        return load(f"services:\n  web:\n    image: nginx\n{lines}", env).services[0]

    return loader


def test_a_service_with_nothing_but_an_image(load):
    lab = load("services:\n  web:\n    image: nginx\n")
    attached = (Attachment("demo_default", ("web",)),)
    assert lab.services == (Service(key="web", name="demo_web", image="nginx", networks=attached),)
    assert lab.networks == (Network(key="default", name="demo_default"),)


def test_the_default_network_can_be_described_and_is_not_made_where_nobody_uses_it(load):
    text = "services:\n  web:\n    image: nginx\nnetworks:\n  default:\n    attachable: true\n"
    assert load(text).networks == (Network(key="default", name="demo_default", attachable=True),)
    text = "services:\n  web:\n    image: nginx\n    networks: [mesh]\nnetworks:\n  mesh:\n"
    assert [network.key for network in load(text).networks] == ["mesh"]


def test_names_of_the_lab(load, tmp_path):
    text = "services:\n  web:\n    image: nginx\n"
    assert load(text, name="my-lab").name == "my-lab"
    assert load("name: other\n" + text).name == "other"
    (tmp_path / "stack.yml").write_text(text)
    assert load_lab(tmp_path / "stack.yml", {}).value.name == "stack"
    lab = load_lab(tmp_path / "my-lab" / "compose.yaml", {}).value
    assert (lab.name, lab.path) == ("my-lab", tmp_path / "my-lab" / "compose.yaml")


def test_the_first_of_several_compose_files_is_read_and_the_others_are_told(tmp_path):
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "docker-compose.yml").write_text("not read")
    (folder / "compose.yml").write_text("services:\n  web:\n    image: nginx\n")
    loaded = load_lab(folder, {})
    assert loaded.value.path.name == "compose.yml"
    assert [str(warning) for warning in loaded.warnings] == [
        f"{folder}/compose.yml:1: docker-compose.yml in the same folder is not looked at"
    ]


def test_a_folder_without_a_compose_file_and_a_missing_one(tmp_path):
    for path, message in ((tmp_path, "expected a file compose.yaml in it"), (tmp_path / "x", "there is no such")):
        with pytest.raises(ConfigError) as error:
            load_lab(path, {})
        assert message in error.value.details[0]


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", [Port(0, 80)]),
        ("8080:80", [Port(8080, 80)]),
        ("8080:80/udp", [Port(8080, 80, Protocol.UDP)]),
        ("22:22", [Port(22, 22)]),
        ("8000-8002:80-82", [Port(8000, 80), Port(8001, 81), Port(8002, 82)]),
        ("{target: 80, published: 8080, mode: host}", [Port(8080, 80, Protocol.TCP, PublishMode.HOST)]),
        ("{target: 53, protocol: udp}", [Port(0, 53, Protocol.UDP)]),
        ("${PORT:-9000}:80", [Port(9000, 80)]),
    ],
)
def test_ports(service, text, ports):
    assert service(f"ports:\n  - {text}").ports == tuple(ports)


def test_a_tcp_and_a_udp_port_may_have_the_same_number(service):
    assert len(service("ports: ['53:53', '53:53/udp']").ports) == 2


def test_two_host_mode_ports_of_different_services_may_be_equal(load):
    text = "services:\n"
    for key in "ab":
        text += f"  {key}:\n    image: nginx\n    ports:\n      - {{target: 80, published: 80, mode: host}}\n"
    assert len(load(text).services) == 2


def test_commands_are_split_as_by_a_shell(service):
    found = service("entrypoint: sh -c 'echo \"a b\"'\ncommand: [one, two words]")
    assert found.entrypoint == ("sh", "-c", 'echo "a b"')
    assert found.command == ("one", "two words")


def test_environment_as_mapping(service):
    body = (
        "environment:\n  NUMBER: 12\n  BIG: 1.5\n  WHOLE: 2.0\n  EMPTY: ''\n  TEXT: a=b\n  HOME:\n  V: ${V}\n  YES: yes"
    )
    found = service(body, {"HOME": "/root", "V": "1.10"}).environment
    assert found == {
        "NUMBER": "12",
        "BIG": "1.5",
        "WHOLE": "2",
        "EMPTY": "",
        "TEXT": "a=b",
        "HOME": "/root",
        "V": "1.10",
        "YES": "yes",
    }


def test_environment_as_list(service):
    assert service("environment: [A=1, B=, HOME, C=x=y]", {"HOME": "/root"}).environment == {
        "A": "1",
        "B": "",
        "HOME": "/root",
        "C": "x=y",
    }


def test_labels_of_service_and_containers(service):
    found = service("labels: [a=1, b]\ndeploy:\n  labels:\n    c: 2\n    d:")
    assert found.container_labels == {"a": "1", "b": ""}
    assert found.labels == {"c": "2", "d": ""}


def test_networks_with_aliases(load):
    text = (
        "services:\n  web:\n    image: nginx\n    networks:\n      mesh:\n        aliases: [front, web]\n      back:\n"
        "networks:\n  mesh:\n  back:\n    name: shared\n"
    )
    places = load(text).services[0].networks
    assert places == (Attachment("demo_mesh", ("front", "web")), Attachment("shared", ("web",)))


def test_network_settings(load):
    text = """
networks:
  full:
    driver: overlay
    driver_opts:
      encrypted: "true"
      com.docker.network.driver.mtu: "1400"
    attachable: true
    internal: true
    ipam:
      config:
        - subnet: 10.0.9.0/24
          gateway: 10.0.9.254
    labels: {a: b}
  outside:
    external: true
  renamed:
    external: true
    name: theirs
"""
    full, outside, renamed = load(text).networks
    assert full == Network(
        key="full",
        name="demo_full",
        subnet="10.0.9.0/24",
        gateway="10.0.9.254",
        attachable=True,
        internal=True,
        encrypted=True,
        mtu=1400,
        labels={"a": "b"},
    )
    assert outside == Network(key="outside", name="outside", external=True)
    assert renamed == Network(key="renamed", name="theirs", external=True)


def test_deploy(service):
    found = service("""deploy:
  mode: global
  endpoint_mode: dnsrr
  placement:
    constraints: ["node.role==worker", "node.labels.disk != hdd"]
    max_replicas_per_node: 2
  update_config: {parallelism: 2, delay: 1m30s, order: start-first, failure_action: rollback, monitor: 500ms}
  restart_policy: {condition: on-failure, delay: 0s, max_attempts: 3, window: 1h}
""")
    assert (found.mode, found.endpoint_mode) == (ServiceMode.GLOBAL, EndpointMode.DNSRR)
    assert found.constraints == ("node.role==worker", "node.labels.disk!=hdd")
    assert found.max_replicas_per_node == 2
    assert found.update == UpdatePolicy(2, 90.0, "start-first", "rollback", 0.5, 0.0)
    assert found.restart == RestartPolicy("on-failure", 0.0, 3, 3600.0)


def test_other_service_keys(service):
    found = service("""hostname: "{{.Node.Hostname}}"
user: "1000:1000"
working_dir: /srv
stop_grace_period: 2m
cap_add: [net_admin, CAP_SYS_TIME, NET_ADMIN]
healthcheck: {test: curl localhost, interval: 5s, retries: 2, timeout: 1.5s, start_period: 10s}
deploy:
  replicas: 0
""")
    assert (found.hostname, found.user, found.working_dir) == ("{{.Node.Hostname}}", "1000:1000", "/srv")
    assert (found.stop_grace_period, found.replicas) == (120.0, 0)
    assert found.cap_add == ("CAP_NET_ADMIN", "CAP_SYS_TIME")
    assert found.healthcheck == Healthcheck(("CMD-SHELL", "curl localhost"), 5.0, 1.5, 2, 10.0)


def test_a_health_check_can_be_switched_off(service):
    assert service("healthcheck: {disable: true}").healthcheck == Healthcheck(("NONE",))
    assert service("healthcheck: {test: [NONE]}").healthcheck == Healthcheck(("NONE",))


CONFIGS = """
services:
  web:
    image: nginx
    configs:
      - page
      - {source: page, target: /b, uid: "33", gid: "33", mode: 0400}
configs:
  page:
    content: %s
"""


def test_configs_are_mounted(load):
    lab = load(CONFIGS % "hello")
    name = lab.configs[0].name
    assert lab.services[0].configs == (ConfigMount(name, "/page"), ConfigMount(name, "/b", "33", "33", 0o400))


def test_a_configs_name_follows_its_content_and_template_driver(load):
    one = load(CONFIGS % "hello").configs[0]
    same = load("# a comment\n" + CONFIGS % "hello").configs[0]
    other = load(CONFIGS % "hello!").configs[0]
    templated = load(CONFIGS % "hello" + "    template_driver: golang\n").configs[0]
    assert one.data == b"hello"
    assert one.name.startswith("demo_page-")
    assert len(one.name) == len("demo_page-") + 12
    assert one == same
    assert len({one.name, other.name, templated.name}) == 3


def test_a_configs_file_stands_beside_the_lab_file_and_its_bytes_are_taken_as_they_are(load, tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "page.bin").write_bytes(b"\x00\xff $NOT_A_VARIABLE")
    text = "services:\n  web:\n    image: nginx\nconfigs:\n  page:\n    file: page.bin\n    name: mine\n"
    (config,) = load(text).configs
    assert config.data == b"\x00\xff $NOT_A_VARIABLE"
    assert config.name.startswith("mine-")


def test_too_large_a_config_is_refused(load, tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "page.bin").write_bytes(b"x" * (500 * 1024 + 1))
    with pytest.raises(ConfigError) as error:
        load("services:\n  web:\n    image: nginx\nconfigs:\n  page:\n    file: page.bin\n")
    assert "more than 512000 bytes" in error.value.details[0]


def test_extension_fields_and_version_are_ignored(load):
    text = "version: 3.13\nx-a: {b: c}\nservices:\n  web:\n    image: nginx\n    x-b: 1\n    deploy:\n      x-c: 1\n"
    assert len(load(text).services) == 1


def test_title_and_lines(load):
    lab = load("x-lab:\n  title: What it shows\nservices:\n  web:\n    image: nginx\n    ports: ['80:80']\n")
    assert lab.title == "What it shows"
    assert lab.lines["services.web.ports"] == 6


@pytest.mark.parametrize(
    "image", ["sha256:" + "a" * 64, "nginx@sha256:" + "a" * 64, "registry.example:5000/a/b-c:1.2_3", "a__b/c.d"]
)
def test_images(load, image):
    assert load(f"services:\n  web:\n    image: {image}\n").services[0].image == image


PLAIN = """
x-lab:
  bridges:
    blue: {subnet: 172.28.1.0/24, on: 2}
    red:
  containers:
    a1:
      image: nginx
      on: 2
      network: blue
      ports: ["8081:80", {target: 90, published: 8090, protocol: udp}]
      environment: [HOME_OF_ALL]
      hostname: one
      command: sleep 9
      cap_add: [NET_RAW, NET_ADMIN]
      ends: true
    b1: {image: nginx}
    c1: {image: nginx, on: all, network: over}
networks:
  over: {attachable: true, name: shared}
"""


def test_bridges_and_plain_containers(load):
    lab = load(PLAIN, {"HOME_OF_ALL": "/"})
    assert lab.bridges == (Bridge("blue", "demo_blue", (2,), "172.28.1.0/24"), Bridge("red", "demo_red"))
    a1, b1, c1 = lab.containers
    assert a1 == Container(
        key="a1",
        name="demo_a1",
        image="nginx",
        on=(2,),
        network="demo_blue",
        aliases=("a1",),
        ports=(
            Port(8081, 80, mode=PublishMode.HOST),
            Port(8090, 90, Protocol.UDP, PublishMode.HOST),
        ),
        environment={"HOME_OF_ALL": "/"},
        hostname="one",
        command=("sleep", "9"),
        cap_add=("CAP_NET_ADMIN", "CAP_NET_RAW"),
        ends=True,
    )
    assert b1 == Container("b1", "demo_b1", "nginx", on=(1,), network="bridge")
    assert (c1.on, c1.network, c1.aliases) == ((), "shared", ("c1",))
