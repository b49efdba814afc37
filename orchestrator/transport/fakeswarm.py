"""A swarm in memory, for hermetic tests: several engines that answer the Engine API as dockerd would.

It knows as much as this package asks for. State changes go through :meth:`FakeSwarm.handle` like every other
call, and each that succeeded is written down in :attr:`FakeSwarm.changes`, so that a test can say which calls
changed anything. The docker SDK itself runs against it; see :mod:`orchestrator.transport.scripted`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

from orchestrator.transport.fakecontainers import FakeContainers
from orchestrator.transport.fakeobjects import ApiError, Call, FakeEngine, Raw, manages, require_version, task_labels

JOIN_TOKENS = {role: f"SWMTKN-1-{letter * 50}-{letter * 25}" for role, letter in (("Worker", "w"), ("Manager", "m"))}
"""Secrets as engines make them, so that a test can look for them in what was written."""


class FakeSwarm(FakeContainers):
    """Engines by name and, once one was told to make it, the swarm they form."""

    def __init__(self, *names: str, images: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.engines = {
            name: FakeEngine(name, f"192.168.90.{number}", dict(images or {}))
            for number, name in enumerate(names, start=11)
        }
        self._turn = threading.RLock()
        self.changes: list[str] = []
        self.failures: dict[tuple[str, str], list[ApiError]] = {}
        self.swarm: Raw = {}

    def fail(self, engine: str, call: str, status: int, message: str, times: int = 1) -> None:
        """Let the next ``times`` calls of that kind (``POST /networks/create``) fail on that engine."""
        self.failures.setdefault((engine, call), []).extend([ApiError(status, message)] * times)

    def handle(self, engine: str, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        """Answer one request: HTTP status and a body to be encoded as JSON (``None`` for none)."""
        try:
            with self._turn:  # steps are carried out by several threads at once
                answer = self._answer(engine, method, path, query, body)
        except ApiError as error:
            return error.status, {"message": error.message}
        if method != "GET":
            self.changes.append(f"{engine} {method} {path}")
        return 200, answer

    def _answer(self, engine: str, method: str, path: str, query: dict[str, str], body: bytes) -> Any:  # noqa: ANN401
        queued = self.failures.get((engine, f"{method} {path}"))
        if queued:
            raise queued.pop(0)
        for verb, pattern, action in _ROUTES:
            match = re.fullmatch(pattern, path)
            if verb == method and match:
                return getattr(self, action)(Call(self.engines[engine], query, body), *match.groups())
        raise ApiError(404, f"page not found: {method} {path}")

    def kill(self, name: str) -> None:
        """A node is gone: the managers see it down and replace its tasks, whose records stay as they were."""
        self.nodes[self.engines[name].node_id]["Status"]["State"] = "down"
        for service in self.services.values():
            self._reconcile(service)

    # -- the engine itself

    def cut_power(self, name: str) -> None:
        """A node is gone, and its engine is as it will be when it comes back.

        It tries to reach the managers, and the containers of its tasks stand still.
        """
        engine = self.engines[name]
        for task in self.tasks.values():
            if task["NodeID"] == engine.node_id:
                container = f"task.{task['ID']}"
                engine.containers[container] = {
                    "Id": task["Status"]["ContainerStatus"]["ContainerID"],
                    "Name": f"/{container}",
                    "Config": {"Labels": task_labels(task)},
                    "State": {"Status": "exited", "ExitCode": 255, "Error": "", "Pid": 0},
                    "NetworkSettings": {"SandboxKey": "", "Networks": {}},
                }
        engine.state, engine.lost_managers = "pending", [manager.address for manager in self._managers()]
        self.kill(name)

    def _managers(self) -> list[FakeEngine]:
        """The engines of the managers that there are."""
        return [self.engines[raw["Description"]["Hostname"]] for raw in self.nodes.values() if manages(raw)]

    def _version(self, call: Call) -> Raw:  # noqa: ARG002
        return {"Version": "26.1.5", "ApiVersion": "1.45", "MinAPIVersion": "1.24"}

    def _info(self, call: Call) -> Raw:
        engine = call.engine
        swarm: Raw = {"LocalNodeState": engine.state, "NodeID": engine.node_id, "NodeAddr": "", "RemoteManagers": None}
        if engine.state == "pending":
            swarm["RemoteManagers"] = [{"NodeID": "", "Addr": f"{address}:2377"} for address in engine.lost_managers]
        if engine.state == "active":
            swarm["NodeAddr"] = engine.address
            swarm["RemoteManagers"] = [{"NodeID": m.node_id, "Addr": f"{m.address}:2377"} for m in self._managers()]
            swarm["ControlAvailable"] = manages(self.nodes[engine.node_id])
            if swarm["ControlAvailable"]:
                swarm["Cluster"] = {"ID": self.swarm["ID"], "Spec": self.swarm["Spec"]}
        said = {"Name": engine.name, "ServerVersion": "26.1.5", "SystemTime": self.time(), "Swarm": swarm}
        return said | {"DriverStatus": engine.driver_status}

    def _load(self, call: Call) -> Raw:
        """The archive of the fake is text: ``REFERENCE ID``."""
        reference, identity = call.body.decode().split()
        call.engine.images[reference] = identity
        return {"stream": f"Loaded image: {reference}\n"}

    # -- the swarm and its members

    def _init(self, call: Call) -> str:
        if call.engine.state != "inactive":
            raise ApiError(503, "This node is already part of a swarm.")
        wanted = call.json
        self.nodes, self.configs, self.services, self.tasks = {}, {}, {}, {}
        self.swarm = self._new(wanted.get("Spec") or {}) | {"DataPathPort": wanted.get("DataPathPort") or 4789}
        self.swarm["JoinTokens"] = dict(JOIN_TOKENS)
        self.swarm["Request"] = wanted
        ingress = {"Name": "ingress", "Driver": "overlay", "Scope": "swarm", "Ingress": True, "Labels": {}}
        self.networks = {"ingress": ingress | {"Id": "ingress", "IPAM": {"Config": [{"Subnet": "10.0.0.0/24"}]}}}
        return self._enrol(call.engine, "manager")

    def _join(self, call: Call) -> None:
        tokens = {token: role.lower() for role, token in self.swarm.get("JoinTokens", {}).items()}
        role = tokens.get(call.json["JoinToken"])
        if call.engine.state != "inactive":
            raise ApiError(503, "This node is already part of a swarm.")
        if role is None:
            raise ApiError(400, "invalid join token")
        self._enrol(call.engine, role)

    def _enrol(self, engine: FakeEngine, role: str) -> str:
        node = self._new({"Role": role, "Availability": "active", "Labels": {}})
        node["Description"] = {"Hostname": engine.name}
        node["Status"] = {"State": "ready", "Addr": engine.address}
        if role == "manager":
            node["ManagerStatus"] = {"Leader": not self.nodes, "Addr": f"{engine.address}:2377"}
        engine.state, engine.node_id = "active", node["ID"]
        self.nodes[engine.node_id] = node
        return engine.node_id

    def _leave(self, call: Call) -> None:
        if call.engine.state == "inactive":
            raise ApiError(406, "This node is not part of a swarm")
        node = self.nodes.get(call.engine.node_id) or {"Status": {}}
        if manages(node) and call.query.get("force", "").lower() not in {"1", "true"}:
            raise ApiError(503, "You are attempting to leave the swarm on a node that is participating as a manager.")
        call.engine.state, call.engine.node_id = "inactive", ""
        node["Status"]["State"] = "down"
        node.pop("ManagerStatus", None)

    def _inspect_swarm(self, call: Call) -> Raw:
        self._require_manager(call)
        return self.swarm

    def _update_node(self, call: Call, identity: str) -> None:
        node = self._get(call, "nodes", identity)
        require_version(node, call)
        node["Spec"] = call.json
        if node["Spec"]["Role"] == "manager":
            node.setdefault("ManagerStatus", {"Leader": False})
        else:
            node.pop("ManagerStatus", None)
        node["Version"]["Index"] += 1
        for service in self.services.values():
            self._reconcile(service)

    def _remove_node(self, call: Call, identity: str) -> None:
        if manages(self._get(call, "nodes", identity)):
            raise ApiError(400, f"node {identity} is a cluster manager. It must be demoted to worker before removal")
        del self.nodes[identity]


_ROUTES = [
    ("GET", "/version", "_version"),
    ("GET", "/info", "_info"),
    ("GET", "/images/(.+)/json", "_image"),
    ("POST", "/images/load", "_load"),
    ("POST", "/images/create", "_pull"),
    ("GET", "/containers/json", "_containers"),
    ("POST", "/containers/create", "_create_container"),
    ("GET", "/containers/([^/]+)/json", "_inspect_container"),
    ("POST", "/containers/([^/]+)/start", "_start_container"),
    ("DELETE", "/containers/([^/]+)", "_remove_container"),
    ("GET", "/swarm", "_inspect_swarm"),
    ("POST", "/swarm/init", "_init"),
    ("POST", "/swarm/join", "_join"),
    ("POST", "/swarm/leave", "_leave"),
    ("POST", "/nodes/([^/]+)/update", "_update_node"),
    ("DELETE", "/nodes/([^/]+)", "_remove_node"),
    ("POST", "/services/([^/]+)/update", "_update_service"),
    ("POST", "/configs/([^/]+)/update", "_update_config"),
    ("POST", "/(networks|configs|services)/create", "_create"),
    ("DELETE", "/(networks|configs|services)/([^/]+)", "_remove"),
    ("GET", "/(networks|configs|services|nodes|tasks)", "_list"),
    ("GET", "/(networks|configs|services|nodes|tasks)/([^/]+)", "_inspect"),
]
