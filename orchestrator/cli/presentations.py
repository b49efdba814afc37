"""How the outcome of each command is shown, and which exit code it has."""

from __future__ import annotations

from rich.text import Text

from orchestrator.cli.output import Presentation
from orchestrator.errors import ExitCode
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
from orchestrator.model.snapshot import Export, SnapshotSummary
from orchestrator.model.trust import KeyState, TrustOutcome
from orchestrator.model.verdict import Verdict
from orchestrator.report import documents
from orchestrator.report.plan import render_down, render_plan, render_up
from orchestrator.report.snapshots import (
    render_export,
    render_restored,
    render_saved,
    render_snapshot,
    render_snapshots,
)
from orchestrator.report.status import render_findings, render_images, render_status
from orchestrator.report.support import render_support
from orchestrator.report.trust import render_trust
from orchestrator.report.verify import render_verify

VERDICTS = {
    Verdict.PASS: ExitCode.OK,
    Verdict.FAIL: ExitCode.FAILED,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
}


def _plan_code(outcome: PlanOutcome) -> ExitCode:
    if outcome.plan.refusals:
        return ExitCode.ENVIRONMENT
    if outcome.changes:
        return ExitCode.FAILED
    return ExitCode.ENVIRONMENT if outcome.plan.left else ExitCode.OK


def _up_code(outcome: UpOutcome) -> ExitCode:
    return ExitCode.ENVIRONMENT if outcome.left else ExitCode.OK


def _down_code(outcome: DownOutcome) -> ExitCode:
    return ExitCode.ENVIRONMENT if outcome.left else ExitCode.OK


def _trust_code(outcome: TrustOutcome) -> ExitCode:
    states = {key.state for key in outcome.keys}
    if KeyState.UNREACHABLE in states:
        return ExitCode.ENVIRONMENT
    return ExitCode.FAILED if KeyState.NEW in states else ExitCode.OK


def _findings_code(findings: list[Finding]) -> ExitCode:
    return ExitCode.ENVIRONMENT if any(finding.ok is False for finding in findings) else ExitCode.OK


UP = Presentation[UpOutcome](
    text=lambda outcome, journal, _width: render_up(outcome, journal),
    document=documents.up_document,
    exit_code=_up_code,
)
PLAN = Presentation[PlanOutcome](
    text=lambda outcome, _journal, _width: render_plan(outcome),
    document=lambda outcome, _journal: documents.plan_document(outcome),
    exit_code=_plan_code,
)
VERIFY = Presentation[VerifyOutcome](
    text=lambda outcome, _journal, width: render_verify(outcome, width),
    document=documents.verify_document,
    exit_code=lambda outcome: VERDICTS[outcome.report.verdict],
)
DOWN = Presentation[DownOutcome](
    text=lambda outcome, journal, _width: render_down(outcome, journal),
    document=documents.down_document,
    exit_code=_down_code,
)
STATUS = Presentation[StatusOutcome](
    text=lambda outcome, _journal, _width: render_status(outcome),
    document=lambda outcome, _journal: documents.status_document(outcome),
)
TRUST = Presentation[TrustOutcome](
    text=lambda outcome, _journal, _width: render_trust(outcome),
    document=lambda outcome, _journal: documents.trust_document(outcome),
    exit_code=_trust_code,
)
SUPPORT = Presentation[SupportOutcome](
    text=lambda outcome, _journal, _width: render_support(outcome),
    document=lambda outcome, _journal: documents.support_document(outcome),
)
DOCTOR = Presentation[list[Finding]](
    text=lambda findings, _journal, _width: render_findings(findings),
    document=lambda findings, _journal: documents.findings_document(findings),
    exit_code=_findings_code,
)
IMAGES = Presentation[list[ImageInfo]](
    text=lambda images, _journal, _width: render_images(images),
    document=lambda images, _journal: documents.images_document(images),
)
IMAGES_REMOVED = Presentation[list[str]](
    text=lambda removed, _journal, _width: [Text(f"removed {name}") for name in removed] or [Text("nothing to remove")],
    document=lambda removed, _journal: {"removed": removed},
)
SNAPSHOTS = Presentation[list[SnapshotSummary]](
    text=lambda snapshots, _journal, _width: render_snapshots(snapshots),
    document=lambda snapshots, _journal: documents.snapshots_document(snapshots),
)
SNAPSHOT = Presentation[SnapshotSummary](
    text=lambda snapshot, _journal, _width: render_snapshot(snapshot),
    document=documents.snapshot_document,
)
SAVED = Presentation[SnapshotSummary](
    text=lambda one, journal, _width: render_saved(one, journal), document=documents.snapshot_document
)
RESTORED = Presentation[RestoreOutcome](
    text=lambda outcome, journal, _width: render_restored(outcome, journal),
    document=documents.restore_document,
)
SNAPSHOT_REMOVED = Presentation[str](
    text=lambda name, _journal, _width: [Text(f"removed {name}")],
    document=lambda name, _journal: {"removed": name},
)
EXPORTED = Presentation[Export](
    text=lambda export, _journal, _width: render_export(export),
    document=lambda export, _journal: documents.export_document(export),
)
