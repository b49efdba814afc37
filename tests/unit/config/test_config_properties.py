"""Whatever stands in a file: it is either loaded, or all its problems are told with their lines."""

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.config.compose import load_lab
from orchestrator.config.interpolate import InterpolationError, interpolate
from orchestrator.config.inventory import load_inventory
from orchestrator.config.problems import Loaded
from orchestrator.config.schema import inventory_schema, lab_schema
from orchestrator.config.source import read_source
from orchestrator.errors import ConfigError

ENV = {"A": "1", "B": "two", "C": "true", "E": "", "HOME": "/nonexistent"}


def words_of(schema):
    """All keys and choices that a schema knows, so that random documents come near to real ones."""
    if isinstance(schema, dict):
        here = [*schema.get("properties", {}), *schema.get("enum", [])]
        return {word for value in schema.values() for word in words_of(value)} | set(here)
    return {word for item in schema for word in words_of(item)} if isinstance(schema, list) else set()


def documents(schema):
    words = st.sampled_from(sorted(words_of(schema)))
    texts = st.sampled_from(
        [
            "n1",
            "10.0.9.0/24",
            "10.0.9.1",
            "1GiB",
            "10s",
            "8080:80",
            "${A}",
            "$B",
            "${C}",
            "${E}",
            "${N}",
            "$",
            "x=y",
            "/",
        ]
    )
    tags = st.sampled_from(["\0map", "\0list", "<<", "x-a"])
    scalars = st.one_of(
        st.none(), st.booleans(), st.integers(-5, 70000), st.floats(), texts, words, st.text(max_size=8)
    )
    keys = st.one_of(words, words, words, tags, st.text(max_size=5))
    return st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=6)),
        max_leaves=15,
    )


def outcome(load, text):
    """What becomes of a file with that text; the file is in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.yaml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            return load(path, ENV)
        except ConfigError as error:
            return error


def check(result, text):
    if isinstance(result, Loaded):
        return
    assert isinstance(result, ConfigError)
    assert result.problems
    for problem in result.problems:
        assert 1 <= problem.line <= text.count("\n") + 2
        assert problem.message
        assert problem.file.name == "file.yaml"


@settings(max_examples=80, deadline=None)
@given(documents(inventory_schema()))
def test_any_inventory_is_loaded_or_refused_with_lines(data):
    text = yaml.safe_dump(data, allow_unicode=True)
    check(outcome(load_inventory, text), text)


@settings(max_examples=80, deadline=None)
@given(documents(lab_schema()))
def test_any_lab_is_loaded_or_refused_with_lines(data):
    text = yaml.safe_dump(data, allow_unicode=True)
    check(outcome(load_lab, text), text)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,?\n \t$<0123x\x07é", max_size=60))
def test_any_text_is_loaded_or_refused_with_lines(text):
    check(outcome(load_inventory, text), text)


BASE = {
    "name": "lab",
    "provider": "vm",
    "nodes": [{"name": "n1", "role": "manager", "labels": {"a": "b"}, "vm": {"cpus": 2, "memory": "1GiB"}}],
    "swarm": {"default_addr_pool": ["10.20.0.0/16"], "subnet_size": 24},
    "vm": {"lan": "192.168.90.0/24", "internet": True},
    "labs": [],
}


def places(data, loc=()):
    yield loc
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else []
    for key, value in items:
        yield from places(value, (*loc, key))


def with_value(data, loc, value):
    if not loc:
        return value
    copy = data.copy()
    copy[loc[0]] = with_value(data[loc[0]], loc[1:], value)
    return copy


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(sorted(places(BASE), key=str)), documents(inventory_schema()))
def test_a_good_inventory_with_one_strange_value_is_loaded_or_refused_with_lines(loc, value):
    text = yaml.safe_dump(with_value(BASE, loc, value), sort_keys=False)
    check(outcome(load_inventory, text), text)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40).filter(lambda text: not {"\r", "\x85", "\0"} & set(text)))
def test_a_variables_value_cannot_change_the_structure(value):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.yaml"
        path.write_text("a: ${V}\nb: [x]\n")
        assert read_source(path, {"V": value}).data == {"a": value, "b": ["x"]}


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_a_text_with_doubled_dollar_signs_comes_back_as_it_was(text):
    assert interpolate(text.replace("$", "$$"), {}) == text


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${A}", "1"),
        ("$A-$B", "1-two"),
        ("${E:-x}", "x"),
        ("${E-x}", ""),
        ("${N:-}", ""),
        ("${N:-a:b-c?}", "a:b-c?"),
        ("${A:?needed}", "1"),
        ("$$A $${A} $$$A", "$A ${A} $1"),
    ],
)
def test_variables(text, result):
    assert interpolate(text, ENV) == result


@pytest.mark.parametrize("text", ["$", "a$", "${", "${}", "${ A}", "$1", "${A:b}", "${A:+b}", "${N:-${A}}", "$-"])
def test_bad_variables(text):
    with pytest.raises(InterpolationError):
        interpolate(text, ENV)
