"""Chaos on real nodes: the command comes to grief at seeded random points, and all that it leaves must be mended.

``python -m tests.chaos --points N --seed S``; see ``docs/chaos.md``.
"""
