"""Plain containers and bridges of one node as the words of the model. Pure: JSON in, dataclasses out.

Sources: the Engine API reference (``GET /containers/json``, ``GET /containers/{id}/json``, ``GET /networks``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from orchestrator.model.lab import Bridge
from orchestrator.model.labels import CLUSTER, SPEC
from orchestrator.model.observed import LiveBridge, LiveContainer, TaskContainer
from orchestrator.model.spec import container_of
from orchestrator.observe.parse import TASK_LABEL, Raw, key_of


def is_ours(raw: Raw) -> bool:
    """Whether an entry of a list of containers or networks carries our label, whichever cluster's."""
    return CLUSTER in (raw.get("Labels") or {})


def is_bridge(raw: Raw) -> bool:
    """Whether an entry of ``GET /networks`` is a bridge network that carries our label."""
    return raw.get("Driver") == "bridge" and is_ours(raw)


def task_containers(listed: Collection[Raw]) -> tuple[TaskContainer, ...]:
    """The containers of tasks that carry our label, from ``GET /containers/json?all=1``."""
    return tuple(
        TaskContainer(raw["Id"], raw["Names"][0].removeprefix("/"), dict(raw["Labels"]))
        for raw in listed
        if is_ours(raw) and TASK_LABEL in raw["Labels"]
    )


def other_containers(listed: Collection[Raw]) -> tuple[str, ...]:
    """Names of the containers that are neither ours nor a swarm task's."""
    strangers = [raw for raw in listed if not is_ours(raw) and TASK_LABEL not in (raw.get("Labels") or {})]
    return tuple(name.removeprefix("/") for raw in strangers for name in raw.get("Names") or ())


def other_networks(listed: Collection[Raw]) -> dict[str, str]:
    """Subnets of the node's own networks that are not ours, by name; "" for those without (``host``, ``none``)."""
    return {raw["Name"]: _pool(raw).get("Subnet") or "" for raw in listed if not is_bridge(raw)}


def parse_container(raw: Raw) -> LiveContainer:
    """A container of ``GET /containers/{id}/json``. Its state's error stays when it could not be started."""
    state, settings = raw["State"], raw.get("NetworkSettings") or {}
    labels = dict(raw["Config"].get("Labels") or {})
    name = str(raw["Name"]).removeprefix("/")
    networks: Mapping[str, Raw] = settings.get("Networks") or {}
    return LiveContainer(
        id=raw["Id"],
        name=name,
        labels=labels,
        spec=container_of(labels.get(SPEC, ""), key_of(name, labels)),
        image=raw.get("Image") or "",
        state=state.get("Status") or "",
        exit_code=state.get("ExitCode") or 0,
        error=state.get("Error") or "",
        networks={network: place.get("IPAddress") or "" for network, place in networks.items()},
        network_mode=(raw.get("HostConfig") or {}).get("NetworkMode") or "",
        sandbox=settings.get("SandboxKey") or "",
        pid=state.get("Pid") or 0,
    )


def parse_bridge(raw: Raw) -> LiveBridge:
    """A bridge network of ``GET /networks``, with the subnet and gateway that Docker uses."""
    pool, labels = _pool(raw), dict(raw.get("Labels") or {})
    subnet, gateway = pool.get("Subnet") or "", pool.get("Gateway") or ""
    spec = Bridge(key_of(raw["Name"], labels), raw["Name"], subnet=subnet, gateway=gateway, labels=labels)
    return LiveBridge(raw["Id"], spec)


def _pool(raw: Raw) -> Raw:
    return next(iter((raw.get("IPAM") or {}).get("Config") or ()), {})
