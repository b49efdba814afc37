"""Lab files (Compose) → :class:`~orchestrator.model.lab.Lab`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from orchestrator.config.compose_build import build_lab
from orchestrator.config.compose_checks import check_lab
from orchestrator.config.compose_content import read_contents
from orchestrator.config.compose_schema import LabFile
from orchestrator.config.hints import shown
from orchestrator.config.paths import COMPOSE_NAMES, compose_files
from orchestrator.config.problems import Loaded, path_of
from orchestrator.config.source import read_source
from orchestrator.config.together import check_labs_together
from orchestrator.config.validation import Checked, validate
from orchestrator.config.x_lab_build import build_bridges, build_containers
from orchestrator.config.x_lab_checks import check_x_lab
from orchestrator.errors import ConfigError, ConfigProblem
from orchestrator.model.lab import Lab

__all__ = ["check_labs_together", "load_lab"]

_LAB_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")


def load_lab(path: Path, env: Mapping[str, str]) -> Loaded[Lab]:
    """Read a lab: ``path`` is a Compose file or a folder that holds one; variables in it come from ``env``.

    Raises ``ConfigError`` with all problems of the file. Reads the file and the files of its configs.
    """
    files = compose_files(path)
    if not files:
        state = "there is no such file or folder" if not path.is_dir() else f"expected a file {COMPOSE_NAMES[0]} in it"
        raise ConfigError([ConfigProblem(path, 1, "", state)])
    file = files[0]
    source = read_source(file, env)
    report = source.report
    if len(files) > 1:
        report.warn((), f"{', '.join(other.name for other in files[1:])} in the same folder is not looked at")
    checked = validate(source, LabFile, {})
    if checked is None:
        raise report.as_error()
    name = _name(checked, file)
    check_lab(checked, name, env)
    check_x_lab(checked, name, env)
    contents = read_contents(checked, file.parent)
    if report.errors:
        raise report.as_error()
    lab = replace(
        build_lab(name, file.absolute(), checked.value, contents, env),
        bridges=build_bridges(name, checked.value),
        containers=build_containers(name, checked.value, env),
        lines={path_of(loc): line for loc, line in source.lines.items()},
    )
    return Loaded(lab, tuple(report.warnings))


def _name(checked: Checked[LabFile], file: Path) -> str:
    """The lab's name: what the file says, else the folder's name, else (for another file name) the file's."""
    given = checked.value.name
    folder = file.absolute().parent.name
    name = given or (folder if file.name in COMPOSE_NAMES else file.stem)
    if _LAB_NAME.fullmatch(name):
        return name
    what = "" if given else " (taken from the path)"
    checked.error(
        ("name",),
        f"{shown(name)}{what} cannot be the lab's name; expected 1 to 40 lowercase letters, digits, '-' and '_', "
        "beginning and ending in a letter or digit",
    )
    return "lab"  # so that names made from it are not reported once more
