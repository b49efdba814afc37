"""A lab full of hostile values comes up, is checked and goes: engines get the values as they are, nobody else does."""

import shlex
from typing import Any

import pytest
from hostile import LAB, VALUES, lab_with, load
from mesh_standins import IMAGE, MemoryProvider, Recorder, inventory
from schema_walk import spots
from test_badinput_fields import HARMLESS

from orchestrator.cli.output import print_document, print_text
from orchestrator.cli.presentations import DOWN, STATUS, UP, VERIFY
from orchestrator.config.compose_schema import LabFile
from orchestrator.errors import ConfigError
from orchestrator.report.journal import Journal
from orchestrator.report.words import steering
from orchestrator.runtime.state import load_state
from orchestrator.usecases.down import down
from orchestrator.usecases.status import status
from orchestrator.usecases.up import up
from orchestrator.usecases.verify import verify

CHANGING = "refusal"
"""A check that makes a call of its own, which the engine in memory would have to refuse."""


def merged(one: Any, other: Any) -> Any:
    """Two documents as one; lists of checks are put together, of what else has two forms the second is taken."""
    if isinstance(one, dict) and isinstance(other, dict):
        both = {key: merged(one[key], other[key]) for key in one.keys() & other.keys()}
        return {key: both.get(key, value) for key, value in {**one, **other}.items()}
    both_checks = all(isinstance(found, list) and found and "kind" in found[0] for found in (one, other))
    return [*one, *other] if both_checks else other


def full_lab(value: str, folder) -> tuple[dict[str, Any], list[str]]:
    """A lab file with the value in every place that takes it, and those places."""
    document, places = LAB, []
    for spot in spots(LabFile):
        if spot.path in HARMLESS["lab"] and CHANGING not in spot.path:
            with_value = lab_with(spot, value)
            if not isinstance(load("lab", with_value, folder), ConfigError):
                document, places = merged(document, with_value), [*places, spot.path]
    services = {key: {**service, "image": IMAGE} for key, service in document["services"].items()}
    containers = {f"plain-{key}": {**one, "image": IMAGE} for key, one in document["x-lab"]["containers"].items()}
    containers["one"] = containers.pop("plain-one")
    return {**document, "services": services, "x-lab": {**document["x-lab"], "containers": containers}}, places


@pytest.mark.parametrize("name", ["substitution", "newline", "quotes", "terminal", "long"])
def test_values_reach_engines_whole_and_nothing_else(name, tmp_path, capsys):
    value = VALUES[name]
    document, places = full_lab(value, tmp_path)
    assert len(places) > 15
    loaded = load("lab", document, tmp_path)
    assert not isinstance(loaded, ConfigError), loaded.problems
    lab = loaded.value
    provider, context = MemoryProvider(inventory()), Recorder().context
    brought = up(context, provider.inventory, [lab], provider)
    changes = list(provider.fake.changes)
    again = up(context, provider.inventory, [lab], provider)
    seen = verify(context, provider.inventory, provider, requests=2, look_only=True)
    stands = status(context, provider.inventory, provider)

    # What the engines hold is compared with the file, every value of it: nothing differs.
    assert (again.changed, provider.fake.changes) == (False, changes)
    stored = provider.fake.named("services", "file_x")["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert [stored[key] for key in ("User", "Dir", "Hostname")] == [value] * 3
    gone = down(context, provider.inventory, load_state("test"), provider)
    for line in [line for host in provider.hosts for line in host.ran]:
        assert not any(value in word for word in shlex.split(line)), line
    for presentation, outcome in ((UP, brought), (VERIFY, seen), (STATUS, stands), (DOWN, gone)):
        print_text(lambda width, show=presentation, found=outcome: show.text(found, Journal(), width))
        print_document(presentation.document(outcome, Journal()))
        assert steering(capsys.readouterr().out) == set()
    assert [path for path in tmp_path.iterdir() if path.name not in ("file.yaml", "known", "state")] == []
