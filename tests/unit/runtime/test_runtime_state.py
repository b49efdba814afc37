"""What is remembered of a cluster, and what happens when that file is not what it should be."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import EnvironmentProblem
from orchestrator.model.inventory import Availability, Inventory, NodeConfig, ProviderKind, Role, SshAddress, VmShape
from orchestrator.runtime.documents import NewerDocument
from orchestrator.runtime.state import (
    ClusterState,
    LabRecord,
    list_states,
    load_state,
    remove_state,
    save_state,
    state_file,
)


def state(name: str = "lab") -> ClusterState:
    nodes = (
        NodeConfig("n1", Role.MANAGER, labels={"rack": "a"}, vm=VmShape(memory=2048)),
        NodeConfig("n2", Role.WORKER, availability=Availability.DRAIN, ssh=SshAddress("h", key=Path("/k"))),
    )
    inventory = Inventory(name, Path("/x/inventory.yaml"), ProviderKind.VM, nodes, labs=(Path("/x/labs/a"),))
    created = datetime(2024, 5, 1, 12, tzinfo=UTC)
    return ClusterState(inventory, created, "cluster-id", ("id1",), (LabRecord("a", Path("/x/labs/a")),))


def test_what_was_saved_is_loaded_with_all_types():
    save_state(state())
    assert load_state("lab") == state()


@settings(deadline=None, max_examples=30)
@given(labels=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3), port=st.integers(1, 65535))
def test_every_inventory_survives_the_file(labels, port):
    node = NodeConfig("n1", Role.MANAGER, labels=labels, ssh=SshAddress("h", port=port))
    inventory = Inventory("prop", Path("/i"), ProviderKind.SSH, (node,))
    wanted = ClusterState(inventory, datetime(2024, 5, 1, tzinfo=UTC))
    save_state(wanted)
    assert load_state("prop") == wanted


def test_the_way_to_a_host_survives_the_file():
    ssh = SshAddress("web1", certificate=Path("/c"), jump=("me@gate:22",), config="", docker_socket="/run/other.sock")
    inventory = Inventory("way", Path("/i"), ProviderKind.SSH, (NodeConfig("n1", Role.MANAGER, ssh=ssh),))
    wanted = ClusterState(inventory, datetime(2024, 5, 1, tzinfo=UTC))
    save_state(wanted)
    assert load_state("way") == wanted


def test_a_file_from_before_openssh_was_asked_means_what_it_meant():
    """Then everything was said, and no configuration was read."""

    def older(document) -> None:
        ssh = {"host": "h", "port": 22, "user": "root", "key": None, "known_hosts": "/known", "host_key_alias": None}
        document["inventory"]["nodes"][0]["ssh"] = ssh

    damaged(older)
    loaded = load_state("lab")
    assert loaded is not None
    assert loaded.inventory.nodes[0].ssh == SshAddress("h", 22, "root", known_hosts=Path("/known"), config="none")


def test_nothing_remembered_is_none():
    assert load_state("lab") is None
    assert list_states() == []


def test_removing_forgets_and_takes_the_empty_folder_along():
    save_state(state())
    remove_state("lab")
    remove_state("lab")
    assert load_state("lab") is None
    assert not state_file("lab").parent.exists()


def test_removing_takes_along_what_a_write_that_was_cut_off_left():
    save_state(state())
    (state_file("lab").parent / ".state.json.half").write_text("{")
    remove_state("lab")
    assert not state_file("lab").parent.exists()


def test_removing_keeps_a_folder_that_holds_more():
    save_state(state())
    (state_file("lab").parent / "disk").write_text("")
    remove_state("lab")
    assert (state_file("lab").parent / "disk").exists()


def damaged(change) -> None:
    save_state(state())
    document = json.loads(state_file("lab").read_text())
    change(document)
    state_file("lab").write_text(json.dumps(document))


DAMAGES = {
    "no schema": lambda document: document.pop("schema"),
    "schema of the wrong type": lambda document: document.update(schema="one"),
    "inventory missing": lambda document: document.pop("inventory"),
    "role unknown": lambda document: document["inventory"]["nodes"][0].update(role="boss"),
    "date wrong": lambda document: document.update(created="yesterday"),
    "another cluster": lambda document: document["inventory"].update(name="other"),
}


@pytest.mark.parametrize("change", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_told_with_path_and_advice(change):
    damaged(change)
    with pytest.raises(EnvironmentProblem, match="damaged") as caught:
        load_state("lab")
    assert str(state_file("lab")) in caught.value.message
    assert "lab down" in caught.value.hint


@pytest.mark.parametrize("length", [0, 1, 50, 200])
def test_a_truncated_file_is_told(length):
    save_state(state())
    state_file("lab").write_bytes(state_file("lab").read_bytes()[:length])
    with pytest.raises(EnvironmentProblem, match="not JSON"):
        load_state("lab")


def test_binary_rubbish_is_told():
    save_state(state())
    state_file("lab").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EnvironmentProblem, match="damaged"):
        load_state("lab")


def test_a_newer_version_is_told():
    damaged(lambda document: document.update(schema=99))
    with pytest.raises(NewerDocument, match="newer version") as caught:
        load_state("lab")
    assert "use that version" in caught.value.hint


def test_a_bad_file_does_not_hide_the_others():
    damaged(lambda document: document.pop("schema"))
    save_state(state("other"))
    bad, good = list_states()
    assert bad.name == "lab"
    assert bad.state is None
    assert "damaged" in str(bad.problem)
    assert good.state == state("other")
