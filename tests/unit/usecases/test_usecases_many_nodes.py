"""A cluster of more nodes than all of whose pairs are asked."""

import pytest
from mesh_standins import MemoryProvider, Recorder, inventory, lab

from orchestrator.model.events import Notice
from orchestrator.model.inventory import ProviderKind
from orchestrator.model.probe import Pairs
from orchestrator.model.verdict import Verdict
from orchestrator.planning.pairs import ALL_UP_TO
from orchestrator.usecases.up import up
from orchestrator.usecases.verify import verify

NAMES = [f"n{number}" for number in range(1, ALL_UP_TO + 5)]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        provider = MemoryProvider(inventory(ProviderKind.SSH, NAMES))
        provider.up_run = Recorder()
        up(provider.up_run.context, provider.inventory, [lab(replicas=12)], provider)
        yield provider


def notices(run: Recorder) -> list[str]:
    return [event.message for event in run.events if isinstance(event, Notice)]


def test_up_asks_a_sample_and_still_waits_for_every_task_through_every_node(many):
    (answer,) = [e for e in many.up_run.events if type(e).__name__ == "PhaseFinished" and e.phase == "answer"]
    assert answer.summary == f"ways that answer: {4 * len(NAMES)}"


def test_a_sample_is_asked_by_itself_and_that_is_told(many):
    run = Recorder()
    report = verify(run.context, many.inventory, many).report
    assert report.verdict is Verdict.PASS
    assert (report.sample.pairs, report.sample.ways) == (Pairs.PATHS, 4 * len(NAMES))
    assert report.sample.all_ways == len(NAMES) * (len(NAMES) + 1)
    (told,) = [text for text in notices(run) if "--pairs all" in text]
    assert told.startswith(f"{len(NAMES)} nodes are many")


@pytest.mark.parametrize(("pairs", "ways"), [(Pairs.ALL, len(NAMES) * (len(NAMES) + 1)), (Pairs.NODES, 4 * len(NAMES))])
def test_what_was_chosen_is_asked_without_a_word(many, pairs, ways):
    run = Recorder()
    report = verify(run.context, many.inventory, many, pairs=pairs, seed=3).report
    assert report.verdict is Verdict.PASS
    assert (report.sample.pairs, report.sample.seed, report.sample.ways) == (pairs, 3, ways)
    assert notices(run) == []


def test_another_seed_asks_other_pairs(many):
    run = Recorder()
    sampled = [
        {
            (cell.vantage, cell.entry)
            for cell in verify(run.context, many.inventory, many, pairs=Pairs.NODES, seed=seed).report.ports[0].cells
        }
        for seed in (0, 1)
    ]
    assert sampled[0] != sampled[1]
