"""What is checked in loads, and schemas and manual say the same as the code."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from orchestrator.config.compose import check_labs_together, load_lab
from orchestrator.config.inventory import load_inventory
from orchestrator.config.schema import inventory_schema, lab_schema
from orchestrator.config.template import inventory_template
from orchestrator.model.inventory import ProviderKind
from orchestrator.model.lab import PublishMode

ROOT = Path(__file__).parents[3]
INVENTORIES = [ROOT / "inventory.yaml", *sorted(ROOT.glob("examples/*.yaml"))]
LABS = sorted(ROOT.glob("labs/*/compose.yaml"))
SCHEMAS = {"inventory": inventory_schema, "lab": lab_schema}


class Yaml12(yaml.SafeLoader):
    """As editors read YAML: ``on`` and ``off`` are texts since YAML 1.2."""


Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if first not in "oO" or not tag.endswith("bool")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.fixture
def env(tmp_path):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").write_text("")
    return {"HOME": str(tmp_path)}


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.name)
def test_an_inventory_and_its_labs_load_without_a_warning(path, env):
    loaded = load_inventory(path, env)
    assert loaded.warnings == ()
    labs = [load_lab(lab, env) for lab in loaded.value.labs]
    assert [lab.warnings for lab in labs] == [()] * len(labs)
    check_labs_together([lab.value for lab in labs], loaded.value)


def test_the_default_inventory_is_three_machines_with_one_manager():
    inventory = load_inventory(ROOT / "inventory.yaml", {}).value
    assert [(node.name, node.role) for node in inventory.nodes] == [
        ("n1", "manager"),
        ("n2", "worker"),
        ("n3", "worker"),
    ]
    assert inventory.provider is ProviderKind.VM
    assert inventory.labs == (ROOT / "labs" / "ingress-mesh",)


@pytest.mark.parametrize("provider", list(ProviderKind))
@pytest.mark.parametrize("labs", [(), ("labs/one", "two.yaml")])
def test_the_template_loads(provider, labs, env, tmp_path):
    (tmp_path / "labs" / "one").mkdir(parents=True)
    (tmp_path / "labs" / "one" / "compose.yaml").write_text("")
    (tmp_path / "two.yaml").write_text("")
    path = tmp_path / "inventory.yaml"
    path.write_text(inventory_template(provider, labs))
    loaded = load_inventory(path, env)
    assert loaded.warnings == ()
    assert (loaded.value.provider, len(loaded.value.nodes), len(loaded.value.labs)) == (provider, 3, len(labs))


@pytest.mark.parametrize("provider", list(ProviderKind))
def test_what_the_template_shows_in_comments_is_valid_too(provider, env, tmp_path):
    """Every line ``# key: value`` is put into force."""
    keys = (
        "availability|labels|swarm|data_path_addr|port|jump|key|known_hosts|  default_addr_pool|  subnet_size"
        "|  data_path_port"
    )
    text = re.sub(rf"^( *)# ((?:{keys}):)", r"\1\2", inventory_template(provider), flags=re.MULTILINE)
    text = text.replace("~/.ssh/id_ed25519", "~/.ssh/known_hosts").replace("known_hosts: known_hosts", "")
    (tmp_path / "inventory.yaml").write_text(text)
    inventory = load_inventory(tmp_path / "inventory.yaml", env).value
    assert inventory.swarm.default_addr_pool == ("10.20.0.0/16",)
    assert any(node.labels for node in inventory.nodes)


def test_the_ingress_lab_is_what_its_guide_says():
    lab = load_lab(ROOT / "labs" / "ingress-mesh", {}).value
    (service,) = lab.services
    assert (lab.name, service.name, service.image) == ("ingress-mesh", "ingress-mesh_web", "swarm-mesh-lab/nginx:1")
    assert service.replicas == 2
    assert [(port.published, port.target, port.mode) for port in service.ports] == [(8080, 80, PublishMode.INGRESS)]
    assert [(network.key, network.subnet) for network in lab.networks] == [("mesh", "10.0.9.0/24")]
    assert lab.configs[0].template_driver == "golang"
    assert service.configs[0].target == "/etc/nginx/nginx.conf"


def test_the_answer_of_the_ingress_lab_is_json_that_names_the_task():
    """The body as it is after the engine's and nginx's own substitutions."""
    text = (ROOT / "labs" / "ingress-mesh" / "nginx.conf").read_text()
    templates = {".Service.Name": "s", ".Task.ID": "t", ".Task.Slot": "2"}
    assert set(re.findall(r"\{\{(.*?)\}\}", text)) == set(templates)
    assert text.count("{{") == len(templates)
    body = re.search(r"return 200 '(.*)\\n';", text)[1]
    for name, value in templates.items():
        body = body.replace(f"{{{{{name}}}}}", value)
    body = body.replace("$hostname", "n1").replace("$server_addr", "10.0.0.7").replace("$remote_addr", "10.0.0.2")
    assert json.loads(body) == {
        "node": "n1",
        "service": "s",
        "task": "t",
        "slot": "2",
        "server": "10.0.0.7",
        "client": "10.0.0.2",
    }
    assert {"keepalive_timeout 0;", "access_log off;", "worker_processes 1;"} <= {
        line.strip() for line in text.split("\n")
    }


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_is_the_models(name):
    """After a change of the models: ``lab schema NAME > schemas/NAME.schema.json``."""
    published = json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text())
    assert published == SCHEMAS[name]()
    jsonschema.Draft202012Validator.check_schema(published)


@pytest.mark.parametrize("path", [*INVENTORIES, *LABS], ids=lambda path: path.parent.name + "-" + path.name)
def test_files_name_a_schema_that_is_there_and_that_they_satisfy(path):
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())[1]
    schema = json.loads((path.parent / named).read_text())
    jsonschema.validate(yaml.load(path.read_text(), Yaml12), schema)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("inventory", {"name": "a", "provider": "vm", "nodes": [{"name": "n", "role": "boss"}]}),
        ("inventory", {"name": "a", "provider": "vm", "nodes": [], "extra": 1}),
        ("inventory", {"name": "a", "provider": "vm", "nodes": [{"name": "n", "role": "manager", "vm": None}]}),
        ("lab", {"services": {"web": {"image": "nginx", "volumes": []}}}),
        ("lab", {"services": {"web": {"command": "x"}}}),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(name, data):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMAS[name]())


def test_the_schema_lets_variables_stand_for_numbers():
    node = {"name": "n", "role": "${ROLE}", "vm": {"cpus": "${CPUS:-2}", "memory": "${MEM}"}}
    jsonschema.validate({"name": "a", "provider": "vm", "nodes": [node]}, inventory_schema())


def keys_of(schema):
    """All names of properties of a JSON Schema, at any depth."""
    if isinstance(schema, list):
        return {key for item in schema for key in keys_of(item)}
    if not isinstance(schema, dict):
        return set()
    own = schema.get("properties", {})
    return set(own) | {key for value in [*schema.values(), *own.values()] for key in keys_of(value)}


@pytest.mark.parametrize(("name", "manuals"), [("inventory", ["inventory.md"]), ("lab", ["lab-file.md", "checks.md"])])
def test_the_manual_mentions_every_key(name, manuals):
    text = "".join((ROOT / "docs" / manual).read_text() for manual in manuals)
    keys = {key for key in keys_of(SCHEMAS[name]()) if key not in ("properties", "patternProperties")}
    missing = {key for key in keys if not re.search(rf"`(?:[\w.\[\]-]+\.)?{re.escape(key)}`", text)}
    assert missing == set()


@pytest.mark.parametrize("manual", ["inventory.md", "lab-file.md"])
def test_examples_in_the_manual_load(manual, env, tmp_path):
    text = (ROOT / "docs" / manual).read_text()
    (tmp_path / "nginx.conf").write_text("x")
    (tmp_path / "labs").symlink_to(ROOT / "labs")
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        path = tmp_path / f"example-{number}.yaml"
        path.write_text(block)
        load = load_inventory if manual == "inventory.md" else load_lab
        assert load(path, env).warnings == ()
