"""What `lab verify` can check besides published ports: one module per kind of check, all of them PURE.

A check is data, written in a lab file under ``x-lab: checks:``. Its class says what it means and has two decisions:
:meth:`~orchestrator.checks.base.Check.plan` (which questions, from which vantages) and
:meth:`~orchestrator.checks.base.Check.judge` (what the replies mean). Asking is the transport's part.
"""
