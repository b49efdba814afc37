"""A swarm in memory that carries out plans as Docker would, and says no where Docker would."""

import ipaddress
import random
from dataclasses import replace
from itertools import count

from orchestrator.model import plan as actions
from orchestrator.model.inventory import Availability, Role
from orchestrator.model.lab import PublishMode, ServiceMode
from orchestrator.model.observed import (
    ClusterView,
    LiveBridge,
    LiveConfig,
    LiveContainer,
    LiveNetwork,
    LiveService,
    LiveTask,
    NodeView,
    SwarmNode,
    SwarmState,
    SwarmView,
)

OTHERS = ("other_containers", "other_networks")
IDS = count(1000)
"""The engine never gives an id twice."""


class Refused(Exception):
    """The engine would refuse this call."""


def carry_out(plan, view, inventory, images, *, steps=None, seed=None):
    """The view after ``plan``, or its first ``steps`` steps; ``seed`` picks another order that ``after`` allows."""
    assert not plan.refusals, plan.refusals
    simulator = Simulator(view, inventory, images)
    for step in _order(plan.steps, seed)[:steps]:
        simulator.do(step)
    return simulator.view()


def _order(steps, seed):
    if seed is None:
        return list(steps)
    chooser, waiting, done, ordered = random.Random(seed), list(steps), set(), []
    while waiting:
        step = chooser.choice([step for step in waiting if set(step.after) <= done])
        waiting.remove(step)
        done.add(step.id)
        ordered.append(step)
    return ordered


class Simulator:
    def __init__(self, view, inventory, images):
        self.inventory, self.images = inventory, images
        self.nodes = {node.name: node for node in view.nodes}
        self.swarm = view.swarm
        self.touched = []
        swarm = view.swarm or SwarmView("", "", {})
        self.members = {member.id: member for member in swarm.nodes}
        self.services = {live.id: live for live in swarm.services}
        self.networks = {live.id: live for live in swarm.networks}
        self.configs = {live.id: live for live in swarm.configs}
        self.tasks = list(swarm.tasks)

    def do(self, step):
        getattr(self, type(step.action).__name__)(step.action)

    def view(self):
        nodes = tuple(self.nodes.values())
        managers = [node for node in nodes if node.reachable and node.is_manager]
        if not managers:
            return ClusterView(nodes)
        swarm = replace(
            self.swarm,
            seen_by=managers[0].name,
            nodes=tuple(self.members.values()),
            services=tuple(self.services.values()),
            networks=tuple(self.networks.values()),
            configs=tuple(self.configs.values()),
            tasks=tuple(self.tasks),
        )
        return ClusterView(nodes, swarm)

    # nodes

    def InitSwarm(self, action):  # noqa: N802
        self._demand(self.swarm is None, "this swarm exists")
        self.swarm = SwarmView(action.node, f"swarm-{next(IDS)}", dict(action.labels))
        self._enter(action.node, Role.MANAGER, action.advertise_addr)

    def JoinSwarm(self, action):  # noqa: N802
        via = self.nodes[action.via]
        self._demand(via.is_manager and action.remote_addr == f"{via.node_addr}:2377", "no manager there")
        self._demand(self._quorum(), "no quorum")
        self._enter(action.node, action.role, action.advertise_addr)

    def _enter(self, name, role, address):
        node = self.nodes[name]
        self._demand(node.reachable and node.swarm is SwarmState.INACTIVE, f"{name} is part of a swarm")
        node_id = f"id-{name}-{next(IDS)}"
        manager = role is Role.MANAGER
        self.nodes[name] = replace(
            node,
            swarm=SwarmState.ACTIVE,
            node_id=node_id,
            node_addr=address,
            is_manager=manager,
            cluster_id=self.swarm.cluster_id if manager else "",
            ingress_address=f"10.0.0.{len(self.members) + 2}",
        )
        self.members[node_id] = SwarmNode(node_id, name, role, Availability.ACTIVE, "ready", address)
        managers = [f"{m.address}:2377" for m in self.members.values() if m.role is Role.MANAGER]
        self.nodes[name] = replace(self.nodes[name], remote_managers=tuple(managers))
        self._schedule()

    def UpdateNode(self, action):  # noqa: N802
        node = self.nodes[action.node]
        member = self.members[node.node_id]
        labels = {k: v for k, v in member.labels.items() if k not in action.remove_labels} | action.labels
        self.members[member.id] = replace(
            member, role=action.role, availability=action.availability, labels=labels, version=member.version + 1
        )
        self._demand(self._quorum(), "losing the quorum")
        manager = action.role is Role.MANAGER
        self.nodes[action.node] = replace(node, is_manager=manager, cluster_id=self.swarm.cluster_id if manager else "")
        self._schedule()

    def LeaveSwarm(self, action):  # noqa: N802
        node = self.nodes[action.node]
        self._demand(node.swarm is not SwarmState.INACTIVE, "not part of a swarm")
        self._demand(action.force or not node.is_manager, "a manager needs force")
        if node.node_id in self.members:
            self.members[node.node_id] = replace(self.members[node.node_id], state="down")
        kept = {name: getattr(node, name) for name in ("images", "plain", "bridges", *OTHERS)}
        self.nodes[action.node] = NodeView(node.name, reachable=True, **kept)

    def RemoveMember(self, action):  # noqa: N802
        self._demand(self.nodes[action.via].is_manager, "not a manager")
        in_use = {node.node_id for node in self.nodes.values() if node.reachable}
        self._demand(action.node_id not in in_use, "that member is alive")
        self._demand(self._quorum(), "no quorum")
        del self.members[action.node_id]
        self._demand(self._quorum(), "losing the quorum")
        self.tasks = [task for task in self.tasks if task.node_id != action.node_id]

    def LoadImage(self, action):  # noqa: N802
        node = self.nodes[action.node]
        loaded = {**node.images, action.reference: self.images[action.reference].id}
        self.nodes[action.node] = replace(node, images=loaded)

    # objects

    def CreateNetwork(self, action):  # noqa: N802
        spec = action.spec
        self._fresh_name(spec.name, self.networks)
        if not spec.subnet:
            spec = replace(spec, subnet=self._free_subnet())
        for live in self.networks.values():
            overlap = ipaddress.ip_network(spec.subnet).overlaps(ipaddress.ip_network(live.spec.subnet))
            self._demand(not overlap, f"{spec.name} overlaps {live.spec.name}")
        spec = replace(spec, key=spec.name, gateway=spec.gateway or spec.subnet.replace("0/24", "1"))
        self._put(self.networks, LiveNetwork, spec)

    def CreateConfig(self, action):  # noqa: N802
        self._fresh_name(action.spec.name, self.configs)
        self._put(self.configs, LiveConfig, replace(action.spec, key=action.spec.name))

    def CreateService(self, action):  # noqa: N802
        self._fresh_name(action.spec.name, self.services)
        self._runnable(action.spec)
        live = LiveService(f"sv-{next(IDS)}", 1, replace(action.spec, key=action.spec.name))
        self.services[live.id] = live
        self._schedule(live.spec.name)

    def UpdateService(self, action):  # noqa: N802
        live = self.services[action.id]
        self.touched.append(live)
        self._demand(live.spec.mode is action.spec.mode, "service mode change is not allowed")
        self._runnable(action.spec)
        spec = replace(action.spec, key=action.spec.name)
        self.services[live.id] = replace(live, version=live.version + 1, spec=spec, unsupported=(), update_state="")
        self._schedule(spec.name)

    def AwaitService(self, action):  # noqa: N802
        self._demand(any(live.spec.name == action.service for live in self.services.values()), "no such service")
        self._schedule()  # without any step of ours: a node that has come back gets its tasks of global services
        self.tasks = [
            replace(task, state="running") if task.service == action.service and task.desired == "running" else task
            for task in self.tasks
        ]

    def RemoveService(self, action):  # noqa: N802
        live = self.services.pop(action.id)
        self.touched.append(live)
        self.tasks = [task for task in self.tasks if task.service != live.spec.name]

    def RemoveNetwork(self, action):  # noqa: N802
        live = self.networks.pop(action.id)
        self.touched.append(live)
        users = [s.spec.name for s in self.services.values() for a in s.spec.networks if a.network == live.spec.name]
        users += [one.name for node in self.nodes.values() for one in node.plain if live.spec.name in one.networks]
        self._demand(not users, f"network {live.spec.name} is in use by {users}")

    def RemoveConfig(self, action):  # noqa: N802
        live = self.configs.pop(action.id)
        self.touched.append(live)
        users = [s.spec.name for s in self.services.values() for m in s.spec.configs if m.config == live.spec.name]
        self._demand(not users, f"config {live.spec.name} is in use by {users}")

    # containers and bridges of single nodes

    def CreateBridge(self, action):  # noqa: N802
        node, spec = self.nodes[action.node], action.spec
        subnet = spec.subnet or f"172.30.{len(node.bridges)}.0/24"
        taken = {live.spec.name: live.spec.subnet for live in node.bridges} | node.other_networks
        self._demand(node.reachable and spec.name not in taken, f"network {spec.name} exists")
        for other in filter(None, taken.values()):
            overlap = ipaddress.ip_network(subnet).overlaps(ipaddress.ip_network(other))
            self._demand(not overlap, "Pool overlaps with other one on this address space")
        live = LiveBridge(f"br-{next(IDS)}", replace(spec, key="", on=(), subnet=subnet))
        self.nodes[action.node] = replace(node, bridges=(*node.bridges, live))

    def RemoveBridge(self, action):  # noqa: N802
        node = self.nodes[action.node]
        (live,) = [live for live in node.bridges if live.id == action.id]
        self.touched.append(live)
        self._demand(not any(live.spec.name in one.networks for one in node.plain), "network has active endpoints")
        self.nodes[action.node] = replace(node, bridges=tuple(one for one in node.bridges if one != live))

    def RunContainer(self, action):  # noqa: N802
        node, spec = self.nodes[action.node], action.spec
        self._demand(spec.name not in node.other_containers, f"container {spec.name} exists")
        there = [live for live in node.plain if live.name == spec.name]
        if there:
            self._demand(spec.ends and there[0].spec == _made_from(spec), f"container {spec.name} exists")
        state, error = ("exited", "") if spec.ends else ("running", "")
        if not there and self._port_taken(node, spec):
            self._demand(spec.ends, f"a port of {spec.name} is taken")
            state, error = "created", "Bind for 0.0.0.0:1 failed: port is already allocated"
        self._demand(self._network_there(node, spec.network), f"there is no network {spec.network}")
        for image in self.images.values():
            ready = spec.image != image.id or node.images.get(image.reference) == image.id
            self._demand(ready, f"{node.name} lacks the image")
        identity = there[0].id if there else f"ct-{next(IDS)}"
        made_from, networks = _made_from(spec), {spec.network: "172.17.0.2"}
        live = LiveContainer(identity, spec.name, spec.labels, made_from, spec.image, state, 0, error, networks)
        self.nodes[action.node] = replace(node, plain=(*(one for one in node.plain if one not in there), live))

    def _port_taken(self, node, spec):
        wanted = {(port.published, port.protocol) for port in spec.ports}
        used = set()
        for live in self.services.values() if node.swarm is SwarmState.ACTIVE else ():
            used |= _published(live.spec)
        return bool(wanted & (used | _bound(node)))

    def _network_there(self, node, name):
        local = {"bridge", "host", "none", *(live.spec.name for live in node.bridges)}
        overlays = {live.spec.name for live in self.networks.values() if live.spec.attachable}
        return name in local or (node.swarm is SwarmState.ACTIVE and name in overlays)

    def RemoveContainer(self, action):  # noqa: N802
        node = self.nodes[action.node]
        (live,) = [live for live in node.plain if live.id == action.id]
        self.touched.append(live)
        self.nodes[action.node] = replace(node, plain=tuple(one for one in node.plain if one != live))

    # what the engine does by itself

    def _schedule(self, changed=""):
        """Tasks for every service, spread over the eligible nodes; those of ``changed`` are made anew.

        New tasks run once somebody has waited for them; of old ones one stays in the list, as Docker keeps some.
        """
        eligible = [m.id for m in self.members.values() if m.state == "ready" and m.availability == "active"]
        tasks = []
        for live in self.services.values():
            spec = live.spec
            old = [task for task in self.tasks if task.service == spec.name]
            good = [t for t in old if t.desired == "running" and t.node_id in eligible and spec.name != changed]
            tasks += [replace(t, state="shutdown", desired="shutdown") for t in old if t not in good][:1]
            if spec.mode is ServiceMode.GLOBAL:
                kept = {task.node_id: task for task in good}
                tasks += [kept.get(node) or self._task(spec.name, 0, node) for node in eligible]
            else:
                kept = {task.slot: task for task in good}
                slots = range(1, spec.replicas + 1) if eligible else ()
                tasks += [kept.get(n) or self._task(spec.name, n, eligible[n % len(eligible)]) for n in slots]
        self.tasks = tasks

    def _task(self, service, slot, node_id):
        return LiveTask(f"tk-{next(IDS)}", service, slot, node_id, "preparing", "running")

    def _runnable(self, spec):
        networks = {live.spec.name for live in self.networks.values()}
        configs = {live.spec.name for live in self.configs.values()}
        self._demand({a.network for a in spec.networks} <= networks, f"network of {spec.name} is missing")
        self._demand({m.config for m in spec.configs} <= configs, f"config of {spec.name} is missing")
        for live in self.services.values():
            taken = _published(live.spec) & _published(spec)
            self._demand(live.spec.name == spec.name or not taken, f"port {taken} is in use by {live.spec.name}")
        for node in self.nodes.values():
            self._demand(not _bound(node) & _published(spec), f"a container has a port of {spec.name}")
        for image in self.images.values():
            for node in self.nodes.values():
                ready = spec.image != image.id or not node.reachable or node.images.get(image.reference) == image.id
                self._demand(ready, f"{node.name} lacks the image")

    def _free_subnet(self):
        taken = {live.spec.subnet for live in self.networks.values()}
        return next(subnet for third in count() if (subnet := f"10.200.{third}.0/24") not in taken)

    def _fresh_name(self, name, things):
        self._demand(name not in {live.spec.name for live in things.values()}, f"{name} exists")

    def _put(self, things, kind, spec):
        live = kind(f"{kind.__name__}-{next(IDS)}", spec)
        things[live.id] = live

    def _quorum(self):
        managers = [m for m in self.members.values() if m.role is Role.MANAGER]
        return sum(m.state == "ready" for m in managers) * 2 > len(managers)

    @staticmethod
    def _demand(holds, message):
        if not holds:
            raise Refused(message)


def _made_from(spec):
    """What a container's label keeps of its specification."""
    return replace(spec, key="", on=(), labels={})


def _bound(node):
    """The ports of a node that its plain containers have."""
    running = [live.spec for live in node.plain if live.state == "running" and live.spec]
    return {(port.published, port.protocol) for spec in running for port in spec.ports}


def _published(spec):
    return {(p.published, p.protocol) for p in spec.ports if p.mode is PublishMode.INGRESS and p.published}


def all_actions():
    """Names of every kind of action, each of which the simulator must know."""
    return [kind.__name__ for kind in actions.Action.__args__]
