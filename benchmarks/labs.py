"""Every lab, one after the other on one cluster: how long it takes to come up, and to prove itself."""

from __future__ import annotations

from benchmarks.figures import LABS
from benchmarks.workspace import Bench

GROUP = "labs"


def measure(bench: Bench) -> None:
    """Bring up, verify and take away each lab. One that fails counts for nothing, and the next has a new cluster."""
    standing = False
    for name in LABS:
        fresh, standing = not standing, False
        with bench.part(f"lab {name}"):
            if fresh:
                bench.lab("up")
                bench.lab("down", *(lab.name for lab in bench.inventory.labs))
            _one(bench, name)
            standing = True
    if standing:
        bench.lab("down")


def _one(bench: Bench, name: str) -> None:
    with bench.timed(f"{name} up"):
        bench.lab("up", str(bench.shelf(name)))
    with bench.timed(f"{name} verify"):
        report = bench.lab_document("verify", name)
    results = [
        one for group in (*report["ports"], *report["labs"]) for one in group.get("results", group.get("checks"))
    ]
    bench.take(f"{name} probes", report["probes"])
    bench.take(f"{name} results", len(results))
    bench.lab("down", name)
