"""The labels by which we know our own objects. What does not carry them is never changed or removed."""

from __future__ import annotations

CLUSTER = "swarm-mesh-lab.cluster"
"""On the swarm itself and on every object we create; the value is the inventory's name."""

LAB = "swarm-mesh-lab.lab"
"""On everything that belongs to a lab; the value is the lab's name."""

SPEC = "swarm-mesh-lab.spec"
"""On plain containers: what the container was made from (JSON), so that a change of the lab file is found."""

STACK = "com.docker.stack.namespace"
"""Docker's own label of a stack, so that ``docker stack ls`` and ``docker stack ps`` list labs too."""


def owned_by(labels: dict[str, str], cluster: str) -> bool:
    """Whether an object with these labels was made by this tool for that cluster."""
    return labels.get(CLUSTER) == cluster


def ownership(cluster: str, lab: str) -> dict[str, str]:
    """The labels that every object of a lab gets."""
    return {CLUSTER: cluster, LAB: lab, STACK: lab}
