"""Which switch a cluster LAN has, and that it is started once."""

from __future__ import annotations

import pytest

from orchestrator.errors import EnvironmentProblem
from orchestrator.providers.vm import lan, processes
from orchestrator.providers.vm.lan import VDE_SWITCH, Lan, lan_at, qemu_networks, usable_vde
from orchestrator.providers.vm.machine import QEMU
from orchestrator.providers.vm.sockets import listens

WITH_VDE = "printf 'Available netdev backend types:\\nsocket\\nstream\\nvde\\n'"
WITHOUT = "printf 'Available netdev backend types:\\nsocket\\nstream\\n'"


@pytest.mark.parametrize(
    ("networks", "switch", "usable"),
    [(("vde",), "/usr/bin/vde_switch", True), (("stream",), "/usr/bin/vde_switch", False), (("vde",), None, False)],
)
def test_vde_takes_a_qemu_that_knows_it_and_its_switch(networks, switch, usable):
    assert usable_vde(networks, switch) is usable


@pytest.mark.parametrize(("says", "vde"), [(WITH_VDE, True), (WITHOUT, False), ("exit 1", False)])
def test_qemu_is_asked_what_it_knows(tmp_path, program, says, vde):
    program(QEMU, f'[ "$*" = "-netdev help" ] && {says}')
    program(VDE_SWITCH, "exit 1")
    assert lan_at(tmp_path).vde is vde


def test_without_qemu_nothing_is_known(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert qemu_networks() == ()


def test_a_switch_of_our_own_is_started_once(context, tmp_path):
    folder = tmp_path / "switch"
    network = Lan(folder, vde=False)
    try:
        network.ensure(context)
        found = processes.find(str(folder))
        network.ensure(context)
        assert processes.find(str(folder)) == found
        assert len(found) == 1
        path = network.netdev.rpartition("addr.path=")[2]
        assert path == str(folder / "ctl")
        assert listens(folder / "ctl")
    finally:
        processes.end(processes.find(str(folder)))


def test_a_switch_that_does_not_start_shows_what_it_said(context, tmp_path, monkeypatch):
    monkeypatch.setattr(lan.sys, "executable", "/bin/false")
    with pytest.raises(EnvironmentProblem, match="the switch of the cluster LAN did not start"):
        Lan(tmp_path / "switch", vde=False).ensure(context)
