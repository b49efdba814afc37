"""Good files that were changed at random: they load, or are refused whole, with lines, and nothing is done."""

import json
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from workspace import lab, tree, watched

ROOT = Path(__file__).parents[3]
INVENTORIES = [*sorted((ROOT / "examples").glob("*.yaml")), ROOT / "inventory.yaml"]
LABS = sorted((ROOT / "labs").glob("*/compose.yaml"))

STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["", "${X}", "$", "node:1", "service:web", "10.0.0.0/33", "-1s", "\0", "\ud800", "\x1b[2J", "*", "<<"]
    ),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=3),
)


def places(data, loc=()):
    """The way to every value of a document."""
    yield loc
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else []
    for key, value in items:
        yield from places(value, (*loc, key))


def changed(data, loc, change):
    """The document with the change at a place: a value there, a key less, an entry twice, or a key misspelt."""
    if not loc:
        return change[1] if change[0] == "value" else data
    copy = data.copy()
    key = loc[0]
    if len(loc) > 1 or change[0] == "value":
        copy[key] = changed(data[key], loc[1:], change)
    elif change[0] == "gone":
        copy.pop(key)
    elif isinstance(data, list):
        copy.append(data[key])
    else:
        copy[f"{key}x"] = copy.pop(key)
    return copy


CHANGES = st.one_of(st.tuples(st.just("value"), STRANGE), st.tuples(st.sampled_from(["gone", "other"]), st.none()))


@st.composite
def changed_documents(draw, files):
    """A shipped file with one to three changes, as data."""
    data = yaml.safe_load(draw(st.sampled_from(files)).read_text())
    for _ in range(draw(st.integers(1, 3))):
        loc = draw(st.sampled_from(list(places(data))))
        data = changed(data, loc, draw(CHANGES))
    return data


@st.composite
def damaged_texts(draw, files):
    """The bytes of a shipped file with a stretch of them replaced by others."""
    data = draw(st.sampled_from(files)).read_bytes()
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + 20)))
    return data[:start] + draw(st.binary(max_size=8)) + data[end:]


def check(content: bytes, arguments: list[str], name: str) -> None:
    """The command ends in 0 or 2; with 2 every problem has file and line; nothing is written, dialled or started."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        place = Path(folder)
        patch.chdir(place)
        patch.setenv("LAB_STATE_DIR", str(place / "state"))
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        (place / "inventory.yaml").touch()
        before = tree(place)
        with watched() as acts:
            result = lab(*arguments, "-o", "json")
        assert result.exit_code in (0, 2), result.output
        assert (acts, tree(place)) == ([], before)
        document = json.loads(result.stdout)
        problems = document.get("error", {}).get("problems", [])
        assert result.exit_code == 0 or problems
        for problem in problems:
            assert 1 <= problem["line"] <= len(content.splitlines()) + 2
            assert problem["file"].endswith((name, "labs"))
            assert problem["message"].isprintable()


def written(data) -> bytes:
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False).encode(errors="backslashreplace")


def check_inventory(content: bytes) -> None:
    """`lab image build` reads the inventory and nothing else; of good ones with machines it would build the image."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orchestrator.cli.machine._shapes", lambda _inventory: [])
        check(content, ["image", "build", "-i", "wrong.yaml"], "wrong.yaml")


@settings(max_examples=60, deadline=None)
@given(changed_documents(INVENTORIES))
def test_a_changed_inventory(data):
    check_inventory(written(data))


@settings(max_examples=60, deadline=None)
@given(damaged_texts(INVENTORIES))
def test_a_damaged_inventory(content):
    check_inventory(content)


@settings(max_examples=60, deadline=None)
@given(changed_documents(LABS))
def test_a_changed_lab(data):
    check(written(data), ["labs", "./labs/wrong/compose.yaml"], "labs/wrong/compose.yaml")


@settings(max_examples=60, deadline=None)
@given(damaged_texts(LABS))
def test_a_damaged_lab(content):
    check(content, ["labs", "./labs/wrong/compose.yaml"], "labs/wrong/compose.yaml")
