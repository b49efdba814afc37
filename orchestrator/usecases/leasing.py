"""One operator at a time on hosts that several can reach: the lease around everything that changes a cluster.

Machines of our own need none: nobody but this user on this machine can reach them, and the local lock keeps his runs
apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.apply.lease import Lease, take, tidy
from orchestrator.apply.site import Site
from orchestrator.errors import LabError, NodeError
from orchestrator.model.inventory import Inventory, ProviderKind
from orchestrator.model.labels import owned_by
from orchestrator.model.lease import LiveLease
from orchestrator.model.observed import ClusterView
from orchestrator.model.plan import LeaveSwarm, Step
from orchestrator.providers.base import Provider
from orchestrator.runtime.context import Context
from orchestrator.runtime.holder import this_run
from orchestrator.usecases.connect import Hosts, connections


@dataclass
class Leasing:
    """The lease of one run of ``command``; a context manager that gives back what was taken in it."""

    context: Context
    inventory: Inventory
    provider: Provider
    command: str
    _lease: Lease | None = field(default=None, init=False)
    _hosts: Hosts = field(default_factory=dict, init=False)

    @property
    def needed(self) -> bool:
        """Whether anybody else could reach the hosts."""
        return self.inventory.provider is ProviderKind.SSH

    def take(self, hosts: Hosts, view: ClusterView) -> None:
        """Take the lease in the swarm of ``view``, if it is ours. Raises ``LockedError`` where somebody has it."""
        if view.swarm is not None and owned_by(view.swarm.labels, self.inventory.name):
            self._take(hosts, view.swarm.lease, view.swarm.seen_by)

    def take_first(self, hosts: Hosts) -> None:
        """Take it in the swarm that was started just now. Raises ``LockedError`` where another run did so too."""
        self._take(hosts, None, self.inventory.managers[0].name)

    def tidy(self, hosts: Hosts, view: ClusterView) -> None:
        """Remove a lease that a run which was killed has left, where nothing else has to be done."""
        if self.needed and view.swarm and view.swarm.lease and owned_by(view.swarm.labels, self.inventory.name):
            tidy(self._site(self.context, hosts, view.swarm.seen_by), view.swarm.lease)

    def fence(self, step: Step) -> None:
        """Raise ``LockedError`` where the lease is no longer ours; called before each step.

        Where a swarm is dissolved and no manager answers any more, nobody can take anything over either.
        """
        if self._lease is None:
            return
        try:
            self._lease.fence()
        except NodeError:
            if not isinstance(step.action, LeaveSwarm):
                raise

    def check(self) -> None:
        """As :meth:`fence`, for changes that are no steps of a plan."""
        if self._lease is not None:
            self._lease.fence()

    def dissolved(self) -> None:
        """The swarm is gone, and the lease with it."""
        if self._lease is not None:
            self._lease.end()
            self._lease = None

    def __enter__(self) -> Leasing:
        return self

    def __exit__(self, *_: object) -> None:
        """Give the lease back, after Ctrl-C too: then over new connections, for that has closed those that stood."""
        if self._lease is None:
            return
        self._lease.end()
        context = Context(self.context.emit)
        try:
            if not self.context.cancelled.is_set():
                self._lease.release(self._site(context, self._hosts))
                return
            with connections(context, self.provider, self.inventory.nodes) as hosts:
                self._lease.release(self._site(context, hosts))
        except LabError as error:
            self.context.notice(f"the lease frees itself in two minutes ({error.message})", level="warning")

    def _take(self, hosts: Hosts, found: LiveLease | None, manager: str) -> None:
        if self.needed:
            self._hosts, site = hosts, self._site(self.context, hosts, manager)
            self._lease = take(site, self.inventory.name, found, this_run(self.command))

    def _site(self, context: Context, hosts: Hosts, manager: str = "") -> Site:
        return Site(context, hosts, {}, manager or self.inventory.managers[0].name)
