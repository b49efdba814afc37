"""Four points of ``make chaos`` on two real nodes that stand for somebody's hosts; the long run is by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.ground import HostGround, host_ground
from tests.chaos.points import Point
from tests.chaos.trial import try_point


@pytest.fixture(scope="module")
def ground(workshop: Path) -> Iterator[HostGround]:
    folder = workshop / "chaos"
    folder.mkdir()
    with host_ground(folder) as place:
        yield place


@pytest.mark.parametrize(
    "point",
    [
        Point(1, "up", "kill", 0.5, 0.0, "up"),
        Point(2, "up", "drop-ssh", 0.6, 0.0, "down"),
        Point(3, "down", "truncate-state", 0.5, 0.5, "down"),
        Point(4, "down", "crash-vm", 0.4, 0.0, "up"),
    ],
    ids=str,
)
def test_up_finishes_or_down_cleans(ground: HostGround, point: Point) -> None:
    result = try_point(ground, point)
    assert result.struck, result
    assert result.faults == [], result
