"""What the manual says of kinds of checks is what their classes say."""

from typing import ClassVar, Literal

import pytest
from pydantic import Field

from orchestrator.checks.base import Check
from orchestrator.checks.documentation import describe, kinds
from orchestrator.checks.endpoints import EndpointsField
from orchestrator.checks.kinds import KINDS
from orchestrator.config.fields import Text
from orchestrator.model.catalogue import KeyDoc


class Example(Check):
    """What it means,
    in a line.

    And
    more.
    """

    kind: Literal["example"]
    seen_from: EndpointsField = Field(alias="from", description="Who asks.")
    expect: Literal["answer", "no-answer"] = Field(default="answer", description="What comes.")
    port: int = Field(default=80, ge=1, le=65535, description="A port. Default: the usual one.")
    least: int = Field(ge=2, description="How many.")
    only: list[Text] | None = Field(default=None, description="Names.")
    present: bool | Literal["sometimes"] = Field(default=True, description="Whether.")

    alters: ClassVar[bool] = True


FOUND = describe(Example)


def test_the_docstring_without_its_line_breaks():
    assert (FOUND.name, FOUND.paragraphs, FOUND.alters) == ("example", ("What it means, in a line.", "And more."), True)


def test_keys_with_types_and_defaults_in_words():
    assert FOUND.keys == (
        KeyDoc("from", "text such as node:1 or node:all or service:web or container:a1", True, "", "Who asks."),
        KeyDoc("expect", "answer or no-answer", False, "answer", "What comes."),
        KeyDoc("port", "whole number from 1 to 65535", False, "the usual one", "A port."),
        KeyDoc("least", "whole number, at least 2", True, "", "How many."),
        KeyDoc("only", "list: text", False, "", "Names."),
        KeyDoc("present", "true or false, or sometimes", False, "true", "Whether."),
    )


def test_the_keys_of_every_kind_are_apart():
    assert [key.name for key in FOUND.common] == ["title", "claims", "within"]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_every_kind_and_key_is_described(kind):
    fields = {field.alias or name for name, field in KINDS[kind.name].model_fields.items()}
    assert {key.name for key in (*kind.keys, *kind.common)} == fields - {"kind"}
    assert all(key.description.endswith(".") for key in (*kind.keys, *kind.common))
    assert kind.paragraphs[0].endswith(".")
