"""Where nodes come from: machines we make (:mod:`.vm`) and hosts that exist (:mod:`.ssh`)."""

from __future__ import annotations

from pathlib import Path

from orchestrator.model.inventory import Inventory, ProviderKind
from orchestrator.providers.base import Provider


def make_provider(inventory: Inventory, state_dir: Path) -> Provider:
    """The provider that the inventory names; ``state_dir`` is the cluster's folder."""
    if inventory.provider is ProviderKind.VM:
        from orchestrator.providers.vm.provider import VmProvider

        return VmProvider(inventory, state_dir)
    from orchestrator.providers.ssh import SshProvider

    return SshProvider(inventory)
