"""What must hold between the values of a lab file. Pure: looks at nothing but the file's content."""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.config.compose_build import (
    DEFAULT_NETWORK,
    TextPairs,
    mounts_of,
    network_keys,
    network_name,
    pairs,
    ports_of,
)
from orchestrator.config.compose_networks import check_networks
from orchestrator.config.compose_schema import LabFile, LabNetwork, Service
from orchestrator.config.fields import label_problem
from orchestrator.config.hints import did_you_mean, one_of, shown, unusable
from orchestrator.config.problems import Loc
from orchestrator.config.validation import Checked
from orchestrator.model.lab import EndpointMode, Port, PublishMode, ServiceMode

Lab = Checked[LabFile]

_DNS_NAME = re.compile(r"[a-zA-Z0-9](?:[-_]*[a-zA-Z0-9])*")
_CONFIG_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9._-]*[a-zA-Z0-9])?")
_MOST_DNS_NAME = 63
_MOST_CONFIG_NAME = 64 - 13  # a dash and 12 digits of the hash are added


def check_lab(checked: Lab, name: str, env: Mapping[str, str]) -> None:
    """Report everything that does not fit together in the lab ``name``."""
    file = checked.value
    something = file.services or file.networks or file.x_lab.bridges or file.x_lab.containers
    if not something and not checked.incomplete():
        checked.error((), "the lab has neither services nor networks nor containers; expected at least one")
    for key, service in file.services.items():
        loc: Loc = ("services", key)
        check_dns_name(checked, loc, f"{name}_{key}")
        _check_networks_of(checked, loc, service)
        _check_configs_of(checked, loc, service)
        _check_deploy(checked, loc, service)
        _check_healthcheck(checked, loc, service)
        check_environment(checked, (*loc, "environment"), service.environment, env)
        _check_labels(checked, (*loc, "labels"), service.labels)
        _check_labels(checked, (*loc, "deploy", "labels"), service.deploy.labels)
    _check_ports(checked)
    check_networks(checked)
    for key, network in file.networks.items():
        check_dns_name(checked, ("networks", key), network_name(name, key, network or LabNetwork()))
        _check_labels(checked, ("networks", key, "labels"), network.labels if network else {})
    for key, config in file.configs.items():
        _check_config_name(checked, ("configs", key), config.name or f"{name}_{key}")
        _check_labels(checked, ("configs", key, "labels"), config.labels)


def check_dns_name(checked: Lab, loc: Loc, name: str) -> None:
    """Services and networks must be named like a DNS label (swarmkit, ``validateAnnotations``)."""
    if not _DNS_NAME.fullmatch(name) or len(name) > _MOST_DNS_NAME:
        checked.error(
            loc,
            f"{shown(name)} cannot be a name in the swarm; expected at most {_MOST_DNS_NAME} letters, digits, "
            "'-' and '_', beginning and ending in a letter or digit",
        )


def _check_config_name(checked: Lab, loc: Loc, name: str) -> None:
    """Names of configs have a rule of their own (swarmkit, ``validateConfigOrSecretAnnotations``)."""
    if not _CONFIG_NAME.fullmatch(name) or len(name) > _MOST_CONFIG_NAME:
        checked.error(
            loc,
            f"{shown(name)} cannot be the name of a config; expected at most {_MOST_CONFIG_NAME} letters, digits, '.', "
            "'-' and '_', beginning and ending in a letter or digit",
        )


def _check_networks_of(checked: Lab, loc: Loc, service: Service) -> None:
    networks = declared(checked, "networks") | {DEFAULT_NETWORK}
    for key in network_keys(service):
        if key not in networks:
            place = (*loc, "networks", service.networks.index(key) if isinstance(service.networks, list) else key)
            checked.error(place, f"there is no network {key!r} in this file{known(key, networks)}")
    if isinstance(service.networks, list):
        for index, key in enumerate(service.networks):
            if key in service.networks[:index]:
                checked.error((*loc, "networks", index), f"the network {key!r} is given twice; expected once")


def _check_configs_of(checked: Lab, loc: Loc, service: Service) -> None:
    configs = declared(checked, "configs")
    targets: dict[str | None, int] = {}
    for index, mount in enumerate(mounts_of(service)):
        if mount.source not in configs:
            message = f"there is no config {mount.source!r} in this file{known(mount.source, configs)}"
            checked.error((*loc, "configs", index), message)
        if mount.target in targets:
            first = checked.line((*loc, "configs", targets[mount.target]))
            message = f"{mount.target} is also the target of the config in line {first}; expected different targets"
            checked.error((*loc, "configs", index), message)
        targets.setdefault(mount.target, index)


def declared(checked: Lab, *section: str | int) -> set[str]:
    """Keys of a section as they stand in the file, those whose value is wrong too."""
    found = checked.source.data
    for part in section:
        found = found.get(part) if isinstance(found, dict) else None
    return {str(key) for key in found} if isinstance(found, dict) else set()


def known(key: str, choices: set[str]) -> str:
    """The end of a message about an unknown key: what was probably meant, else what there is."""
    return did_you_mean(key, choices) or (f"; expected {one_of(sorted(choices))}" if choices else "")


def _check_deploy(checked: Lab, loc: Loc, service: Service) -> None:
    deploy = service.deploy
    if deploy.mode is ServiceMode.GLOBAL and deploy.replicas is not None:
        checked.error((*loc, "deploy", "replicas"), "a global service has one task per node; leave replicas out")
    if deploy.endpoint_mode is not EndpointMode.DNSRR:
        return
    for index, port in ports_of(service):
        if port.mode is PublishMode.INGRESS:
            checked.error(
                (*loc, "ports", index),
                "a service with endpoint_mode dnsrr has no virtual IP to which the routing mesh could send, so the "
                "engine refuses ports in ingress mode; expected mode host, or endpoint_mode vip",
            )


def _check_healthcheck(checked: Lab, loc: Loc, service: Service) -> None:
    check = service.healthcheck
    if check is None or checked.incomplete(*checked.in_file((*loc, "healthcheck"))):
        return
    if check.disable and check.test is not None:
        checked.error((*loc, "healthcheck"), "test and disable exclude each other; expected one of them")
    if not check.disable and check.test is None:
        checked.error((*loc, "healthcheck"), "the required key test is missing; expected a command, or disable: true")


def check_environment(checked: Lab, loc: Loc, given: TextPairs, env: Mapping[str, str]) -> None:
    """Report variables without a name, given twice, or without a value here and in ``env``."""
    _check_names(checked, loc, given)
    for place, name, value in pairs(given):
        if value is None and name not in env:
            checked.error(
                (*loc, place),
                f"{name} has no value here and is not set in your environment; set it, or give it a value "
                '(an empty one: "")',
            )
        elif value is None and (problem := unusable(env[name])):
            checked.error((*loc, place), f"the environment variable {name} {problem}")


def _check_labels(checked: Lab, loc: Loc, given: TextPairs) -> None:
    _check_names(checked, loc, given)
    for place, name, _ in pairs(given):
        if name.strip() and (problem := label_problem(name)):
            checked.error((*loc, place), problem)


def _check_names(checked: Lab, loc: Loc, given: TextPairs) -> None:
    seen = set()
    for place, name, _ in pairs(given):
        if not name.strip():
            checked.error((*loc, place), "expected NAME=VALUE, got no name")
        elif not name.isprintable():
            checked.error((*loc, place), f"the name {shown(name)} holds characters that cannot be seen")
        elif name in seen:
            checked.error((*loc, place), f"{name} is given twice; expected once")
        seen.add(name)


def _check_ports(checked: Lab) -> None:
    """A published port of the routing mesh belongs to one service: every node listens on it."""
    seen: dict[tuple[int, str], tuple[Port, str, int]] = {}
    for key, service in checked.value.services.items():
        for index, port in ports_of(service):
            loc: Loc = ("services", key, "ports", index)
            number = (port.published, port.protocol)
            other = seen.get(number)
            if other and port.published and PublishMode.INGRESS in (port.mode, other[0].mode):
                checked.error(
                    loc,
                    f"{port.published}/{port.protocol} is also published by the service {other[1]} in line {other[2]}; "
                    "expected another port",
                )
            seen.setdefault(number, (port, key, checked.line(loc)))
