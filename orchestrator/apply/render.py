"""The model's words as the Engine API takes them. Pure; :mod:`orchestrator.observe.parse` is the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.model.lab import (
    Bridge,
    ConfigMount,
    ConfigObject,
    Container,
    Healthcheck,
    Network,
    RestartPolicy,
    Service,
    ServiceMode,
    UpdatePolicy,
)
from orchestrator.model.labels import SPEC
from orchestrator.model.spec import container_text
from orchestrator.observe.parse import ENCRYPTED_OPTION, MTU_OPTION

Body = dict[str, Any]

_NANOSECONDS = 1_000_000_000


def nanoseconds(seconds: float) -> int:
    """A duration as the API counts it."""
    return round(seconds * _NANOSECONDS)


def service_spec(
    service: Service, *, image: str, network_ids: Mapping[str, str], config_ids: Mapping[str, str]
) -> Body:
    """The ``ServiceSpec`` of ``POST /services/create``.

    ``image`` is what the engines shall start (the id of a lab image, or the reference itself); the mappings give
    the ids of networks and configs by name. Raises ``KeyError`` for one that is missing.
    """
    return {
        "Name": service.name,
        "Labels": dict(service.labels),
        "TaskTemplate": {
            "ContainerSpec": _container(service, image, config_ids),
            "RestartPolicy": _restart_policy(service.restart),
            "Placement": _placement(service),
            "Networks": [
                {"Target": network_ids[one.network]} | ({"Aliases": list(one.aliases)} if one.aliases else {})
                for one in service.networks
            ],
        },
        "Mode": _mode(service),
        "UpdateConfig": _update_policy(service.update),
        "EndpointSpec": {
            "Mode": service.endpoint_mode.value,
            "Ports": [
                {
                    "Protocol": port.protocol.value,
                    "TargetPort": port.target,
                    "PublishedPort": port.published,
                    "PublishMode": port.mode.value,
                }
                for port in service.ports
            ],
        },
    }


def _container(service: Service, image: str, config_ids: Mapping[str, str]) -> Body:
    settings: Body = {
        "Image": image,
        "Labels": dict(service.container_labels),
        "Command": list(service.entrypoint),
        "Args": list(service.command),
        "Env": [f"{name}={value}" for name, value in service.environment.items()],
        "Hostname": service.hostname,
        "User": service.user,
        "Dir": service.working_dir,
        "CapabilityAdd": list(service.cap_add),
        "Configs": [_config_mount(mount, config_ids) for mount in service.configs],
    }
    if service.healthcheck is not None:
        settings["Healthcheck"] = _healthcheck(service.healthcheck)
    kept = {name: value for name, value in settings.items() if value}
    return kept | {"StopGracePeriod": nanoseconds(service.stop_grace_period)}


def _config_mount(mount: ConfigMount, config_ids: Mapping[str, str]) -> Body:
    file = {"Name": mount.target, "UID": mount.uid, "GID": mount.gid, "Mode": mount.mode}
    return {"File": file, "ConfigID": config_ids[mount.config], "ConfigName": mount.config}


def _healthcheck(check: Healthcheck) -> Body:
    return {
        "Test": list(check.test),
        "Interval": nanoseconds(check.interval),
        "Timeout": nanoseconds(check.timeout),
        "Retries": check.retries,
        "StartPeriod": nanoseconds(check.start_period),
    }


def _restart_policy(policy: RestartPolicy) -> Body:
    return {
        "Condition": policy.condition,
        "Delay": nanoseconds(policy.delay),
        "MaxAttempts": policy.max_attempts,
        "Window": nanoseconds(policy.window),
    }


def _update_policy(policy: UpdatePolicy) -> Body:
    return {
        "Parallelism": policy.parallelism,
        "Delay": nanoseconds(policy.delay),
        "FailureAction": policy.failure_action,
        "Monitor": nanoseconds(policy.monitor),
        "MaxFailureRatio": policy.max_failure_ratio,
        "Order": policy.order,
    }


def _placement(service: Service) -> Body:
    placement: Body = {}
    if service.constraints:
        placement["Constraints"] = list(service.constraints)
    if service.max_replicas_per_node:
        placement["MaxReplicas"] = service.max_replicas_per_node
    return placement


def _mode(service: Service) -> Body:
    if service.mode is ServiceMode.GLOBAL:
        return {"Global": {}}
    return {"Replicated": {"Replicas": service.replicas}}


def network_args(network: Network) -> Body:
    """The keyword arguments of ``APIClient.create_network`` for an overlay network."""
    options: dict[str, str] = {}
    if network.encrypted:
        options[ENCRYPTED_OPTION] = ""  # an option without a value, as `docker network create --opt encrypted` sends it
    if network.mtu:
        options[MTU_OPTION] = str(network.mtu)
    args: Body = {
        "name": network.name,
        "driver": "overlay",
        "scope": "swarm",
        "options": options,
        "attachable": network.attachable,
        "internal": network.internal,
        "labels": dict(network.labels),
        "check_duplicate": True,
    }
    if network.subnet:
        pool = {"Subnet": network.subnet} | ({"Gateway": network.gateway} if network.gateway else {})
        args["ipam"] = {"Driver": "default", "Config": [pool]}
    return args


def config_args(config: ConfigObject) -> Body:
    """The keyword arguments of ``APIClient.create_config``."""
    templating = {"templating": {"Name": config.template_driver}} if config.template_driver else {}
    return {"name": config.name, "data": config.data, "labels": dict(config.labels)} | templating


def bridge_args(bridge: Bridge) -> Body:
    """The keyword arguments of ``APIClient.create_network`` for a bridge network."""
    args: Body = {"name": bridge.name, "driver": "bridge", "labels": dict(bridge.labels), "check_duplicate": True}
    if bridge.subnet:
        pool = {"Subnet": bridge.subnet} | ({"Gateway": bridge.gateway} if bridge.gateway else {})
        args["ipam"] = {"Driver": "default", "Config": [pool]}
    return args


def container_args(container: Container, image: str) -> Body:
    """The keyword arguments of ``APIClient.create_container``; the label keeps what the container was made from."""
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in container.ports:
        host_port = str(port.published or "")  # an empty one lets the engine choose
        bindings.setdefault(f"{port.target}/{port.protocol}", []).append({"HostPort": host_port})
    args: Body = {
        "image": image,
        "name": container.name,
        "command": list(container.command) or None,
        "hostname": container.hostname or None,
        "environment": dict(container.environment),
        "ports": [(port.target, port.protocol.value) for port in container.ports],
        "labels": dict(container.labels) | {SPEC: container_text(container)},
        "host_config": {
            "NetworkMode": container.network,
            "CapAdd": list(container.cap_add),
            "PortBindings": bindings,
        },
        "use_config_proxy": False,  # the proxy of the operator's machine is none of the container's business
    }
    if container.aliases:
        args["networking_config"] = {"EndpointsConfig": {container.network: {"Aliases": list(container.aliases)}}}
    return args
