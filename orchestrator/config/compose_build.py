"""A validated lab file → :class:`~orchestrator.model.lab.Lab`. Pure: contents of configs are handed in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from orchestrator.config.compose_schema import (
    Healthcheck,
    LabConfig,
    LabFile,
    LabNetwork,
    LongPort,
    Service,
    ServiceConfig,
    ServiceNetwork,
)
from orchestrator.model import lab as model

DEFAULT_NETWORK = "default"
"""Key of the network of services that name none (Compose)."""

TextPairs = Mapping[str, str | None] | list[str]


def build_lab(name: str, path: Path, file: LabFile, data: Mapping[str, bytes], env: Mapping[str, str]) -> model.Lab:
    """The lab ``name``; ``data`` has the content of each config."""
    networks = {key: network or LabNetwork() for key, network in file.networks.items()}
    if any(DEFAULT_NETWORK in network_keys(service) for service in file.services.values()):
        networks.setdefault(DEFAULT_NETWORK, LabNetwork())
    configs = {key: config_object(name, key, config, data[key]) for key, config in file.configs.items()}
    network_names = {key: network_name(name, key, network) for key, network in networks.items()}
    config_names = {key: config.name for key, config in configs.items()}
    return model.Lab(
        name=name,
        path=path,
        title=file.x_lab.title,
        services=tuple(
            _service(name, key, service, network_names, config_names, env) for key, service in file.services.items()
        ),
        networks=tuple(_network(network_names[key], key, network) for key, network in networks.items()),
        configs=tuple(configs.values()),
        checks=tuple(file.x_lab.checks),
    )


def network_keys(service: Service) -> dict[str, ServiceNetwork]:
    """Networks of a service by key; the default one where it names none."""
    if isinstance(service.networks, dict):
        return {key: place or ServiceNetwork() for key, place in service.networks.items()}
    return {key: ServiceNetwork() for key in service.networks or [DEFAULT_NETWORK]}


def network_name(lab: str, key: str, network: LabNetwork) -> str:
    """The network's name in the swarm."""
    return network.name or (key if network.external else f"{lab}_{key}")


def config_object(lab: str, key: str, config: LabConfig, data: bytes) -> model.ConfigObject:
    """The config, named after its content: configs are immutable, so a new content needs a new name."""
    driver = config.template_driver or ""
    digest = hashlib.sha256(data + b"\0" + driver.encode()).hexdigest()[:12]
    return model.ConfigObject(
        key=key,
        name=f"{config.name or f'{lab}_{key}'}-{digest}",
        data=data,
        template_driver=driver,
        labels=labels_of(config.labels),
    )


def ports_of(service: Service) -> list[tuple[int, model.Port]]:
    """The service's ports, each with its position in the list of the file (a range gives several)."""
    ports: list[tuple[int, model.Port]] = []
    for index, entry in enumerate(service.ports):
        if isinstance(entry, LongPort):
            ports.append((index, model.Port(entry.published, entry.target, entry.protocol, entry.mode)))
        else:
            ports += [(index, port) for port in entry]
    return ports


def mounts_of(service: Service) -> list[ServiceConfig]:
    """The service's configs, all in the long form and with a target."""
    mounts = [ServiceConfig(source=entry) if isinstance(entry, str) else entry for entry in service.configs]
    return [mount.model_copy(update={"target": mount.target or f"/{mount.source}"}) for mount in mounts]


def pairs(given: TextPairs) -> list[tuple[str | int, str, str | None]]:
    """Entries of a mapping or a list of ``NAME=VALUE``: (key or position in the file, name, value)."""
    if isinstance(given, list):
        split = [(index, *text.partition("=")) for index, text in enumerate(given)]
        return [(index, name, value if equals else None) for index, name, equals, value in split]
    return [(name, name, value) for name, value in given.items()]


def labels_of(given: TextPairs) -> dict[str, str]:
    """Labels; one without a value has the empty text."""
    return {name: value or "" for _, name, value in pairs(given)}


def _service(
    lab: str,
    key: str,
    service: Service,
    networks: Mapping[str, str],
    configs: Mapping[str, str],
    env: Mapping[str, str],
) -> model.Service:
    deploy = service.deploy
    return model.Service(
        key=key,
        name=f"{lab}_{key}",
        image=service.image,
        mode=deploy.mode,
        replicas=1 if deploy.replicas is None else deploy.replicas,
        entrypoint=service.entrypoint or (),
        command=service.command or (),
        environment={name: env[name] if value is None else value for _, name, value in pairs(service.environment)},
        hostname=service.hostname or "",
        user=service.user or "",
        working_dir=service.working_dir or "",
        stop_grace_period=10.0 if service.stop_grace_period is None else service.stop_grace_period,
        cap_add=tuple(sorted(set(service.cap_add))),
        healthcheck=_healthcheck(service.healthcheck) if service.healthcheck else None,
        labels=labels_of(deploy.labels),
        container_labels=labels_of(service.labels),
        constraints=tuple(deploy.placement.constraints),
        max_replicas_per_node=deploy.placement.max_replicas_per_node,
        endpoint_mode=deploy.endpoint_mode,
        ports=tuple(port for _, port in ports_of(service)),
        networks=tuple(_attachment(key, networks[name], place) for name, place in network_keys(service).items()),
        configs=tuple(_mount(mount, configs[mount.source]) for mount in mounts_of(service)),
        update=model.UpdatePolicy(**deploy.update_config.model_dump(exclude_none=True)),
        restart=model.RestartPolicy(**deploy.restart_policy.model_dump(exclude_none=True)),
    )


def _attachment(service: str, network: str, place: ServiceNetwork) -> model.Attachment:
    """Like ``docker stack deploy``, let the service resolve under its key too, not just under its full name."""
    return model.Attachment(network, tuple(dict.fromkeys([*place.aliases, service])))


def _mount(mount: ServiceConfig, config: str) -> model.ConfigMount:
    return model.ConfigMount(config, mount.target or "", mount.uid, mount.gid, mount.mode)


def _healthcheck(check: Healthcheck) -> model.Healthcheck:
    timing = check.model_dump(exclude_none=True, exclude={"test", "disable"})
    return model.Healthcheck(test=("NONE",) if check.disable else check.test or (), **timing)


def _network(name: str, key: str, network: LabNetwork) -> model.Network:
    addresses = network.ipam.config[0] if network.ipam.config else None
    return model.Network(
        key=key,
        name=name,
        subnet=(addresses.subnet if addresses else None) or "",
        gateway=(addresses.gateway if addresses else None) or "",
        attachable=network.attachable,
        internal=network.internal,
        encrypted=network.driver_opts.encrypted,
        mtu=network.driver_opts.mtu,
        labels=labels_of(network.labels),
        external=network.external,
    )
