"""Plain containers and local networks in memory, which each engine keeps for itself: part of the fake swarm."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

from orchestrator.transport.fakeobjects import ApiError, Call, FakeEngine, FakeObjects, Raw, task_labels

CLASH = "driver failed programming external connectivity on endpoint {}: Bind for 0.0.0.0:{} failed: {}"
ATTACHED_LATE = (
    "attaching to network failed, make sure your network options are correct and check manager logs: "
    "context deadline exceeded"
)
NO_PROGRAM = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
    'unable to start container process: exec: "{}": executable file not found in $PATH: unknown'
)


class FakeContainers(FakeObjects):
    """What ``docker run`` and ``docker network create --driver bridge`` make on one node."""

    def container(self, engine: str, name: str) -> Raw:
        """The plain container of that name as ``docker inspect`` shows it; raises ``KeyError``."""
        return self.engines[engine].containers[name]

    # -- containers

    def _containers(self, call: Call) -> list[Raw]:
        """Running ones, with ``all`` also the others; those of tasks with the label that tells the task."""
        tasks = [
            {
                "Id": task["Status"]["ContainerStatus"]["ContainerID"],
                "Names": [f"/task.{task['ID']}"],
                "Labels": task_labels(task),
                "State": "running",
            }
            for task in self.tasks.values()
            if task["NodeID"] == call.engine.node_id and task["Status"]["State"] == "running"
        ]
        plain = [
            {
                "Id": raw["Id"],
                "Names": [raw["Name"]],
                "Labels": raw["Config"]["Labels"],
                "State": raw["State"]["Status"],
            }
            for raw in call.engine.containers.values()
        ]
        everything = call.query.get("all", "0") in {"1", "true", "True"}
        return [raw for raw in (*tasks, *plain) if everything or raw["State"] == "running"]

    def _inspect_container(self, call: Call, identity: str) -> Raw:
        for name, raw in call.engine.containers.items():
            if identity in {name, raw["Id"]}:
                return raw
        if identity in {raw["Id"] for raw in self._containers(call)}:  # a task's, with the namespace that it has
            return {"Id": identity, "NetworkSettings": {"SandboxKey": f"/var/run/docker/netns/{identity}"}}
        raise ApiError(404, f"No such container: {identity}")

    def _create_container(self, call: Call) -> Raw:
        name, wanted = call.query["name"], call.json
        if name in call.engine.containers:
            raise ApiError(409, f'Conflict. The container name "/{name}" is already in use')
        image = self._image(call, wanted["Image"])["Id"]
        host = wanted.pop("HostConfig")
        call.engine.containers[name] = {
            "Id": self._new({})["ID"],
            "Name": f"/{name}",
            "Image": image,
            "Config": wanted | {"Labels": wanted.get("Labels") or {}},
            "HostConfig": host,
            "State": {"Status": "created", "ExitCode": 0, "Error": "", "Pid": 0},
            "NetworkSettings": {"SandboxKey": "", "Networks": {host["NetworkMode"]: {"IPAddress": ""}}},
        }
        return {"Id": call.engine.containers[name]["Id"], "Warnings": []}

    def _start_container(self, call: Call, identity: str) -> None:
        raw = self._inspect_container(call, identity)
        network = raw["HostConfig"]["NetworkMode"]
        error = "" if self._reaches(call.engine, network) else f"network {network} not found"
        clash = _ports_of(raw) & self._bound(call.engine)
        if call.engine.slow_attachments and network not in call.engine.local:
            call.engine.slow_attachments -= 1
            raise ApiError(500, ATTACHED_LATE)
        program = next(iter(raw["Config"].get("Cmd") or ()), "")
        if program.startswith("-"):
            raw["State"] |= {"ExitCode": 127, "Error": NO_PROGRAM.format(program)}
            raise ApiError(400, NO_PROGRAM.format(program))
        if error or clash:
            message = error or CLASH.format(raw["Name"].strip("/"), min(clash), "port is already allocated")
            raw["State"] |= {"ExitCode": 128, "Error": message}
            raise ApiError(404 if error else 500, message)
        self._count += 1
        address = f"172.17.0.{self._count % 250 + 2}" if network not in {"host", "none"} else ""
        raw["State"] |= {"Status": "running", "Pid": 1000 + self._count}
        raw["NetworkSettings"]["SandboxKey"] = f"/var/run/docker/netns/{self._count:012x}"
        raw["NetworkSettings"]["Networks"][network]["IPAddress"] = address
        if raw["Name"].strip("/") in call.engine.ending:
            self.end(raw, call.engine.ending[raw["Name"].strip("/")])

    @staticmethod
    def end(raw: Raw, code: int = 0) -> None:
        """The container's first process ends."""
        raw["State"] |= {"Status": "exited", "ExitCode": code, "Pid": 0}
        raw["NetworkSettings"]["SandboxKey"] = ""

    def _remove_container(self, call: Call, identity: str) -> None:
        raw = self._inspect_container(call, identity)
        if raw["State"]["Status"] == "running" and call.query.get("force", "").lower() not in {"1", "true"}:
            raise ApiError(409, f"cannot remove container {identity}: container is running")
        del call.engine.containers[raw["Name"].strip("/")]

    def _pull(self, call: Call) -> None:
        reference = f"{call.query['fromImage']}:{call.query['tag']}"
        if reference not in call.engine.registry:
            raise ApiError(404, f"pull access denied for {call.query['fromImage']}, repository does not exist")
        call.engine.images[reference] = call.engine.registry[reference]

    def _reaches(self, engine: FakeEngine, network: str) -> bool:
        overlays = {raw["Name"] for raw in self.networks.values() if raw.get("Attachable")}
        return network in engine.local or (engine.state == "active" and network in overlays)

    def _bound(self, engine: FakeEngine) -> set[str]:
        """Published ports that have a user on this node."""
        running = [raw for raw in engine.containers.values() if raw["State"]["Status"] == "running"]
        return set().union(*map(_ports_of, running))

    # -- local networks

    def _create(self, call: Call, kind: str) -> Raw:
        wanted = call.json
        if kind != "networks" or wanted.get("Driver") != "bridge":
            return super()._create(call, kind)
        local = call.engine.local
        if wanted["Name"] in local:
            raise ApiError(409, f"network with name {wanted['Name']} already exists")
        config = dict(((wanted.get("IPAM") or {}).get("Config") or [{"Subnet": f"172.{len(local) + 20}.0.0/16"}])[0])
        net = ip_network(config["Subnet"])
        if any(net.overlaps(ip_network(subnet)) for subnet in filter(None, map(_subnet_of, local.values()))):
            raise ApiError(403, "invalid pool request: Pool overlaps with other one on this address space")
        config.setdefault("Gateway", str(net[1]))
        raw = {"Id": self._new({})["ID"], "Name": wanted["Name"], "Driver": "bridge", "Scope": "local"}
        local[wanted["Name"]] = raw | {"Labels": wanted.get("Labels") or {}, "IPAM": {"Config": [config]}}
        return {"Id": raw["Id"]}

    def _list(self, call: Call, kind: str) -> list[Raw]:
        found = super()._list(call, kind)
        if kind != "networks":
            return found
        filters = json.loads(call.query.get("filters", "{}"))
        names, scopes = filters.get("name", [""]), filters.get("scope", ["local", "swarm"])
        found += [raw for raw in call.engine.local.values() if any(name in raw["Name"] for name in names)]
        return [raw for raw in found if raw["Scope"] in scopes]

    def _get(self, call: Call, kind: str, identity: str) -> Raw:
        for name, raw in call.engine.local.items() if kind == "networks" else ():
            if identity in {name, raw["Id"]}:
                return raw
        return super()._get(call, kind, identity)

    def _remove(self, call: Call, kind: str, identity: str) -> None:
        raw = self._get(call, kind, identity)
        if kind == "networks":
            engines = [call.engine] if raw["Scope"] == "local" else list(self.engines.values())
            containers = [one for engine in engines for one in engine.containers.values()]
            if any(raw["Name"] in one["NetworkSettings"]["Networks"] and _runs(one) for one in containers):
                raise ApiError(403, f"error while removing network: network {raw['Name']} has active endpoints")
        if raw.get("Scope") == "local":
            del call.engine.local[raw["Name"]]
        else:
            super()._remove(call, kind, identity)


def _runs(raw: Raw) -> bool:
    return bool(raw["State"]["Status"] == "running")


def _ports_of(raw: Raw) -> set[str]:
    bindings: dict[str, Any] = raw["HostConfig"].get("PortBindings") or {}
    return {one["HostPort"] for binding in bindings.values() for one in binding if one["HostPort"]}


def _subnet_of(raw: Raw) -> str:
    return "".join(config["Subnet"] for config in raw["IPAM"]["Config"])
