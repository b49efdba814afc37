"""``lab trust``: the host keys of all hosts and jump hosts, shown, compared by a person, and recorded.

A host behind a jump host can be asked only through it, and through it only once its own key is known: hence stages,
the nearest hosts first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import paramiko

from orchestrator.errors import EnvironmentProblem, HostKeyChanged, NodeError
from orchestrator.model.trust import HostKey, KeyState, TrustOutcome
from orchestrator.providers.base import Reaching
from orchestrator.runtime.context import Context
from orchestrator.runtime.fanout import fan_out
from orchestrator.transport import host_keys, known_hosts
from orchestrator.transport.route import Route

ADVICE = "run lab trust on a terminal, or name the fingerprints that you have compared with --fingerprint"


@dataclass(frozen=True)
class _Shown:
    """What one sshd showed; ``key`` is ``None`` where it could not be asked."""

    route: Route
    report: HostKey
    key: paramiko.PKey | None = None


def trust(
    context: Context, cluster: str, provider: Reaching, *, fingerprints: Sequence[str] = (), ask: bool = True
) -> TrustOutcome:
    """Show, compare, record. ``fingerprints`` are those that the person has compared already; ``ask`` asks for others.

    Raises ``HostKeyChanged`` where a host shows another key than the one known; then nothing is recorded any more.
    """
    stations = _stations(provider.routes())
    confirm = _named(fingerprints) if fingerprints or not ask else _asking(context)
    reports: dict[Route, HostKey] = {}
    for depth in sorted({len(route.hops) for route in stations}):
        stage = [route for route in stations if len(route.hops) == depth]
        with context.phase("keys", _title(depth)) as phase:
            shown = _look(context, provider, {route: stations[route] for route in stage}, reports)
            phase.summary = f"{sum(one.key is not None for one in shown)} of {len(shown)}"
        recorded = _record(confirm, shown)
        reports |= {one.route: one.report for one in recorded}
    keys = tuple(reports[route] for route in stations)
    return TrustOutcome(cluster, keys, ADVICE if any(key.state is KeyState.NEW for key in keys) else "")


def _title(depth: int) -> str:
    behind = {1: "", 2: " behind a jump host"}.get(depth, f" behind {depth - 1} jump hosts")
    return f"Ask the hosts{behind} for their keys"


def _stations(routes: Mapping[str, Route]) -> dict[Route, tuple[str, ...]]:
    """Every sshd, by the way to it, with the nodes that need it; nearest first, else in the inventory's order."""
    found: dict[Route, list[str]] = {}
    for node, route in routes.items():
        part: Route | None = route
        while part is not None:
            found.setdefault(part, []).append(node)
            part = part.before
    ordered = sorted(found, key=lambda route: len(route.hops))
    return {route: tuple(found[route]) for route in ordered}


def _look(
    context: Context, provider: Reaching, stage: Mapping[Route, tuple[str, ...]], before: Mapping[Route, HostKey]
) -> list[_Shown]:
    def look(route: Route) -> _Shown:
        report = _blank(route, stage[route])
        way = before.get(route.before) if route.before else None
        if way is not None and way.state not in {KeyState.KNOWN, KeyState.RECORDED}:
            message = f"lies behind {way.host}, whose key is not recorded"
            return _Shown(route, replace(report, message=message, hint="record that key first, then run lab trust"))
        try:
            return _judged(route, report, provider.shown_key(context, route, stage[route][0]))
        except HostKeyChanged:
            raise
        except NodeError as error:
            return _Shown(route, replace(report, message=error.message, hint=error.hint))

    return [result.get() for result in fan_out(list(stage), look)]


def _blank(route: Route, nodes: tuple[str, ...]) -> HostKey:
    target = route.target
    file = target.known_hosts[0] if target.known_hosts else None
    return HostKey(nodes, target.label, target.port, route.via, KeyState.UNREACHABLE, file=file)


def _judged(route: Route, report: HostKey, key: paramiko.PKey) -> _Shown:
    """A key that is known as such, one that is not as new. Raises ``HostKeyChanged``."""
    hop = route.target
    node = report.nodes[0]
    blob = key.asbytes()
    report = replace(report, kind=key.get_name(), fingerprint=known_hosts.fingerprint(blob))
    known = host_keys.known_keys(hop, node)
    try:
        host_keys.check(hop, key, known, node)
    except HostKeyChanged:
        raise
    except NodeError as error:
        if report.file is None:
            return _Shown(route, replace(report, message=error.message, hint="name a file: ssh.known_hosts"))
        return _Shown(route, replace(report, state=KeyState.NEW), key)
    line = next(one for one in known if one.blob == blob)
    return _Shown(route, replace(report, state=KeyState.KNOWN, file=line.file, line=line.line), key)


def _record(confirm: Callable[[Sequence[HostKey]], set[str]], shown: Sequence[_Shown]) -> list[_Shown]:
    """Write down the new keys that are confirmed (by fingerprint); the same sshd may be seen on several ways."""
    new = [one.report for one in shown if one.report.state is KeyState.NEW]
    confirmed = confirm(new) if new else set()
    return [
        _written(one) if one.report.state is KeyState.NEW and one.report.fingerprint in confirmed else one
        for one in shown
    ]


def _written(one: _Shown) -> _Shown:
    hop, file = one.route.target, one.report.file
    if one.key is None or file is None:
        return one
    try:
        blob = one.key.asbytes()
        if not any(known.blob == blob for known in known_hosts.find([file], hop.entry)):
            known_hosts.append(file, [known_hosts.line_for(hop.entry, one.key, hashed=hop.hash_known_hosts)])
        line = next(known.line for known in known_hosts.find([file], hop.entry) if known.blob == blob)
    except OSError as error:
        raise EnvironmentProblem(
            f"the key of {hop.entry} cannot be written to {file}: {error.strerror}", hint="check its owner and mode"
        ) from error
    return replace(one, report=replace(one.report, state=KeyState.RECORDED, line=line))


def _named(fingerprints: Sequence[str]) -> Callable[[Sequence[HostKey]], set[str]]:
    """Only keys whose fingerprint the person has named."""
    return lambda keys: {key.fingerprint for key in keys} & set(fingerprints)


def _asking(context: Context) -> Callable[[Sequence[HostKey]], set[str]]:
    """All of them, or none, as the person says who sees them."""

    def confirm(keys: Sequence[HostKey]) -> set[str]:
        answer = context.ask(question(keys))
        return {key.fingerprint for key in keys} if (answer or "").strip().lower() == "yes" else set()

    return confirm


def question(keys: Sequence[HostKey]) -> str:
    """What the person is asked."""
    lines = ["", "These hosts show keys that are not known:", ""]
    for key in keys:
        lines.append(f"  {place(key)}  (for {', '.join(key.nodes)})")
        lines.append(f"      {key.kind} {key.fingerprint}")
    files = ", ".join(dict.fromkeys(str(key.file) for key in keys))
    lines += [
        "",
        "Compare each with what the host itself says, over a way that you trust (its console, your provider's page):",
        f"  {host_keys.COMPARE}",
        "",
        f"Are all of them equal, and shall they be recorded in {files}? [yes/no] ",
    ]
    return "\n".join(lines)


def place(key: HostKey) -> str:
    """A host for a line: its name, its port unless it is the usual one, and the way to it."""
    port = "" if key.port == 22 else f" port {key.port}"
    return f"{key.host}{port}" + (f" via {key.via}" if key.via else "")
