"""A provider of hosts that belong to somebody else: they are connected to and looked at, and that is all."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import UsageError
from orchestrator.model.inventory import Inventory, NodeConfig, ProviderKind, SshAddress
from orchestrator.providers.base import Machine, OperatorRoute, Provider
from orchestrator.runtime.context import Context
from orchestrator.transport.readonly import NotReadOnly, ReadOnlyHost


class ReadOnlyProvider:
    """Another provider's hosts, through connections that let nothing but questions pass.

    See :class:`orchestrator.providers.base.Provider`.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def ensure(self, context: Context) -> Sequence[str]:  # noqa: ARG002 (a provider's signature)
        """Nothing is brought up here. Raises :class:`NotReadOnly`."""
        raise NotReadOnly("no machine is started for a cluster that is only looked at")

    def machines(self) -> Sequence[Machine]:
        """What exists now."""
        return self._provider.machines()

    def address(self, node: NodeConfig) -> SshAddress:
        """How the node's sshd is reached."""
        return self._provider.address(node)

    def connect(self, context: Context, node: NodeConfig) -> ReadOnlyHost:
        """A connection for looking only. Raises ``NodeError``."""
        return ReadOnlyHost(self._provider.connect(context, node))

    def operator_route(self, node: NodeConfig, port: int) -> OperatorRoute:
        """The operator's way to a published port."""
        return self._provider.operator_route(node, port)

    def destroy(self, context: Context) -> Sequence[str]:  # noqa: ARG002
        """Nothing is taken away here. Raises :class:`NotReadOnly`."""
        raise NotReadOnly("nothing of a cluster that is only looked at is taken away")


def require_hosts(inventory: Inventory) -> None:
    """Raise :class:`UsageError` unless the inventory names hosts that exist without us."""
    if inventory.provider is not ProviderKind.SSH:
        raise UsageError(
            f"{inventory.path}: --attach is for hosts that exist (provider: ssh), and these are machines of lab's own",
            hint="without --attach the same command looks at the cluster that `lab up` made; "
            "`lab init --provider ssh` writes an inventory for hosts",
        )
