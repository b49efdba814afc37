"""What is remembered, and which cluster a command is about."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mesh_standins import inventory, lab

from orchestrator.errors import ConfigError, RefusedError, UsageError
from orchestrator.model.inventory import Availability, ProviderKind, Role
from orchestrator.model.labels import CLUSTER
from orchestrator.model.observed import ClusterView, NodeView, SwarmNode, SwarmState, SwarmView
from orchestrator.runtime.documents import UnusableDocument
from orchestrator.runtime.state import ClusterState, save_state, state_file
from orchestrator.usecases.locate import find_existing, lab_place, read_wish, require_existing, shelf_of
from orchestrator.usecases.memory import remembered, swarm_is_ours, with_swarm, without_labs

CREATED = datetime(2024, 5, 1, tzinfo=UTC)
FILE = """
name: {name}
provider: vm
nodes:
  - name: n1
    role: manager
"""
COMPOSE = "services:\n  web:\n    image: example/web:1\n    ports: ['{port}:80']\n"


def state(**changes) -> ClusterState:
    return replace(ClusterState(inventory(), CREATED), **changes)


def swarm(labels: dict[str, str], *ids: str) -> SwarmView:
    nodes = [SwarmNode(id_, "h", Role.WORKER, Availability.ACTIVE, "ready", "a") for id_ in ids]
    return SwarmView("n1", "cluster-id", labels, nodes=tuple(nodes))


def member(name: str, node_id: str) -> NodeView:
    return NodeView(name, reachable=True, swarm=SwarmState.ACTIVE, node_id=node_id)


class TestRemembered:
    def test_a_first_up_begins_a_state_with_its_labs(self):
        found = remembered(None, inventory(), [lab("a")])
        assert found.inventory == inventory()
        assert [record.name for record in found.labs] == ["a"]
        assert found.cluster_id == ""

    def test_a_further_up_keeps_the_beginning_and_the_other_labs(self):
        first = remembered(state(cluster_id="c", members=("1",)), inventory(), [lab("a")])
        second = remembered(first, inventory(), [lab("b")])
        assert second.created == CREATED
        assert (second.cluster_id, second.members) == ("c", ("1",))
        assert [record.name for record in second.labs] == ["a", "b"]
        assert [record.name for record in without_labs(second, ["a"]).labs] == ["b"]

    def test_a_new_node_is_welcome(self):
        assert remembered(state(), inventory(names=("n1", "n2", "n3", "n4")), []).inventory.nodes[3].name == "n4"

    def test_a_node_that_vanished_from_the_inventory_is_refused(self):
        with pytest.raises(RefusedError, match="n3, which the inventory no longer names"):
            remembered(state(), inventory(names=("n1", "n2")), [])

    def test_another_provider_is_refused(self):
        with pytest.raises(RefusedError, match="with the provider vm, the inventory says ssh"):
            remembered(state(), inventory(ProviderKind.SSH), [])


class TestSwarm:
    def test_ids_are_kept_of_our_swarm_and_of_no_other(self):
        views = (member("n1", "1"), member("n2", "elsewhere"))
        ours = with_swarm(state(members=("0",)), ClusterView(views, swarm({CLUSTER: "test"}, "2", "1")))
        assert (ours.cluster_id, ours.members) == ("cluster-id", ("0", "1", "2"))
        assert with_swarm(state(), ClusterView(views, swarm({CLUSTER: "other"}, "1"))) == state()
        assert with_swarm(state(), ClusterView(views)) == state()

    def test_the_label_decides_where_a_manager_answers(self):
        known = state(members=("1",))
        assert swarm_is_ours(ClusterView((), swarm({CLUSTER: "test"})), "test", None)
        assert not swarm_is_ours(ClusterView((member("n1", "1"),), swarm({})), "test", known)

    def test_without_a_manager_every_member_must_have_its_old_id(self):
        known = state(members=("2", "3"))
        lost = NodeView("n1", reachable=False)
        assert swarm_is_ours(ClusterView((lost, member("n2", "2"))), "test", known)
        assert not swarm_is_ours(ClusterView((lost, member("n2", "2"), member("n3", "new"))), "test", known)
        assert not swarm_is_ours(ClusterView((lost, member("n2", "2"))), "test", state())
        assert not swarm_is_ours(ClusterView((lost, member("n2", "2"))), "test", None)


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "inventory.yaml"
    path.write_text(FILE.format(name="test"))
    for number, name in enumerate(("a", "b")):
        (tmp_path / "labs" / name).mkdir(parents=True)
        (tmp_path / "labs" / name / "compose.yaml").write_text(COMPOSE.format(port=8000 + number))
    return path


def remember(file: Path, name: str = "test") -> ClusterState:
    kept = state(inventory=replace(inventory(name=name), path=file))
    save_state(kept)
    return kept


class TestFindExisting:
    def test_what_was_brought_up_counts_more_than_the_file(self, file):
        kept = remember(file)
        found = find_existing(file, {})
        assert (found.inventory, found.state, found.warnings) == (kept.inventory, kept, ())

    def test_without_state_the_file_counts(self, file):
        found = find_existing(file, {})
        assert (found.inventory.name, found.state) == ("test", None)

    @pytest.mark.parametrize("trouble", ["deleted", "broken", "a folder"])
    def test_a_lost_file_is_found_by_what_was_brought_up_from_it(self, file, trouble):
        kept = remember(file)
        file.unlink()
        if trouble == "broken":
            file.write_text("nodes: [")
        elif trouble == "a folder":
            file.mkdir()
        found = find_existing(file, {})
        assert found.state == kept
        assert "going by what was brought up" in found.warnings[0]

    def test_another_files_cluster_is_not_touched(self, file, tmp_path):
        remember(tmp_path / "other.yaml")
        file.unlink()
        assert find_existing(file, {}) is None
        with pytest.raises(ConfigError):
            require_existing(file, {})

    def test_several_clusters_of_a_lost_file_must_be_told_apart(self, file):
        remember(file, "one")
        remember(file, "two")
        file.unlink()
        with pytest.raises(UsageError, match="one, two"):
            find_existing(file, {})
        assert find_existing(file, {}, "two").inventory.name == "two"

    def test_a_renamed_cluster_is_pointed_at(self, file):
        remember(file, "before")
        found = find_existing(file, {})
        assert found.inventory.name == "test"
        assert "lab down --name before" in found.warnings[0]

    def test_a_name_finds_state_or_inventory_or_nothing(self, file, tmp_path):
        kept = remember(tmp_path / "other.yaml", "other")
        assert find_existing(file, {}, "other").state == kept
        assert find_existing(file, {}, "test").state is None
        assert find_existing(file, {}, "third") is None

    @pytest.mark.parametrize("name", [None, "test"])
    @pytest.mark.parametrize(
        ("content", "told"), [("", "is damaged"), ("{", "is damaged"), ('{"schema": 99}', "newer version")]
    )
    def test_a_state_that_cannot_be_gone_by_is_told_and_the_file_counts(self, file, name, content, told):
        remember(file)
        state_file("test").write_text(content)
        found = find_existing(file, {}, name)
        assert (found.inventory.path, found.state) == (file, None)
        assert told in found.warnings[0]
        with pytest.raises(UnusableDocument, match=told):
            find_existing(file.parent / "gone.yaml", {}, "test")

    def test_machines_of_ours_can_be_taken_down_by_name_alone(self, file):
        remember(file)
        state_file("test").write_text("{")
        (state_file("test").parent / "vm").mkdir()
        found = find_existing(file.parent / "gone.yaml", {}, "test")
        assert (found.inventory.provider, found.inventory.nodes, found.state) == (ProviderKind.VM, (), None)
        assert "is damaged" in found.warnings[0]


class TestReadWish:
    def test_named_labs_are_found_beside_the_inventory(self, file):
        wish = read_wish(file, ["b", "a"], {})
        assert [found.name for found in wish.labs] == ["b", "a"]

    def test_without_names_the_inventory_decides(self, file):
        assert read_wish(file, [], {}).labs == ()
        file.write_text(FILE.format(name="test") + "labs: [labs/a]\n")
        assert [found.name for found in read_wish(file, [], {}).labs] == ["a"]

    def test_the_subnets_of_the_labs_are_known(self, file):
        assert read_wish(file, ["a"], {}).subnets == ()
        with (file.parent / "labs" / "b" / "compose.yaml").open("a") as stream:
            stream.write("networks: {default: {ipam: {config: [{subnet: 10.0.9.0/24}]}}}\n")
        assert read_wish(file, ["a", "b"], {}).subnets == ("10.0.9.0/24",)

    def test_a_path_is_a_lab_too(self, file, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path / "labs")
        found = lab_place(shelf_of(file), "a/compose.yaml")
        assert found == tmp_path / "labs" / "a" / "compose.yaml"

    def test_an_unknown_lab_is_told_with_the_known_ones(self, file):
        (file.parent / "labs" / "ingress-mesh").mkdir()
        with pytest.raises(UsageError, match="no lab 'ingres-mesh'") as caught:
            read_wish(file, ["ingres-mesh"], {})
        assert "did you mean ingress-mesh?" in caught.value.hint
        assert "holds: a, b, ingress-mesh" in caught.value.hint

    def test_problems_of_all_labs_come_at_once(self, file):
        for name in ("a", "b"):
            (file.parent / "labs" / name / "compose.yaml").write_text("services:\n  web:\n    imag: x\n")
        with pytest.raises(ConfigError) as caught:
            read_wish(file, ["a", "b"], {})
        assert {problem.file.parent.name for problem in caught.value.problems} == {"a", "b"}

    def test_labs_that_cannot_run_together_are_refused(self, file):
        (file.parent / "labs" / "b" / "compose.yaml").write_text(COMPOSE.format(port=8000))
        with pytest.raises(ConfigError, match="1 problem"):
            read_wish(file, ["a", "b"], {})
