"""The objects of a swarm in memory and their scheduler: the base of the fake swarm for hermetic tests."""

from __future__ import annotations

import base64
import copy
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

from orchestrator.model.lab import PREDEFINED_NETWORKS

Raw = dict[str, Any]

# Fields that Go's encoder leaves out when they are zero, while Docker means "not set" by that.
_FILLED_IN: Raw = {"Runtime": "container", "Resources": {"Limits": {}, "Reservations": {}}}
_MAPS = {"Labels", "Options"}
_OMITTED_WHEN_ZERO = {"Interval", "Timeout", "Retries", "StartPeriod", "PublishedPort", "MaxReplicas"}


def _predefined(name: str) -> Raw:
    """A network that every engine has; ``none`` has the driver ``null``."""
    ipam = {"Config": [{"Subnet": "172.17.0.0/16"}] if name == "bridge" else []}
    driver = "null" if name == "none" else name
    return {"Id": f"id-{name}", "Name": name, "Driver": driver, "Scope": "local", "Labels": {}, "IPAM": ipam}


class ApiError(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass
class FakeEngine:
    """One node's engine. ``images`` maps references to ids; ``task_state`` is how new tasks come up here.

    ``containers`` are the plain ones and ``local`` the networks of this engine alone, by name. ``ending`` maps names of
    containers that end at once to their exit codes, ``registry`` references that can be pulled to ids.
    ``lost_managers`` are the addresses of managers that an engine knows which came up without any of them.
    ``slow_attachments`` is how often attaching a container to an overlay takes too long. ``driver_status`` is what the
    engine says of where it keeps images.
    """

    name: str
    address: str
    images: dict[str, str] = field(default_factory=dict)
    state: str = "inactive"
    node_id: str = ""
    task_state: str = "running"
    containers: dict[str, Raw] = field(default_factory=dict)
    local: dict[str, Raw] = field(default_factory=lambda: {name: _predefined(name) for name in PREDEFINED_NETWORKS})
    ending: dict[str, int] = field(default_factory=dict)
    lost_managers: list[str] = field(default_factory=list)
    slow_attachments: int = 0
    registry: dict[str, str] = field(default_factory=dict)
    driver_status: list[list[str]] = field(default_factory=list)


@dataclass
class Call:
    """One request to one engine."""

    engine: FakeEngine
    query: dict[str, str]
    body: bytes

    @property
    def json(self) -> Raw:
        """The body, decoded."""
        return json.loads(self.body or b"{}")  # type: ignore[no-any-return]


def as_engine_returns(spec: Any) -> Any:  # noqa: ANN401 (any JSON)
    """A specification as it comes back from the engine: Go leaves empty fields out (not empty entries of maps)."""
    if isinstance(spec, list):
        return [as_engine_returns(item) for item in spec]
    if not isinstance(spec, dict):
        return spec
    kept = {key: value if key in _MAPS else as_engine_returns(value) for key, value in spec.items()}
    return {key: value for key, value in kept.items() if not _left_out(key, value)}


def _left_out(key: str, value: Any) -> bool:  # noqa: ANN401 (any JSON)
    return value in (None, "", []) or (value == 0 and key in _OMITTED_WHEN_ZERO)


class FakeObjects:
    """Nodes, networks, configs, services and tasks, as the managers keep them.

    All their clocks show :attr:`clock`, which goes on only when it is told to. While :attr:`lingering`, the tasks of a
    removed service stay until :meth:`reap`, as they do on real nodes.
    """

    def __init__(self) -> None:
        self.engines: dict[str, FakeEngine] = {}
        self.lingering = False
        self.clock = datetime(2024, 5, 1, 12, tzinfo=UTC)
        self.nodes: dict[str, Raw] = {}
        self.networks: dict[str, Raw] = {}
        self.configs: dict[str, Raw] = {}
        self.services: dict[str, Raw] = {}
        self.tasks: dict[str, Raw] = {}
        self._count = 0

    def named(self, kind: str, name: str) -> Raw:
        """The object of that name in ``networks``, ``configs`` or ``services``; raises ``KeyError``."""
        for raw in getattr(self, kind).values():
            if name_of(raw) == name:
                return raw  # type: ignore[no-any-return]
        raise KeyError(name)

    def reap(self) -> None:
        """The tasks of removed services are gone."""
        self.tasks = {number: task for number, task in self.tasks.items() if task["ServiceID"] in self.services}

    def settle(self, state: str = "running", error: str = "") -> None:
        """Move every task that is on its way to ``state``."""
        for task in self.tasks.values():
            if task["DesiredState"] == "running" and task["Status"]["State"] not in {"running", "rejected", "failed"}:
                task["Status"].update({"State": state} | ({"Err": error} if error else {}))

    def _require_manager(self, call: Call) -> None:
        if call.engine.state != "active" or not manages(self.nodes[call.engine.node_id]):
            raise ApiError(503, "This node is not a swarm manager. Use a manager to view or modify cluster state.")

    def _list(self, call: Call, kind: str) -> list[Raw]:
        if kind != "networks":
            self._require_manager(call)
        objects = list(getattr(self, kind).values())
        filters = json.loads(call.query.get("filters", "{}"))
        if "name" in filters:  # as Docker does it: every name that contains the wanted one
            objects = [raw for raw in objects if any(name in name_of(raw) for name in filters["name"])]
        if "service" in filters:
            wanted = {self._get(call, "services", name)["ID"] for name in filters["service"]}
            objects = [raw for raw in objects if raw["ServiceID"] in wanted]
        return objects

    def _inspect(self, call: Call, kind: str, identity: str) -> Raw:
        if kind == "networks" and identity == "ingress" and call.engine.state == "active":
            address = "10.0.0." + call.engine.address.rsplit(".", 1)[1]
            sandbox = {"ingress-sbox": {"Name": "ingress-endpoint", "IPv4Address": f"{address}/24"}}
            return self.networks["ingress"] | {"Containers": sandbox}
        return self._get(call, kind, identity)

    def _get(self, call: Call, kind: str, identity: str) -> Raw:
        if kind != "networks":
            self._require_manager(call)
        for raw in getattr(self, kind).values():
            if identity in {raw.get("ID"), raw.get("Id"), raw.get("Name"), raw.get("Spec", {}).get("Name")}:
                return raw  # type: ignore[no-any-return]
        raise ApiError(404, f"{kind.removesuffix('s')} {identity} not found")

    def _create(self, call: Call, kind: str) -> Raw:
        self._require_manager(call)
        spec = as_engine_returns(call.json)
        if any(spec["Name"] == name_of(raw) for raw in getattr(self, kind).values()):
            raise ApiError(409, f"name conflicts with an existing object: {spec['Name']} already exists")
        raw = getattr(self, f"_new_{kind.removesuffix('s')}")(spec)
        getattr(self, kind)[raw.get("ID") or raw["Id"]] = raw
        if kind == "services":
            raw["Endpoint"] = self._endpoint(raw)
            self._reconcile(raw)
        return {"ID": raw.get("ID"), "Id": raw.get("Id")}

    def _new_network(self, spec: Raw) -> Raw:
        config = dict(((spec.get("IPAM") or {}).get("Config") or [{}])[0])
        config.setdefault("Subnet", f"10.0.{len(self.networks)}.0/24")
        config.setdefault("Gateway", str(next(ip_network(config["Subnet"]).hosts())))
        identity = self._new({})["ID"]
        options = {"com.docker.network.driver.overlay.vxlanid_list": "4097", **(spec.get("Options") or {})}
        return spec | {"Id": identity, "Scope": "swarm", "Options": options, "IPAM": {"Config": [config]}}

    def _new_config(self, spec: Raw) -> Raw:
        if not base64.b64decode(spec.get("Data", ""), validate=True):
            raise ApiError(400, "config data must be larger than 0 and less than 1024000 bytes")
        return self._new(spec) | {"CreatedAt": self.time(), "UpdatedAt": self.time()}

    def _update_config(self, call: Call, identity: str) -> None:
        config = self._get(call, "configs", identity)
        require_version(config, call)
        if {**call.json, "Labels": {}} != {**config["Spec"], "Labels": {}}:
            raise ApiError(400, "only updates to Labels are allowed")
        config["Spec"], config["UpdatedAt"] = call.json, self.time()
        config["Version"]["Index"] += 1

    def time(self) -> str:
        """What the engines' clocks show, as the API writes it: with nanoseconds."""
        return f"{self.clock:%Y-%m-%dT%H:%M:%S}.000000001Z"

    def _new_service(self, spec: Raw) -> Raw:
        return self._new(self._filled_in(spec))

    def _filled_in(self, spec: Raw) -> Raw:
        """A service's specification with what dockerd adds to it."""
        template = spec["TaskTemplate"]
        template |= {"ForceUpdate": template.get("ForceUpdate", 0)} | _FILLED_IN
        template["ContainerSpec"] |= {"Isolation": "default", "DNSConfig": {}}
        for attachment in template.get("Networks", []):
            attachment["Target"] = self._network_id(attachment["Target"])
        return spec

    def _image(self, call: Call, name: str) -> Raw:
        images = call.engine.images
        identity = images.get(name) or images.get(f"{name}:latest") or (name if name in images.values() else "")
        if not identity:
            raise ApiError(404, f"No such image: {name}")
        return {"Id": identity, "RepoTags": [tag for tag, value in images.items() if value == identity]}

    @staticmethod
    def _endpoint(service: Raw) -> Raw:
        """The service's virtual addresses, one for each of its networks."""
        if (service["Spec"].get("EndpointSpec") or {}).get("Mode") == "dnsrr":
            return {}
        address = f"10.0.9.{100 + int(service['ID'].removeprefix('id')) % 100}/24"
        return {"VirtualIPs": [{"NetworkID": network, "Addr": address} for network in _networks_of(service)]}

    def _network_id(self, target: str) -> str:
        for identity, raw in self.networks.items():
            if target in {identity, raw["Name"]}:
                return identity
        raise ApiError(404, f"network {target} not found")

    def _update_service(self, call: Call, identity: str) -> Raw:
        service = self._get(call, "services", identity)
        require_version(service, call)
        service["PreviousSpec"], service["Spec"] = service["Spec"], self._filled_in(as_engine_returns(call.json))
        service["Version"]["Index"] += 1
        service["Endpoint"] = self._endpoint(service)
        service.pop("UpdateStatus", None)  # a new update begins
        self._reconcile(service)
        return {"Warnings": None}

    def _remove(self, call: Call, kind: str, identity: str) -> None:
        raw = self._get(call, kind, identity)
        key = raw.get("ID") or raw["Id"]
        users = [*self.services.values(), *self.tasks.values()]
        if kind == "networks" and any(key in _networks_of(user) for user in users):
            raise ApiError(412, f"rpc error: code = FailedPrecondition desc = network {key} is in use by task x")
        del getattr(self, kind)[key]
        if not self.lingering:
            self.reap()

    # -- the scheduler

    def _reconcile(self, service: Raw) -> None:
        """Make the tasks that the service wants, shut down those it does not.

        Nodes take turns in the order of their names, whatever the order in which they joined.
        """
        up = sorted(filter(_schedulable, self.nodes.values()), key=lambda node: node["Description"]["Hostname"])
        mode = service["Spec"]["Mode"]
        slots = range(1, mode["Replicated"]["Replicas"] + 1) if "Replicated" in mode else range(len(up))
        keep: dict[int, str] = {}
        for task in self.tasks.values():
            if task["ServiceID"] == service["ID"] and task["DesiredState"] == "running":
                current = task["Spec"] == _as_of_task(service["Spec"]["TaskTemplate"])
                if task["Slot"] in slots and current and _schedulable(self.nodes[task["NodeID"]]):
                    keep[task["Slot"]] = task["ID"]
                else:
                    self._shut_down(task)
        for slot in slots:
            if slot not in keep and up:
                self._start(service, slot, up[slot % len(up)])

    def _shut_down(self, task: Raw) -> None:
        task["DesiredState"] = "shutdown"
        if self.nodes[task["NodeID"]]["Status"]["State"] == "ready":
            task["Status"]["State"] = "shutdown"

    def _start(self, service: Raw, slot: int, node: Raw) -> None:
        engine = self.engines[node["Description"]["Hostname"]]
        task = self._new(_as_of_task(service["Spec"]["TaskTemplate"]))
        image = task["Spec"]["ContainerSpec"]["Image"]
        status: Raw = {"State": engine.task_state, "ContainerStatus": {"ContainerID": f"container-{task['ID']}"}}
        if image not in {*engine.images, *engine.images.values()}:
            status = {"State": "rejected", "Err": f"No such image: {image}"}
        networks = [{"Network": {"Spec": {"Name": self.networks[n]["Name"]}}, "Addresses": [f"10.0.9.{self._count}/24"]}
                    for n in _networks_of(service)]  # fmt: skip
        task |= {"ServiceID": service["ID"], "Slot": slot, "NodeID": node["ID"], "DesiredState": "running"}
        task |= {"Status": status, "NetworksAttachments": networks}
        self.tasks[task["ID"]] = task

    def _new(self, spec: Raw) -> Raw:
        self._count += 1
        return {"ID": f"id{self._count:023d}", "Version": {"Index": self._count}, "Spec": spec}


def name_of(raw: Raw) -> str:
    """The name of an object: networks have it at the top, all others in their specification."""
    return str(raw.get("Name", raw.get("Spec", {}).get("Name")))


def _as_of_task(template: Raw) -> Raw:
    """A service's template as its tasks carry it: without what the engine fills into the service's answer."""
    spec = {key: value for key, value in copy.deepcopy(template).items() if key not in _FILLED_IN}
    spec["ContainerSpec"].pop("DNSConfig", None)
    return spec


def task_labels(task: Raw) -> Raw:
    """The labels of a task's container: those of its specification, and Docker's own, which tells the task."""
    return {**task["Spec"]["ContainerSpec"].get("Labels", {}), "com.docker.swarm.task.id": task["ID"]}


def manages(node: Raw) -> bool:
    """Whether a member is a manager."""
    return "ManagerStatus" in node


def _schedulable(node: Raw) -> bool:
    return bool(node["Status"]["State"] == "ready" and node["Spec"]["Availability"] == "active")


def _networks_of(user: Raw) -> list[str]:
    """The ids of the networks of a service or task."""
    template = user["Spec"].get("TaskTemplate", user["Spec"])
    return [attachment["Target"] for attachment in template.get("Networks", [])]


def require_version(raw: Raw, call: Call) -> None:
    """Raise ``ApiError`` unless the call names the object's present version."""
    if int(call.query["version"]) != raw["Version"]["Index"]:
        raise ApiError(500, "rpc error: code = Unknown desc = update out of sequence")
