"""Inventory files → :class:`~orchestrator.model.inventory.Inventory`."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from orchestrator.config.inventory_checks import check_inventory
from orchestrator.config.inventory_paths import check_paths
from orchestrator.config.inventory_schema import InventoryFile, Node, Ssh, Vm
from orchestrator.config.inventory_settings import FIRST_HOST, effective
from orchestrator.config.paths import absolute
from orchestrator.config.problems import Loaded
from orchestrator.config.source import read_source
from orchestrator.config.validation import validate
from orchestrator.model.inventory import (
    NO_CONFIG,
    Availability,
    Inventory,
    NodeConfig,
    ProviderKind,
    SshAddress,
    SwarmOptions,
    VmOptions,
    VmShape,
)

_PLACEHOLDERS = {"name": "unnamed", "provider": "vm"}


def load_inventory(path: Path, env: Mapping[str, str]) -> Loaded[Inventory]:
    """Read an inventory file; variables in it come from ``env``.

    Raises ``ConfigError`` with all problems of the file. Apart from the file itself only the existence of the
    files that it names is looked at.
    """
    source = read_source(path, env)
    checked = validate(source, InventoryFile, _PLACEHOLDERS)
    if checked:
        check_inventory(checked)
        check_paths(checked, path.parent, env)
    if checked is None or source.report.errors:
        raise source.report.as_error()
    return Loaded(_build(checked.value, path.absolute(), env), tuple(source.report.warnings))


def _build(file: InventoryFile, path: Path, env: Mapping[str, str]) -> Inventory:
    nodes = [effective(file.defaults, node) for node in file.nodes]
    return Inventory(
        name=file.name,
        path=path,
        provider=file.provider,
        nodes=tuple(_node(file, index, node, path.parent, env) for index, node in enumerate(nodes)),
        swarm=SwarmOptions(
            default_addr_pool=tuple(file.swarm.default_addr_pool),
            subnet_size=file.swarm.subnet_size,
            data_path_port=file.swarm.data_path_port,
        ),
        vm=VmOptions(lan=file.vm.lan, internet=file.vm.internet),
        labs=tuple(absolute(lab, path.parent, env) for lab in file.labs),
    )


def _node(file: InventoryFile, index: int, node: Node, base: Path, env: Mapping[str, str]) -> NodeConfig:
    config = NodeConfig(
        name=node.name,
        role=node.role,
        labels=node.labels,
        availability=node.availability or Availability.ACTIVE,
        advertise_addr=node.advertise_addr,
        data_path_addr=node.data_path_addr,
    )
    if file.provider is ProviderKind.SSH:
        return replace(config, ssh=_ssh(node.ssh or Ssh(), base, env))
    address = str(ipaddress.IPv4Network(file.vm.lan)[FIRST_HOST + index])
    return replace(config, advertise_addr=address, data_path_addr=address, vm=_shape(node.vm or Vm()))


def _shape(vm: Vm) -> VmShape:
    given = vm.model_dump(exclude_none=True, exclude={"packages"})
    # Sorted: nodes that name the same packages in another order share one image.
    return VmShape(**given, packages=tuple(sorted(set(vm.packages or ()))))


def _ssh(ssh: Ssh, base: Path, env: Mapping[str, str]) -> SshAddress:
    given = ssh.model_dump(exclude_none=True, include={"port", "user", "docker_socket"})
    return SshAddress(
        host=ssh.host or "",  # never empty: check_inventory wants a host for every node
        key=absolute(ssh.key, base, env) if ssh.key else None,
        certificate=absolute(ssh.certificate, base, env) if ssh.certificate else None,
        known_hosts=absolute(ssh.known_hosts, base, env) if ssh.known_hosts else None,
        jump=_jump(ssh.jump),
        config=_config(ssh.config, base, env),
        **given,
    )


def _jump(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return () if text == "none" else tuple(hop.strip() for hop in text.split(","))


def _config(text: str | None, base: Path, env: Mapping[str, str]) -> str:
    if text is None:
        return ""
    return NO_CONFIG if text == NO_CONFIG else str(absolute(text, base, env))
