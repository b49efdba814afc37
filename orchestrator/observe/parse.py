"""Engine API objects as the words of the model. Pure: JSON in, dataclasses out.

Sources: the Engine API reference (``/services``, ``/networks``, ``/configs``, ``/nodes``, ``/tasks``, ``/info``)
and swarmkit's defaults (``api/defaults/service.go``). A setting that Docker leaves out because it is the default
comes back as the model's default; what dockerd adds by itself is no difference.

The key of an object is not kept by Docker: it is its name without the stack's prefix, and only a guess for
objects whose lab file names them otherwise.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from typing import Any

from orchestrator.model.inventory import Availability, Role
from orchestrator.model.lab import (
    Attachment,
    ConfigMount,
    ConfigObject,
    EndpointMode,
    Healthcheck,
    Network,
    Port,
    Protocol,
    PublishMode,
    RestartPolicy,
    Service,
    ServiceMode,
    UpdatePolicy,
)
from orchestrator.model.labels import STACK
from orchestrator.model.observed import (
    LiveConfig,
    LiveNetwork,
    LiveService,
    LiveTask,
    NodeView,
    SwarmNode,
    SwarmState,
)
from orchestrator.observe.unsupported import unsupported

Raw = Mapping[str, Any]

MTU_OPTION = "com.docker.network.driver.mtu"
ENCRYPTED_OPTION = "encrypted"

_NANOSECONDS = 1_000_000_000


def seconds(nanoseconds: float | None, default: float) -> float:
    """A duration of the API, which counts nanoseconds; ``default`` where the API left it out."""
    return default if nanoseconds is None else nanoseconds / _NANOSECONDS


def parse_service(raw: Raw, network_names: Mapping[str, str]) -> LiveService:
    """A service of ``GET /services``; ``network_names`` maps network ids to names."""
    vips = (raw.get("Endpoint") or {}).get("VirtualIPs") or ()
    return LiveService(
        id=raw["ID"],
        version=raw["Version"]["Index"],
        spec=parse_service_spec(raw["Spec"], network_names),
        vips={
            network_names.get(vip["NetworkID"], vip["NetworkID"]): _bare(vip["Addr"]) for vip in vips if vip.get("Addr")
        },
        update_state=(raw.get("UpdateStatus") or {}).get("State") or "",
        unsupported=unsupported(raw["Spec"]),
    )


def parse_service_spec(spec: Raw, network_names: Mapping[str, str]) -> Service:
    """The specification of a service (``ServiceSpec`` of the API)."""
    template = spec["TaskTemplate"]
    container = template.get("ContainerSpec") or {}
    placement = template.get("Placement") or {}
    endpoint = spec.get("EndpointSpec") or {}
    labels = dict(spec.get("Labels") or {})
    mode, replicas = _mode(spec.get("Mode") or {})
    return Service(
        key=key_of(spec["Name"], labels),
        name=spec["Name"],
        image=container.get("Image") or "",
        mode=mode,
        replicas=replicas,
        entrypoint=tuple(container.get("Command") or ()),
        command=tuple(container.get("Args") or ()),
        environment=_environment(container.get("Env") or ()),
        hostname=container.get("Hostname") or "",
        user=container.get("User") or "",
        working_dir=container.get("Dir") or "",
        stop_grace_period=seconds(container.get("StopGracePeriod"), 10.0),
        cap_add=tuple(container.get("CapabilityAdd") or ()),
        healthcheck=_healthcheck(container.get("Healthcheck") or {}),
        labels=labels,
        container_labels=dict(container.get("Labels") or {}),
        constraints=tuple(placement.get("Constraints") or ()),
        max_replicas_per_node=placement.get("MaxReplicas") or 0,
        endpoint_mode=EndpointMode(endpoint.get("Mode") or "vip"),
        ports=tuple(_port(port) for port in endpoint.get("Ports") or ()),
        networks=tuple(_attachment(one, network_names) for one in template.get("Networks") or ()),
        configs=tuple(_config_mount(one) for one in container.get("Configs") or ()),
        update=_update_policy(spec.get("UpdateConfig") or {}),
        restart=_restart_policy(template.get("RestartPolicy") or {}),
    )


def key_of(name: str, labels: Mapping[str, str]) -> str:
    """The Compose key of an object, guessed from its name: the stack's prefix is taken off."""
    stack = labels.get(STACK, "")
    return name.removeprefix(f"{stack}_") if stack else name


def _mode(mode: Raw) -> tuple[ServiceMode, int]:
    if "Global" in mode:
        return ServiceMode.GLOBAL, 1
    return ServiceMode.REPLICATED, (mode.get("Replicated") or {}).get("Replicas", 1)


def _environment(entries: Collection[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def _healthcheck(raw: Raw) -> Healthcheck | None:
    if not raw.get("Test"):
        return None
    return Healthcheck(
        test=tuple(raw["Test"]),
        interval=seconds(raw.get("Interval"), 30.0),
        timeout=seconds(raw.get("Timeout"), 30.0),
        retries=raw.get("Retries") or 3,
        start_period=seconds(raw.get("StartPeriod"), 0.0),
    )


def _port(raw: Raw) -> Port:
    return Port(
        published=raw.get("PublishedPort") or 0,
        target=raw["TargetPort"],
        protocol=Protocol(raw.get("Protocol") or "tcp"),
        mode=PublishMode(raw.get("PublishMode") or "ingress"),
    )


def _attachment(raw: Raw, network_names: Mapping[str, str]) -> Attachment:
    return Attachment(network_names.get(raw["Target"], raw["Target"]), tuple(raw.get("Aliases") or ()))


def _config_mount(raw: Raw) -> ConfigMount:
    file = raw.get("File") or {}
    return ConfigMount(
        config=raw["ConfigName"],
        target=file.get("Name") or "",
        uid=file.get("UID") or "0",
        gid=file.get("GID") or "0",
        mode=file.get("Mode", 0o444),
    )


def _update_policy(raw: Raw) -> UpdatePolicy:
    return UpdatePolicy(
        parallelism=raw.get("Parallelism", 1),
        delay=seconds(raw.get("Delay"), 0.0),
        order=raw.get("Order") or "stop-first",
        failure_action=raw.get("FailureAction") or "pause",
        monitor=seconds(raw.get("Monitor"), 5.0),
        max_failure_ratio=raw.get("MaxFailureRatio") or 0.0,
    )


def _restart_policy(raw: Raw) -> RestartPolicy:
    return RestartPolicy(
        condition=raw.get("Condition") or "any",
        delay=seconds(raw.get("Delay"), 5.0),
        max_attempts=raw.get("MaxAttempts") or 0,
        window=seconds(raw.get("Window"), 0.0),
    )


def is_overlay(raw: Raw) -> bool:
    """Whether an entry of ``GET /networks`` is an overlay network that people made (``ingress`` is Docker's own)."""
    return raw.get("Scope") == "swarm" and raw.get("Driver") == "overlay" and not raw.get("Ingress")


def parse_network(raw: Raw) -> LiveNetwork:
    """A network of ``GET /networks``, with the subnet and gateway that Docker chose where none was asked for."""
    options = raw.get("Options") or {}
    pool: Raw = next(iter((raw.get("IPAM") or {}).get("Config") or ()), {})
    labels = dict(raw.get("Labels") or {})
    spec = Network(
        key=key_of(raw["Name"], labels),
        name=raw["Name"],
        subnet=pool.get("Subnet") or "",
        gateway=pool.get("Gateway") or "",
        attachable=bool(raw.get("Attachable")),
        internal=bool(raw.get("Internal")),
        encrypted=ENCRYPTED_OPTION in options and options[ENCRYPTED_OPTION].lower() not in {"false", "0"},
        mtu=int(options.get(MTU_OPTION) or 0),
        labels=labels,
    )
    return LiveNetwork(raw["Id"], spec)


def parse_config(raw: Raw) -> LiveConfig:
    """A config of ``GET /configs``."""
    spec = raw["Spec"]
    labels = dict(spec.get("Labels") or {})
    return LiveConfig(
        raw["ID"],
        ConfigObject(
            key=key_of(spec["Name"], labels),
            name=spec["Name"],
            data=base64.b64decode(spec.get("Data") or ""),
            template_driver=(spec.get("Templating") or {}).get("Name") or "",
            labels=labels,
        ),
    )


def parse_task(raw: Raw, service_names: Mapping[str, str]) -> LiveTask:
    """A task of ``GET /tasks``; ``service_names`` maps service ids to names."""
    status = raw.get("Status") or {}
    attachments = raw.get("NetworksAttachments") or ()
    return LiveTask(
        id=raw["ID"],
        service=service_names.get(raw.get("ServiceID", ""), raw.get("ServiceID", "")),
        slot=raw.get("Slot") or 0,
        node_id=raw.get("NodeID") or "",
        state=status.get("State") or "",
        desired=raw.get("DesiredState") or "",
        error=status.get("Err") or "",
        container_id=(status.get("ContainerStatus") or {}).get("ContainerID") or "",
        addresses={
            one["Network"]["Spec"]["Name"]: _bare(one["Addresses"][0]) for one in attachments if one.get("Addresses")
        },
    )


def parse_swarm_node(raw: Raw) -> SwarmNode:
    """A member of ``GET /nodes``."""
    spec, status = raw["Spec"], raw.get("Status") or {}
    return SwarmNode(
        id=raw["ID"],
        hostname=(raw.get("Description") or {}).get("Hostname") or "",
        role=Role(spec["Role"]),
        availability=Availability(spec["Availability"]),
        state=status.get("State") or "unknown",
        address=status.get("Addr") or "",
        labels=dict(spec.get("Labels") or {}),
        leader=bool((raw.get("ManagerStatus") or {}).get("Leader")),
        version=raw["Version"]["Index"],
        reachability=(raw.get("ManagerStatus") or {}).get("Reachability") or "",
    )


def parse_node(
    name: str,
    info: Raw,
    *,
    api_version: str,
    images: Mapping[str, str],
    ingress: Raw | None = None,
    containers: Collection[Raw] = (),
) -> NodeView:
    """A node from its ``GET /info``, the ids of its wanted images, ``GET /networks/ingress`` and its containers."""
    swarm = info.get("Swarm") or {}
    return NodeView(
        name=name,
        reachable=True,
        engine_version=info.get("ServerVersion") or "",
        api_version=api_version,
        swarm=SwarmState(swarm.get("LocalNodeState") or "inactive"),
        node_id=swarm.get("NodeID") or "",
        node_addr=swarm.get("NodeAddr") or "",
        is_manager=bool(swarm.get("ControlAvailable")),
        cluster_id=(swarm.get("Cluster") or {}).get("ID") or "",
        remote_managers=tuple(manager["Addr"] for manager in swarm.get("RemoteManagers") or ()),
        images=dict(images),
        containerd_images=["driver-type", _SNAPSHOTTER] in (info.get("DriverStatus") or []),
        ingress_address=ingress_address(ingress or {}),
        containers={one["Id"]: one["Labels"][TASK_LABEL] for one in containers if TASK_LABEL in (one["Labels"] or {})},
    )


_SNAPSHOTTER = "io.containerd.snapshotter.v1"
"""What ``GET /info`` says in ``DriverStatus`` where images are in containerd's store (moby, ``daemon/containerd``)."""

TASK_LABEL = "com.docker.swarm.task.id"
"""Docker puts it on every container of a swarm task."""


def ingress_address(network: Raw) -> str:
    """The node's own address on the ingress network: that of the sandbox in which its load balancer lives."""
    sandbox = (network.get("Containers") or {}).get("ingress-sbox") or {}
    return _bare(sandbox.get("IPv4Address") or "")


def _bare(address: str) -> str:
    """An address without its prefix length."""
    return str(address).partition("/")[0]
