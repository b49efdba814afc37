"""Ask every probe, and once more, gently, those that did not answer in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.model.observed import Problem
from orchestrator.model.probe import Observation, Probe
from orchestrator.planning.doubt import busy_notes, in_doubt, turns
from orchestrator.runtime.context import Context
from orchestrator.transport.base import Host
from orchestrator.transport.probing import run_probes

A_FEW = 4
"""Requests at once from each vantage, when those that timed out are asked again."""


@dataclass(frozen=True)
class Asked:
    """Every request that was made, those by which the mesh is to be judged, and what is to be told of the others."""

    made: tuple[Observation, ...]
    counted: tuple[Observation, ...]
    notes: tuple[str, ...] = ()


def ask(context: Context, probes: Sequence[Probe], hosts: Mapping[str, Host | Problem]) -> Asked:
    """Make every request of every probe.

    Probes of which requests timed out are asked again from the start, with few requests at once. Where none times out
    this time, only these count, and a note tells of it; else the first ones do. Attempts are numbered on.
    """
    first = run_probes(context, probes, hosts)
    doubted = in_doubt(probes, first)
    again: list[Observation] = []
    for turn in range(len(turns(0))):
        # Who has timed out again is as bad as it looked.
        asked = [replace(probe, count=turns(probe.count)[turn]) for probe in _acquitted(doubted, again)]
        again += _numbered_on(run_probes(context, asked, hosts, concurrency=A_FEW), doubted, again)
    acquitted = _acquitted(doubted, again)
    ids = {probe.id for probe in acquitted}
    counted = [seen for seen in first if seen.probe not in ids] + [seen for seen in again if seen.probe in ids]
    return Asked((*first, *again), tuple(counted), tuple(busy_notes(acquitted, first)))


def _acquitted(doubted: Sequence[Probe], again: Sequence[Observation]) -> list[Probe]:
    lost = {probe.id for probe in in_doubt(doubted, again)}
    return [probe for probe in doubted if probe.id not in lost]


def _numbered_on(
    observations: Sequence[Observation], probes: Sequence[Probe], before: Sequence[Observation]
) -> list[Observation]:
    """The same, numbered after the first requests of their probe and those ``before``."""
    next_number = {probe.id: probe.count for probe in probes}
    for seen in before:
        next_number[seen.probe] += 1
    return [replace(seen, attempt=next_number[seen.probe] + seen.attempt) for seen in observations]
