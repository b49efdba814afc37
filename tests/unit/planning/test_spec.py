"""What a container was made from, kept as text on the container."""

import pytest

from orchestrator.model.lab import Container, Port, Protocol, PublishMode
from orchestrator.model.spec import container_of, container_text

FULL = Container(
    key="a",
    name="lab_a",
    image="sha256:aa",
    on=(1, 2),
    network="host",
    aliases=("a",),
    ports=(Port(0, 53, Protocol.UDP, PublishMode.HOST),),
    environment={"A": "ü", "EMPTY": ""},
    hostname="h",
    command=("a b", "c"),
    cap_add=("CAP_NET_RAW",),
    ends=True,
    labels={"l": "1"},
)


def test_everything_comes_back_but_where_it_runs_and_its_labels():
    found = container_of(container_text(FULL), "a")
    assert found == Container(**{**vars(FULL), "on": (), "labels": {}})


def test_the_text_is_the_same_for_the_same_container():
    text = container_text(Container("a", "lab_a", "nginx", environment={"B": "1", "A": "2"}))
    assert text == container_text(Container("z", "lab_a", "nginx", (3,), environment={"A": "2", "B": "1"}))
    assert text == '{"environment": {"A": "2", "B": "1"}, "image": "nginx", "name": "lab_a", "network": "bridge"}'


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "1", "{}", '{"name": "x"}', '{"name": "x", "image": "y", "what": 1}',
     '{"name": "x", "image": "y", "ports": [[1]]}', '{"name": "x", "image": "y", "ports": [[1, 2, "ip", "host"]]}',
     '{"name": "x", "image": "y", "ports": 3}'],
)  # fmt: skip
def test_a_damaged_text_is_none(text):
    assert container_of(text, "x") is None
