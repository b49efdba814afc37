"""Measurements of the speed and size that the project promises: ``python -m benchmarks``; see docs/benchmarks.md."""
