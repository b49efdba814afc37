"""Places as lab files write them, and what every kind of check has in common."""

import pytest
from checks_support import check, judged, topology
from pydantic import ValidationError

from orchestrator.checks.base import Item, Names
from orchestrator.checks.endpoints import Endpoints, members_of, parse_endpoints, unknown_endpoints
from orchestrator.checks.kinds import KINDS
from orchestrator.model.question import Lookup, Read, Told, Unasked, Vantage
from orchestrator.model.verdict import Verdict


@pytest.mark.parametrize("text", ["node:1", "node:all", "node:12", "service:web", "container:a-1.b_2"])
def test_places_read_back_as_they_were_written(text):
    assert str(parse_endpoints(text)) == text


@pytest.mark.parametrize(
    "value", ["node:0", "node:01", "node:n1", "node:", "service:", "pod:web", "web", "service:a b", 1, None]
)
def test_anything_else_is_refused(value):
    with pytest.raises(ValueError, match="expected node"):
        parse_endpoints(value)


@pytest.mark.parametrize(
    ("place", "labels"),
    [
        ("node:2", ["n2"]),
        ("node:all", ["n1", "n2", "n3"]),
        ("node:4", []),
        ("service:web", ["task 1 of lab_web on n1", "task 2 of lab_web on n2"]),
        ("service:none", []),
        ("service:strange", []),
        ("container:box", ["container lab_box on n1", "container lab_box on n2"]),
    ],
)
def test_everything_that_a_place_means(place, labels):
    assert [member.label for member in members_of(topology(), parse_endpoints(place))] == labels


def test_what_runs_has_a_namespace_to_ask_from():
    spaces = [member.vantage and member.vantage.namespace for member in topology(unseen=["web2"]).tasks("web")]
    spaces += [member.vantage and member.vantage.namespace for member in topology().containers("box")]
    assert spaces == ["/ns/web1", None, "/ns/box1", None]


def test_an_unknown_key_is_told_with_those_that_are_near():
    names = Names(frozenset({"web"}), frozenset(), frozenset())
    assert unknown_endpoints(Endpoints("service", "web"), names) == ""
    assert unknown_endpoints(Endpoints("node", "9"), names) == ""
    assert "web" in unknown_endpoints(Endpoints("service", "wbe"), names)
    assert unknown_endpoints(Endpoints("container", "web"), names) == "there is no container 'web' in this lab"


class TestVerdictOf:
    ITEM = Item("web", (Lookup(Vantage("n1", "/ns/1", "task 1"), "web"), Read(Vantage("n2"), ("true",))))
    CHECK = check("names", from_="service:web", name="web", resolves_to="nothing")

    def test_what_is_not_there_is_a_failure(self):
        result = judged(self.CHECK, Item("web", problem="it is gone", nodes=("n1",)))
        assert (result.verdict, result.reason, result.nodes) == (Verdict.FAIL, "it is gone", ("n1",))

    def test_what_cannot_be_asked_is_not(self):
        result = judged(self.CHECK, Item("web", unasked="n1 is lost", nodes=("n1",)))
        assert (result.verdict, result.reason, result.nodes) == (Verdict.INCONCLUSIVE, "n1 is lost", ("n1",))

    def test_one_question_that_could_not_be_asked_leaves_all_open(self):
        result = judged(self.CHECK, self.ITEM, Unasked("no sshd"), Told(1, ""))
        assert result.reason == "task 1 cannot be asked from: no sshd"
        assert (result.check, result.subject, result.nodes) == ("names", "web", ("n1",))


class TestKinds:
    @pytest.mark.parametrize("kind", list(KINDS))
    def test_every_kind_documents_itself(self, kind):
        assert KINDS[kind].__doc__
        assert KINDS[kind].tag() == f"\0{kind}"

    def test_keys_that_a_kind_does_not_have_are_refused(self):
        with pytest.raises(ValidationError):
            check("mesh", form="service:web")

    def test_common_keys(self):
        made = check("mesh", title="t", claims=[3], within="1m30s")
        assert (made.title, made.claims, made.within, made.alters) == ("t", [3], 90.0, False)
