"""A hostile value in any place of any file is refused with its line, or goes where it can do no harm.

Places are found by walking the schemas. A new one that takes such values fails here until somebody has said in
``HARMLESS`` where they end; ``test_badinput_cluster.py`` shows that it is so.
"""

import pytest
from hostile import VALUES, inventory_with, lab_with, load
from schema_walk import Spot, spots

from orchestrator.config.compose_schema import LabFile
from orchestrator.config.inventory_schema import InventoryFile
from orchestrator.errors import ConfigError

ENGINE = "a string in the JSON of an API call"
SHOWN = "shown, one line that can be seen"
COMPARED = "compared with what hosts say"
IGNORED = "not looked at at all"
WRITTEN = "a file of the user's own that `lab trust` writes; its name is plain, its folder is there"

HARMLESS = {
    "inventory": {
        "defaults.labels.KEY": ENGINE,
        "defaults.labels.x": ENGINE,
        "defaults.ssh.known_hosts": WRITTEN,
        "nodes[0].ssh.known_hosts": WRITTEN,
        "nodes[0].labels.KEY": ENGINE,
        "nodes[0].labels.x": ENGINE,
    },
    "lab": {
        "version": IGNORED,
        "services.x.command": ENGINE,
        "services.x.command[0]": ENGINE,
        "services.x.entrypoint": ENGINE,
        "services.x.entrypoint[0]": ENGINE,
        "services.x.environment.KEY": ENGINE,
        "services.x.environment.x": ENGINE,
        "services.x.environment[0]": ENGINE,
        "services.x.hostname": ENGINE,
        "services.x.user": ENGINE,
        "services.x.working_dir": ENGINE,
        "services.x.healthcheck.test": ENGINE,
        "services.x.labels.KEY": ENGINE,
        "services.x.labels.x": ENGINE,
        "services.x.labels[0]": ENGINE,
        "services.x.networks.x.aliases[0]": ENGINE,
        "services.x.configs[0].target": ENGINE,
        "services.x.deploy.labels.KEY": ENGINE,
        "services.x.deploy.labels.x": ENGINE,
        "services.x.deploy.labels[0]": ENGINE,
        "networks.x.labels.KEY": ENGINE,
        "networks.x.labels.x": ENGINE,
        "networks.x.labels[0]": ENGINE,
        "configs.x.content": ENGINE,
        "configs.x.labels.KEY": ENGINE,
        "configs.x.labels.x": ENGINE,
        "configs.x.labels[0]": ENGINE,
        "x-lab.title": SHOWN,
        "x-lab.checks[0].title": SHOWN,
        "x-lab.checks[0].<interfaces>.only[0]": COMPARED,
        "x-lab.checks[0].<interfaces>.has[0]": COMPARED,
        "x-lab.checks[0].<container>.message": COMPARED,
        "x-lab.checks[0].<refusal>.body.KEY": ENGINE,
        "x-lab.checks[0].<refusal>.body.x": ENGINE,
        "x-lab.checks[0].<refusal>.message": COMPARED,
        "x-lab.containers.x.environment.KEY": ENGINE,
        "x-lab.containers.x.environment.x": ENGINE,
        "x-lab.containers.x.environment[0]": ENGINE,
        "x-lab.containers.x.command": ENGINE,
        "x-lab.containers.x.command[0]": ENGINE,
    },
}
"""Where the values end that are taken as they are."""

NEVER = {"NUL", "half a pair"}
"""What nobody can mean, wherever it stands."""

ONE_LINE = NEVER | {"newline", "terminal", "right to left"}

PLACES = [
    *(("inventory", spot) for spot in spots(InventoryFile)),
    *(("lab", spot) for spot in spots(LabFile)),
]


@pytest.mark.parametrize(("kind", "spot"), PLACES, ids=[f"{kind} {spot.path}" for kind, spot in PLACES])
def test_hostile_values_are_refused_with_their_line_or_harmless(kind, spot, tmp_path):
    build = lab_with if kind == "lab" else inventory_with
    names = VALUES if spot.text else ("separator",)
    results = {name: load(kind, build(spot, VALUES[name]), tmp_path) for name in names}
    for result in results.values():
        if isinstance(result, ConfigError):
            _check_told(result, spot)
    taken = {name for name, result in results.items() if not isinstance(result, ConfigError)}
    why = HARMLESS[kind].get(spot.path)
    assert bool(taken) == (why is not None), taken
    assert not taken & (ONE_LINE if why is SHOWN or spot.path.endswith("KEY") else NEVER)


def test_what_is_harmless_is_still_there():
    for kind in ("inventory", "lab"):
        assert HARMLESS[kind].keys() <= {spot.path for one, spot in PLACES if one == kind}


def test_the_walk_finds_what_a_person_can_write():
    """A walk that finds nothing would test nothing."""
    texts = [spot for _, spot in PLACES if spot.text]
    assert len(PLACES) > 200
    assert len(texts) > 100


def _check_told(error: ConfigError, spot: Spot) -> None:
    parts = [part for part in spot.path.replace("[0]", "").split(".") if part not in ("x", "KEY") and "<" not in part]
    for problem in error.problems:
        assert problem.line >= 1
        assert problem.message.isprintable()
        assert len(str(problem)) < 2000
    # The place that is told, or one around it: the value itself may be a key that is only told in the message.
    assert any(set(_words(problem.path)) & set(parts) for problem in error.problems), error.problems


def _words(path: str) -> list[str]:
    return path.replace("[", ".").replace('"', ".").split(".")
