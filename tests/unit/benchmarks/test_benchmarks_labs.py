"""Every lab in one run, without starting a machine."""

from pathlib import Path

import pytest

from benchmarks import labs
from benchmarks.figures import LABS
from benchmarks.workspace import Options, bench
from orchestrator.errors import EnvironmentProblem
from orchestrator.runtime.context import Context

REPOSITORY = Path(__file__).resolve().parents[3]
REPORT = {"ports": [{"checks": [1, 2]}], "labs": [{"results": [1]}, {"results": [1, 2]}], "probes": 7}


@pytest.fixture
def commands(monkeypatch):
    """The commands that are given; each ends well but those in ``fails``."""

    class Commands(list):
        fails = ()

        def run(self, work, *words):
            work.state.mkdir(exist_ok=True)
            self.append(" ".join([words[0], *(Path(word).name for word in words[1:])]))
            if self[-1] in self.fails:
                raise EnvironmentProblem("no")
            return REPORT

    made = Commands()
    monkeypatch.setattr("benchmarks.workspace.Bench.lab_document", lambda work, *words: made.run(work, *words))
    monkeypatch.setattr("benchmarks.workspace.Bench.lab", lambda work, *words: made.run(work, *words))
    return made


def test_no_lab_is_left_out():
    assert sorted(LABS) == sorted(file.parent.name for file in (REPOSITORY / "labs").glob("*/compose.yaml"))


def test_one_lab_after_the_other_on_one_cluster(commands):
    with bench(Context(lambda _event: None), Options(1)) as work:
        labs.measure(work)
        assert {work.samples[f"{name} results"][0] for name in LABS} == {5}
        assert {work.samples[f"{name} probes"][0] for name in LABS} == {7}
        assert all(len(work.samples[f"{name} {what}"]) == 1 for name in LABS for what in ("up", "verify"))
    each = [command for name in LABS for command in (f"up {name}", f"verify {name}", f"down {name}")]
    assert commands == ["up", "down ingress-mesh", *each, "down"]


def test_a_lab_that_fails_counts_for_nothing_and_the_next_has_a_new_cluster(commands):
    commands.fails = ("verify host",)
    with bench(Context(lambda _event: None), Options(1)) as work:
        labs.measure(work)
        assert work.failures == ["lab host: no"]
        assert not work.samples["host up"]
        assert work.samples["none verify"]
    after = commands.index("verify host") + 1
    assert commands[after : after + 3] == ["up", "down ingress-mesh", "up none"]
