"""Carry out the steps of a plan."""

from orchestrator.apply.execute import ApplyReport, apply_plan

__all__ = ["ApplyReport", "apply_plan"]
