"""The labs that there are, read without any machine."""

import pytest

from orchestrator.errors import ConfigError, UsageError
from orchestrator.model.catalogue import CheckEntry
from orchestrator.usecases.catalogue import find_lab, list_labs

WEB = "services: {web: {image: nginx}}\n"
CHECKED = (
    WEB
    + """x-lab:
  title: It shows something
  checks:
    - {kind: tasks, service: web, count: 1, title: One runs, claims: [13, 2]}
    - {kind: network, name: bridge, on: "node:all", claims: [1, 2]}
"""
)


@pytest.fixture
def shelf(tmp_path):
    for name, text in {"plain": WEB, "checked": CHECKED, "broken": "services: 3\nnetworks: 4\n"}.items():
        folder = tmp_path / "labs" / name
        folder.mkdir(parents=True)
        (folder / "compose.yaml").write_text(text)
    (tmp_path / "labs" / "README.md").write_text("not a lab")
    (tmp_path / "labs" / "plain" / "README.md").write_text("a guide")
    return tmp_path / "inventory.yaml"


def test_every_lab_beside_the_inventory_is_listed(shelf):
    """The inventory itself need not even exist."""
    broken, checked, plain = list_labs(shelf, {})
    assert [entry.name for entry in (broken, checked, plain)] == ["broken", "checked", "plain"]
    assert (broken.lab, broken.checks, broken.claims) == (None, (), ())
    assert broken.problem.startswith(f"{broken.path}/compose.yaml:1: ")
    assert broken.problem.endswith("(and 1 more)")
    assert (checked.lab.title, checked.claims, checked.derived) == ("It shows something", (1, 2, 13), False)
    assert plain.derived


def test_without_labs_there_is_nothing_to_list(tmp_path):
    assert list_labs(tmp_path / "inventory.yaml", {}) == []


def test_a_lab_with_its_checks_and_its_guide(shelf):
    checked = find_lab(shelf, "checked", {})
    assert checked.checks == (CheckEntry("tasks", "One runs", (13, 2)), CheckEntry("network", "", (1, 2)))
    assert checked.readme is None
    assert checked.path == shelf.parent / "labs" / "checked" / "compose.yaml"
    plain = find_lab(shelf, "plain", {})
    assert [check.title for check in plain.checks] == [
        "web resolves to the virtual address of the service",
        "tasks.web resolves to the addresses of its tasks",
    ]
    assert plain.readme == shelf.parent / "labs" / "plain" / "README.md"


def test_a_path_is_a_lab_too(shelf):
    file = shelf.parent / "labs" / "checked" / "compose.yaml"
    assert find_lab(shelf, str(file), {}).name == "checked"
    assert find_lab(shelf, str(file.parent), {}).name == "checked"


def test_a_lab_that_is_not_there_or_cannot_be_read(shelf):
    with pytest.raises(UsageError, match="there is no lab 'chekced'") as caught:
        find_lab(shelf, "chekced", {})
    assert "did you mean checked?" in caught.value.hint
    with pytest.raises(ConfigError) as broken:
        find_lab(shelf, "broken", {})
    assert len(broken.value.problems) == 2
