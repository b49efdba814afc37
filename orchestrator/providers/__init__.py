"""Where nodes come from: machines we make (:mod:`.vm`) and hosts that exist (:mod:`.ssh`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.model.inventory import Inventory, ProviderKind
from orchestrator.providers.base import Provider


def make_provider(inventory: Inventory, state_dir: Path, subnets: Sequence[str] = ()) -> Provider:
    """The provider that the inventory names; ``state_dir`` is the cluster's folder.

    ``subnets`` are those of the labs' overlay networks (CIDR): networks of existing hosts must not overlap them.
    """
    if inventory.provider is ProviderKind.VM:
        from orchestrator.providers.vm.provider import VmProvider

        return VmProvider(inventory, state_dir)
    from orchestrator.providers.ssh import SshProvider

    return SshProvider(inventory, subnets=subnets)
