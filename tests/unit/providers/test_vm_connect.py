"""The provider of machines hands out connections that stand."""

from __future__ import annotations

import pytest
from host_standins import inventory

from orchestrator.model.inventory import SshAddress
from orchestrator.providers.vm import provider as vm
from orchestrator.runtime.context import Context
from orchestrator.transport.scripted import ScriptedHost


@pytest.fixture
def provider(tmp_path, monkeypatch) -> vm.VmProvider:
    monkeypatch.setattr(vm, "connect", lambda _address, *, name, timeout: ScriptedHost(name))
    monkeypatch.setattr(vm.VmProvider, "address", lambda _provider, _node: SshAddress("127.0.0.1", 2200))
    return vm.VmProvider(inventory(), tmp_path)


def test_a_connection_is_handed_out_again_as_long_as_it_stands(provider):
    context, node = Context(lambda _event: None), inventory().nodes[0]
    first = provider.connect(context, node)
    assert provider.connect(context, node) is first
    first.close()
    second = provider.connect(context, node)
    assert second is not first
    assert second.alive
    assert provider.connect(context, node) is second
