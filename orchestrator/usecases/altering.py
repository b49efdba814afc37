"""The checks that change something: one by one, after all others, and only where nothing was wrong before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from orchestrator.checks.base import Check
from orchestrator.checks.disruption import DisruptionCheck
from orchestrator.checks.scale import ScaleCheck
from orchestrator.errors import Interrupted, LabError
from orchestrator.model.lab import Lab
from orchestrator.model.verdict import CheckReport, CheckResult, Verdict, VerifyReport
from orchestrator.observe import observe
from orchestrator.runtime.lock import locked
from orchestrator.usecases.connect import reach
from orchestrator.usecases.disrupting import disrupt
from orchestrator.usecases.experiments import Ground, failure, report
from orchestrator.usecases.leasing import Leasing
from orchestrator.usecases.scaling import scale

EXPERIMENTS: Mapping[type[Check], Callable[..., CheckReport]] = {ScaleCheck: scale, DisruptionCheck: disrupt}
"""How each kind of check that alters something is carried out."""


def altering(labs: Sequence[Lab]) -> list[tuple[Lab, Check]]:
    """The checks of these labs that change something for a while."""
    return [(lab, check) for lab in labs for check in lab.checks if check.alters]


def run_altering(ground: Ground, labs: Sequence[Lab], before: VerifyReport) -> list[CheckReport]:
    """Carry out the checks that change something; ``before`` is what all other checks have found.

    One that did not end as it began, or a lab that was not well, keeps the rest from being tried: what they would
    measure would mean nothing. Raises :class:`LockedError` where another command changes the cluster.
    """
    well = all(result.verdict is Verdict.PASS for result in before.every_check)
    wrong = "" if well else "not every other check has passed, so nothing was changed"
    reports: list[CheckReport] = []
    with (
        locked(ground.inventory.name, "lab verify"),
        Leasing(ground.context, ground.inventory, ground.provider, "lab verify") as lease,
        ground.context.phase("experiments", "Carry out the checks that change something for a while"),
    ):
        if not wrong:
            _take(ground, lease)
        for lab, check in altering(labs):
            lease.check()
            reports.append(report(lab, check, [_untried(check, wrong)]) if wrong else _carry_out(ground, lab, check))
            if not wrong and any(result.verdict is Verdict.FAIL for result in reports[-1].results):
                wrong = f"the check {check.kind} of {lab.name} has failed before, so nothing more was changed"
    return reports


def _take(ground: Ground, lease: Leasing) -> None:
    """Keep other operators from changing the cluster meanwhile. Raises :class:`LockedError`."""
    if lease.needed:
        hosts = reach(ground.context, ground.provider, ground.inventory.nodes)
        lease.take(hosts, observe(ground.context, hosts, ()))


def _carry_out(ground: Ground, lab: Lab, check: Check) -> CheckReport:
    """One check; what went wrong on a node is its failure, and the next ones are told."""
    try:
        return EXPERIMENTS[type(check)](ground, lab, check)
    except Interrupted:
        raise
    except LabError as error:
        ground.context.check()
        return report(lab, check, [failure(check, lab.name, error)])


def _untried(check: Check, why: str) -> CheckResult:
    hint = "mend what did not pass first, and run `lab verify` again"
    return CheckResult(check.kind, check.title or check.kind, Verdict.INCONCLUSIVE, why, hint)
