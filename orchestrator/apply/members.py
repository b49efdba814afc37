"""Steps that concern members: making a swarm, joining, changing and leaving it.

Each looks again just before it changes anything, and returns whether it did.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docker.errors import APIError

from orchestrator.apply.containers import remove_task_containers
from orchestrator.apply.site import Job, Manager, Raw
from orchestrator.errors import NodeError, RefusedError
from orchestrator.model.inventory import Role
from orchestrator.model.labels import CLUSTER
from orchestrator.model.plan import InitSwarm, JoinSwarm, LeaveSwarm, RemoveMember, UpdateNode
from orchestrator.runtime.retry import NotYet, on_conflict, until, while_busy
from orchestrator.transport.engine_errors import engine_errors, out_of_sequence

MEMBER_SECONDS = 60.0
"""How long a node may take to become, or stop being, what it was told to be."""

JOIN_AGAIN_SECONDS = 20.0
"""How long joining is tried again while the managers are busy with one another."""

_SWARM_PORT = 2377
_JOIN_AGAIN = ("unavailable", "no leader", "not the leader", "raft", "deadline exceeded")


def init_swarm(job: Job, action: InitSwarm) -> bool:
    """``docker swarm init``. Raises ``RefusedError`` where the node already belongs to a swarm that is not ours."""
    swarm = job.site.info(action.node)
    state = swarm["LocalNodeState"]
    if state == "active" and _labels(swarm).get(CLUSTER) == action.labels.get(CLUSTER):
        return False
    if state != "inactive":
        raise _foreign(action.node, state)
    engine = job.site.host(action.node).engine()
    pools = list(action.options.default_addr_pool)
    try:
        with engine_errors(action.node, "swarm init"):
            engine.init_swarm(
                advertise_addr=action.advertise_addr,
                data_path_addr=action.data_path_addr or None,
                data_path_port=action.options.data_path_port,
                default_addr_pool=pools or None,
                subnet_size=action.options.subnet_size if pools else None,
                swarm_spec=engine.create_swarm_spec(labels=dict(action.labels)),
            )
    except NodeError:
        # An engine starts one swarm only, whoever asks at the same time: the lease tells which of two goes on.
        if _labels(job.site.info(action.node)).get(CLUSTER) == action.labels.get(CLUSTER):
            return False
        raise
    return True


def _labels(swarm: Raw) -> Mapping[str, str]:
    return ((swarm.get("Cluster") or {}).get("Spec") or {}).get("Labels") or {}


def _foreign(node: str, state: str) -> RefusedError:
    return RefusedError(
        f"the node is already part of a swarm that is not ours (its state is {state})",
        node=node,
        hint="if nothing needs that swarm, leave it by hand: docker swarm leave --force",
    )


def join_swarm(job: Job, action: JoinSwarm) -> bool:
    """``docker swarm join``, then wait until the managers see the node ready.

    The token lives only in this function. Raises ``RefusedError`` where the node is in another swarm.
    """
    manager = job.site.manager(action.via)
    swarm = job.site.info(action.node)
    if swarm["LocalNodeState"] == "active":
        if _state_of(manager, swarm["NodeID"]) == "absent":
            raise _foreign(action.node, "active")
        _await_ready(job, action.node)
        return False
    if swarm["LocalNodeState"] != "inactive":
        raise _foreign(action.node, swarm["LocalNodeState"])
    token = manager.swarm["JoinTokens"][action.role.value.capitalize()]
    _join(job, action, _remote(job, action, manager), token)
    _await_ready(job, action.node)
    return True


def _remote(job: Job, action: JoinSwarm, manager: Manager) -> str:
    """The address to join at: the planned one, or what the manager says of itself.

    The latter where the plan could not know it (the inventory names an interface), or where another manager answers
    in place of the planned one. Managers listen on port 2377 (``ListenAddr`` of ``POST /swarm/init``).
    """
    if action.remote_addr and manager.name == action.via:
        return action.remote_addr
    return f"{job.site.info(manager.name)['NodeAddr']}:{_SWARM_PORT}"


def _join(job: Job, action: JoinSwarm, remote: str, token: str) -> None:
    """Ask to join. An engine that goes on trying in the background has not failed yet."""
    engine = job.site.host(action.node).engine()

    def ask() -> None:
        with engine_errors(action.node, f"join the swarm at {remote}"):
            try:
                engine.join_swarm(
                    [remote],
                    token,
                    advertise_addr=action.advertise_addr or None,
                    data_path_addr=action.data_path_addr or None,
                )
            except APIError:
                if job.site.info(action.node)["LocalNodeState"] not in {"pending", "active"}:
                    raise

    def may_pass(error: BaseException) -> bool:
        return any(word in str(error).lower() for word in _JOIN_AGAIN)

    while_busy(job.context, ask, may_pass, deadline=JOIN_AGAIN_SECONDS)


def _state_of(manager: Manager, node_id: str) -> str:
    """Docker's word for a member's state (ready, down, …), ``absent`` for a node that the managers do not list."""
    with engine_errors(manager.name, "list nodes"):
        states = {node["ID"]: str(node["Status"]["State"]) for node in manager.engine.nodes()}
    return states.get(node_id, "absent")


def _await_ready(job: Job, node: str) -> None:
    def look() -> None:
        swarm = job.site.info(node)
        if swarm["LocalNodeState"] == "error":
            raise NodeError(f"joining failed: {swarm.get('Error') or 'the engine does not say why'}", node=node)
        if swarm["LocalNodeState"] != "active":
            raise NotYet(f"its state is {swarm['LocalNodeState']}")
        state = _state_of(job.site.manager(), swarm["NodeID"])
        if state != "ready":
            raise NotYet(f"the managers see it {state}")

    _until(job, look, node, "did not become a ready member of the swarm")


def _until(job: Job, look: Any, node: str, failure: str) -> None:  # noqa: ANN401 (any value is dropped)
    try:
        until(job.context, look, deadline=MEMBER_SECONDS)
    except NotYet as late:
        raise NodeError(
            f"the node {failure} within {MEMBER_SECONDS:.0f} s: {late}",
            node=node,
            kind="timeout",
            hint="check ports 2377/tcp and 7946 (tcp and udp) between the nodes, and `journalctl -u docker` on it",
        ) from late


def _node(manager: Manager, node_id: str) -> Raw:
    """A member as a manager sees it now. Raises ``NodeError``."""
    with engine_errors(manager.name, f"inspect node {node_id}"):
        return dict(manager.engine.inspect_node(node_id))


def update_node(job: Job, action: UpdateNode) -> bool:
    """Give a member its role, availability and labels. Labels that the plan does not name stay as they are."""
    node_id = job.site.info(action.node).get("NodeID")
    if not node_id:
        raise NodeError("the node is not a member of the swarm", node=action.node, hint="run the command again")

    def change() -> bool:
        manager = job.site.manager()
        _require_our_swarm(manager)
        node = _node(manager, node_id)
        wanted: Any = _node_spec(node["Spec"], action)
        if wanted == node["Spec"]:
            return False
        with engine_errors(manager.name, f"update node {action.node}"):
            manager.engine.update_node(node_id, node["Version"]["Index"], wanted)
        return True

    changed = on_conflict(job.context, change, out_of_sequence)
    if changed:
        _await_role(job, action)
    return changed


def _node_spec(spec: Raw, action: UpdateNode) -> Raw:
    kept = {name: value for name, value in (spec.get("Labels") or {}).items() if name not in action.remove_labels}
    return spec | {
        "Role": action.role.value,
        "Availability": action.availability.value,
        "Labels": kept | action.labels,
    }


def _await_role(job: Job, action: UpdateNode) -> None:
    """A node takes on its new role some time after it was told to."""

    def look() -> None:
        if bool(job.site.info(action.node).get("ControlAvailable")) is not (action.role is Role.MANAGER):
            raise NotYet("its engine still has the old role")

    _until(job, look, action.node, f"did not become a {action.role.value}")


def _require_our_swarm(manager: Manager) -> None:
    if not manager.cluster:
        raise RefusedError(
            f"the swarm does not carry our label {CLUSTER}: it is not ours to change",
            node=manager.name,
            hint="look at it on a manager: docker info",
        )


def leave_swarm(job: Job, action: LeaveSwarm) -> bool:
    """``docker swarm leave``, then wait until the engine has left, and remove what it forgets of our tasks."""
    swarm = job.site.info(action.node)
    left = swarm["LocalNodeState"] != "inactive"
    if left:
        _require_member_of_ours(job, action, swarm)
        _leave(job, action)
    return remove_task_containers(job, action.node, action.cluster) or left


def _leave(job: Job, action: LeaveSwarm) -> None:
    engine = job.site.host(action.node).engine()
    with engine_errors(action.node, "swarm leave"):
        engine.leave_swarm(force=action.force)

    def look() -> None:
        state = job.site.info(action.node)["LocalNodeState"]
        if state != "inactive":
            raise NotYet(f"its state is {state}")

    _until(job, look, action.node, "did not leave the swarm")


def _require_member_of_ours(job: Job, action: LeaveSwarm, swarm: Raw) -> None:
    """Only a swarm with our label is left. Where no manager can tell, ``force`` is the plan's word that it is ours."""
    if _labels(swarm).get(CLUSTER):
        return
    if action.former:
        if swarm["NodeID"] != action.former:
            raise _foreign(action.node, swarm["LocalNodeState"])
        return
    try:
        manager = job.site.manager()
    except NodeError:
        if action.force:
            return
        raise
    if not manager.cluster or _state_of(manager, swarm["NodeID"]) == "absent":
        raise RefusedError(
            "the node is in a swarm that is not ours",
            node=action.node,
            hint="if nothing needs that swarm, leave it by hand: docker swarm leave --force",
        )


def remove_member(job: Job, action: RemoveMember) -> bool:
    """``docker node rm --force`` for a member that is down; a manager among them is demoted first."""
    manager = job.site.manager(action.via)
    _require_our_swarm(manager)
    if _state_of(manager, action.node_id) == "absent":
        return False

    def look() -> None:
        if _state_of(manager, action.node_id) == "ready":
            raise NotYet("the managers still see it ready")

    def remove() -> None:
        with engine_errors(manager.name, f"remove node {action.hostname}"):
            manager.engine.remove_node(action.node_id, force=True)

    _until(job, look, action.hostname, "is still in the swarm and did not go down")
    on_conflict(job.context, lambda: _demote(manager, action), out_of_sequence)
    while_busy(job.context, remove, lambda error: "must be demoted" in str(error), deadline=MEMBER_SECONDS)
    return True


def _demote(manager: Manager, action: RemoveMember) -> None:
    node = _node(manager, action.node_id)
    if node["Spec"]["Role"] == Role.MANAGER:
        worker: Any = node["Spec"] | {"Role": Role.WORKER.value}
        with engine_errors(manager.name, f"demote node {action.hostname}"):
            manager.engine.update_node(action.node_id, node["Version"]["Index"], worker)
