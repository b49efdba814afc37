"""Carry out the steps of a plan."""
