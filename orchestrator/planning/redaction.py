"""What may leave this machine in a bug report: everything but secrets. Pure.

Three nets, one behind the other. Services and configs are reduced to what we know of them, without the values that
people put in. Keys of documents that sound like secrets lose their values. And every text, documents included, is
searched for what looks like a secret, and for the very values that the first net has taken out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.model.lab import Healthcheck, Service
from orchestrator.model.labels import CLUSTER, LAB, STACK
from orchestrator.model.observed import ClusterView, LiveContainer, NodeView, SwarmView

REMOVED = "(removed)"

TELLING = 6
"""Characters from which a value is looked for in all texts; shorter ones (``1``, ``true``) stand everywhere."""

OUR_LABELS = frozenset({CLUSTER, LAB, STACK})
"""Labels whose values are kept. Those of others may hold anything: basic-auth users of a proxy, for instance."""

_KEY = re.compile(r"token|passw|passphrase|secret|credential|private_?key|api_?key|auth|signing|unlock", re.IGNORECASE)
"""What the name of a secret contains."""

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"SWM(?:TKN|KEY)-1-[\w+/=-]+"), REMOVED),
    (
        re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----.*?(?:-----END \1-----|\Z)", re.DOTALL),
        REMOVED,
    ),
    # dockerd in debug mode logs what it was sent: a service's whole specification.
    (re.compile(r"(form data: ?).*"), rf"\1{REMOVED}"),
    (re.compile(r"(\w[\w+.-]*://)[^/\s:@\"']*:[^/\s@\"']+@"), rf"\1{REMOVED}@"),
    (re.compile(r"(?i)\b((?:bearer|basic)\s+)[\w.~+/=-]{8,}"), rf"\1{REMOVED}"),
    (
        re.compile(
            r"(?i)([\w.-]*(?:token|passwd|password|passphrase|secret|credentials?|api[_-]?key|private[_-]?key)[\w.-]*"
            r"\\?[\"']?\s*[=:]\s*)(\\?\"(?:[^\"\\]|\\[^\"])*\\?\"|'[^']*'|[^\s,;\"'}]+)"
        ),
        rf"\1{REMOVED}",
    ),
)


def redact_text(text: str, known: Collection[str] = ()) -> str:
    """A text without what looks like a secret and without the values ``known`` to be one."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    for value in sorted(known, key=len, reverse=True):
        if len(value) >= TELLING:
            text = text.replace(value, REMOVED)
    return text


def redact_document(value: Any, known: Collection[str] = ()) -> Any:  # noqa: ANN401 (any JSON)
    """The same for JSON: a key that sounds like a secret has its value removed, whatever that is."""
    if isinstance(value, Mapping):
        return {key: _redact_entry(str(key), item, known) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [redact_document(item, known) for item in value]
    return redact_text(value, known) if isinstance(value, str) else value


def _redact_entry(key: str, item: Any, known: Collection[str]) -> Any:  # noqa: ANN401
    return REMOVED if _KEY.search(key) and item not in (None, "", [], {}) else redact_document(item, known)


def known_secrets(view: ClusterView) -> frozenset[str]:
    """The values that people gave to their services and containers, none of which may be in any text."""
    return frozenset(value for value in _given(view) if len(value) >= TELLING)


def _given(view: ClusterView) -> Iterator[str]:
    for live in view.swarm.services if view.swarm else ():
        spec = live.spec
        yield from spec.environment.values()
        yield from (*spec.entrypoint, *spec.command)
        yield from spec.healthcheck.test if spec.healthcheck else ()
        for labels in (spec.labels, spec.container_labels):
            yield from (value for name, value in labels.items() if name not in OUR_LABELS)
    for config in view.swarm.configs if view.swarm else ():
        yield from config.spec.data.decode("utf-8", "ignore").splitlines()
    for node in view.nodes:
        for container in node.plain:
            yield from container.spec.environment.values() if container.spec else ()
            yield from container.spec.command if container.spec else ()


def harmless(view: ClusterView) -> ClusterView:
    """What was observed, without anything that people may have put secrets into."""
    nodes = tuple(map(_harmless_node, view.nodes))
    return ClusterView(nodes, _harmless_swarm(view.swarm) if view.swarm else None)


def _harmless_swarm(swarm: SwarmView) -> SwarmView:
    return replace(
        swarm,
        labels=_labels(swarm.labels),
        nodes=tuple(replace(node, labels=_labels(node.labels)) for node in swarm.nodes),
        networks=tuple(
            replace(live, spec=replace(live.spec, labels=_labels(live.spec.labels))) for live in swarm.networks
        ),
        configs=tuple(
            replace(live, spec=replace(live.spec, data=b"", labels=_labels(live.spec.labels))) for live in swarm.configs
        ),
        services=tuple(replace(live, spec=_harmless_service(live.spec)) for live in swarm.services),
    )


def _harmless_service(spec: Service) -> Service:
    return replace(
        spec,
        entrypoint=(REMOVED,) * len(spec.entrypoint),
        command=(REMOVED,) * len(spec.command),
        environment=dict.fromkeys(spec.environment, REMOVED),
        healthcheck=_harmless_healthcheck(spec.healthcheck),
        labels=_labels(spec.labels),
        container_labels=_labels(spec.container_labels),
    )


def _harmless_healthcheck(healthcheck: Healthcheck | None) -> Healthcheck | None:
    return replace(healthcheck, test=(REMOVED,)) if healthcheck else None


def _harmless_node(node: NodeView) -> NodeView:
    bridges = tuple(replace(live, spec=replace(live.spec, labels=_labels(live.spec.labels))) for live in node.bridges)
    return replace(node, plain=tuple(map(_harmless_container, node.plain)), bridges=bridges)


def _harmless_container(live: LiveContainer) -> LiveContainer:
    spec = live.spec
    if spec is not None:
        values = dict.fromkeys(spec.environment, REMOVED)
        spec = replace(spec, environment=values, command=(REMOVED,) * len(spec.command), labels=_labels(spec.labels))
    return replace(live, spec=spec, labels=_labels(live.labels))


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value if name in OUR_LABELS else REMOVED for name, value in labels.items()}
