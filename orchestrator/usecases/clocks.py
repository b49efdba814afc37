"""The clocks of nodes that stood still: they get today's time, unless that would end their swarm certificates.

Starting a program on an emulated node takes long, so each way takes one command per node.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from cryptography import x509

from orchestrator.errors import NodeError
from orchestrator.model.observed import Problem
from orchestrator.planning.snapshot import time_for_nodes
from orchestrator.runtime.context import Context
from orchestrator.runtime.fanout import fan_out
from orchestrator.transport.base import Host
from orchestrator.usecases.connect import Hosts

CERTIFICATE = "/var/lib/docker/swarm/certificates/swarm-node.crt"
"""Where dockerd keeps a member's certificate (moby, ``daemon/cluster``)."""


def move_clocks(hosts: Hosts, seconds: float) -> datetime | None:
    """Move the clocks of all reachable nodes on, by the time for which they stood still.

    Gives back when the first of their swarm certificates ends, ``None`` where no node is in a swarm.
    """
    script = f"date -s '+{seconds:.3f} seconds' > /dev/null || exit 1; cat {CERTIFICATE} 2> /dev/null || true"
    texts = [result.get() for result in fan_out(_reachable(hosts), lambda host: _run(host, script))]
    return min((certificate_end(text) for text in texts if text.strip()), default=None)


def set_clocks(context: Context, hosts: Hosts, certificates_end: datetime | None) -> bool:
    """Give all reachable nodes the time of this machine; whether that was done.

    Where a certificate would have ended by now, no clock is touched, and the person is told.
    """
    if time_for_nodes(datetime.now(UTC), certificates_end) is None:
        context.notice(
            f"a swarm certificate ended on {certificates_end:%Y-%m-%d}: the nodes keep the time of their saving",
            level="warning",
        )
        return False
    for result in fan_out(_reachable(hosts), lambda host: _run(host, f"date -s @{time.time():.3f} > /dev/null")):
        result.get()
    return True


def certificate_end(text: str) -> datetime:
    """When a certificate (PEM) ends. Raises ``NodeError`` for a text that is none."""
    try:
        return x509.load_pem_x509_certificates(text.encode())[0].not_valid_after_utc
    except ValueError as error:
        raise NodeError(f"{CERTIFICATE} holds no certificate: {error}") from error


def _reachable(hosts: Hosts) -> list[Host]:
    return [host for host in hosts.values() if not isinstance(host, Problem)]


def _run(host: Host, script: str) -> str:
    result = host.run(["sh", "-c", script], root=True)
    if result.exit_code:
        raise NodeError(f"the clock cannot be set: {result.stderr.strip()}", node=host.name)
    return result.stdout
