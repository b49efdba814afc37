"""What ``-o json`` prints: one JSON document per command, made of the same objects as the text."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from orchestrator.errors import ConfigError, LabError
from orchestrator.model.doctor import Finding
from orchestrator.model.image import ImageInfo
from orchestrator.model.outcome import (
    DownOutcome,
    PlanOutcome,
    RestoreOutcome,
    StatusOutcome,
    SupportOutcome,
    UpOutcome,
    VerifyOutcome,
)
from orchestrator.model.plan import Plan, Step
from orchestrator.model.snapshot import Export, SnapshotSummary
from orchestrator.model.trust import TrustOutcome
from orchestrator.report.journal import Journal

Document = dict[str, Any]

HIDDEN = "…"
"""Stands for a value that is not told."""


def plain(value: object) -> Any:  # noqa: ANN401 (JSON has no narrower type)
    """A value as JSON can hold it: dataclasses as objects, enums by value, paths as text, bytes by their size.

    A field that a dataclass keeps out of its ``repr`` is kept out here, too: values of the environment are their
    user's own, and a document ends in the logs of whoever asked for it.

    Raises ``TypeError`` for a value of a kind that no report should contain.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (str, Path)):
        return str(value)
    if isinstance(value, bytes):
        return {"bytes": len(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: (plain if field.repr else _hidden)(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (Sequence, set, frozenset)):
        return [plain(item) for item in value]
    raise TypeError(f"a report cannot contain a {type(value).__name__}")


def _hidden(value: object) -> Any:  # noqa: ANN401 (as above)
    """What can be told of a value that is not: the size of bytes, the keys of a mapping."""
    if isinstance(value, Mapping):
        return {str(key): HIDDEN for key in value}
    return plain(value) if isinstance(value, bytes) else HIDDEN


def trust_document(outcome: TrustOutcome) -> Document:
    """The document of ``lab trust``."""
    return {"cluster": outcome.cluster, "keys": plain(outcome.keys), "advice": outcome.advice}


def error_document(error: LabError) -> Document:
    """The document of a command that failed."""
    document = {
        "kind": type(error).__name__,
        "message": error.message,
        "node": error.node,
        "hint": error.hint,
        "details": list(error.details),
        "exit_code": int(error.exit_code),
    }
    if isinstance(error, ConfigError):
        document["problems"] = plain(error.problems)
    return {"error": document}


def plan_document(outcome: PlanOutcome) -> Document:
    """The document of ``lab up --plan``."""
    return {
        "cluster": outcome.cluster,
        "changes": outcome.changes,
        "machines": plain(outcome.machines),
        **_plan(outcome.plan, {}),
        "left": plain(outcome.plan.left),
    }


def up_document(outcome: UpOutcome, journal: Journal) -> Document:
    """The document of ``lab up``."""
    return {
        "cluster": outcome.cluster,
        "changed": outcome.changed,
        "machines": plain(outcome.machines),
        **_plan(outcome.plan, journal.step_seconds),
        "left": plain(outcome.left),
        "routes": plain(outcome.routes),
        **_journal(journal),
    }


def down_document(outcome: DownOutcome, journal: Journal) -> Document:
    """The document of ``lab down``."""
    return {
        "cluster": outcome.cluster,
        "labs": plain(outcome.labs),
        "changed": outcome.changed,
        **_plan(outcome.plan, journal.step_seconds),
        "removed": plain(outcome.removed),
        "left": plain(outcome.left),
        **_journal(journal),
    }


def verify_document(outcome: VerifyOutcome, journal: Journal) -> Document:
    """The document of ``lab verify``, with every observation."""
    report = plain(outcome.report)
    report["verdict"] = outcome.report.verdict.value
    return {
        **report,
        "notes": plain(outcome.notes),
        "observations": plain(outcome.observations),
        **_journal(journal),
    }


def status_document(outcome: StatusOutcome) -> Document:
    """The document of ``lab status``."""
    document: Document = plain(outcome)
    return document


def support_document(outcome: SupportOutcome) -> Document:
    """The document of ``lab support``."""
    document: Document = plain(outcome)
    return document


def findings_document(findings: Sequence[Finding]) -> Document:
    """The document of ``lab doctor``."""
    return {"ok": all(finding.ok is not False for finding in findings), "findings": plain(findings)}


def images_document(images: Sequence[ImageInfo]) -> Document:
    """The document of ``lab image ls`` and ``lab image build``."""
    return {"images": plain(images)}


def snapshots_document(snapshots: Sequence[SnapshotSummary]) -> Document:
    """The document of ``lab snapshot ls``."""
    return {"snapshots": plain(snapshots)}


def snapshot_document(snapshot: SnapshotSummary, journal: Journal) -> Document:
    """The document of ``lab snapshot save``, ``show`` and ``import``."""
    return {**plain(snapshot), **_journal(journal)}


def export_document(export: Export) -> Document:
    """The document of ``lab snapshot export``."""
    document: Document = plain(export)
    return document


def restore_document(outcome: RestoreOutcome, journal: Journal) -> Document:
    """The document of ``lab restore`` and ``lab up --from``."""
    return {**plain(outcome), **_journal(journal)}


def _plan(plan: Plan, step_seconds: Mapping[str, float]) -> Document:
    return {
        "steps": [_step(step, step_seconds) for step in plan.steps],
        "refusals": plain(plan.refusals),
        "plan_notes": plain(plan.notes),
    }


def _step(step: Step, step_seconds: Mapping[str, float]) -> Document:
    document: Document = plain(step)
    document["action"] = {"type": type(step.action).__name__, **document["action"]}
    if step.id in step_seconds:
        document["seconds"] = step_seconds[step.id]
    return document


def _journal(journal: Journal) -> Document:
    return {
        "phases": plain(journal.phases),
        "timeline": plain(journal.steps),
        "notices": plain(journal.notices),
    }
