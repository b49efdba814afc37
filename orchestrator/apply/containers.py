"""Steps on single nodes: bridges and plain containers.

Each looks again just before it changes anything: what has our name but not our label is left alone, what is already as
wanted is done. Each returns whether it changed something.
"""

# The stubs of the docker SDK leave many of its methods untyped.

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from docker import APIClient
from docker.errors import APIError, NotFound
from docker.utils import parse_repository_tag

from orchestrator.apply.objects import DETACH_SECONDS, in_use
from orchestrator.apply.render import bridge_args, container_args
from orchestrator.apply.site import Job, Site
from orchestrator.errors import NodeError, RefusedError
from orchestrator.model.labels import CLUSTER, owned_by
from orchestrator.model.observed import LiveContainer
from orchestrator.model.plan import CreateBridge, RemoveBridge, RemoveContainer, RunContainer
from orchestrator.observe.containers import parse_bridge, parse_container, task_containers
from orchestrator.observe.look import image_id
from orchestrator.planning.compare import bridge_changes
from orchestrator.planning.containers import amiss, cannot_start, has_ended
from orchestrator.runtime.retry import NotYet, until, while_busy
from orchestrator.transport.engine_errors import engine_errors

START_SECONDS = 180
"""How long the engine may take to start a container.

Its answer comes when the first process runs; attaching to an overlay asks a manager before, and an emulated machine
that starts several at once takes more than the minute that every other call gets.
"""


_ATTACHED_LATE = r"attaching to network failed.*context deadline exceeded|network [0-9a-z]{25} not found"


def create_bridge(job: Job, action: CreateBridge) -> bool:
    """``docker network create --driver bridge``."""
    engine, spec = job.site.host(action.node).engine(), action.spec
    with engine_errors(action.node, f"create network {spec.name}"):
        listed = engine.networks(names=[spec.name], filters={"scope": "local"})
        found = [raw for raw in listed if raw["Name"] == spec.name]
        if not found:
            engine.create_network(**bridge_args(spec))
            return True
    _require_ours(action.node, "network", spec.name, found[0].get("Labels"), spec.labels[CLUSTER])
    if changes := bridge_changes(parse_bridge(found[0]).spec, spec):
        raise _differs(action.node, "network", spec.name, "; ".join(changes))
    return False


def remove_bridge(job: Job, action: RemoveBridge) -> bool:
    """``docker network rm``, trying again while containers detach from it."""
    engine = job.site.host(action.node).engine()

    def remove() -> bool:
        with engine_errors(action.node, f"remove network {action.name}"):
            try:
                labels = engine.inspect_network(action.id).get("Labels")
                _require_ours(action.node, "network", action.name, labels, action.cluster)
                engine.remove_network(action.id)
            except NotFound:
                return False
        return True

    return while_busy(job.context, remove, in_use, deadline=DETACH_SECONDS)


def run_container(job: Job, action: RunContainer) -> bool:
    """``docker run --detach``; one that shall end is waited for.

    One that shall end and can never be started (its port is taken, its command no program) stays as it was created,
    with the engine's words.
    """
    engine, spec = job.site.host(action.node).engine(), action.spec
    with engine_errors(action.node, f"run container {spec.name}"):
        there = _look(engine, spec.name)
        if there is None:
            _create_and_start(job, engine, action)
    if there is not None:
        _require_ours(action.node, "container", spec.name, there.labels, spec.labels[CLUSTER])
        if reason := amiss(there, spec, {}):
            raise _differs(action.node, "container", spec.name, reason)
    if spec.ends:
        _await_end(job, engine, action)
    return there is None


def _look(engine: APIClient, name: str) -> LiveContainer | None:
    """The container as it is now; ``None`` where there is none."""
    try:
        return parse_container(engine.inspect_container(name))
    except NotFound:
        return None


def _create_and_start(job: Job, engine: APIClient, action: RunContainer) -> None:
    spec, image = action.spec, job.site.image(action.spec.image)
    if not image_id(engine, image) and not image.startswith("sha256:"):
        job.progress(f"the engine pulls {image}")
        repository, tag = parse_repository_tag(image)
        # A pull that breaks off is told by the call that follows: no such image. No credential of ours leaves here.
        engine.pull(repository, tag or "latest", auth_config={})
    engine.create_container(**container_args(spec, image))
    usual, engine.timeout = engine.timeout, START_SECONDS  # the client is this thread's own
    try:
        late = partial(_attached_too_late, job.site, spec.network)
        while_busy(job.context, lambda: engine.start(spec.name), late, deadline=START_SECONDS)
    except APIError:
        left = _look(engine, spec.name)
        if not (spec.ends and left and cannot_start(left.error)):
            raise
    finally:
        engine.timeout = usual


def _attached_too_late(site: Site, network: str, error: BaseException) -> bool:
    """Whether the swarm did not attach an overlay within the engine's 20 s: a busy node does the next time.

    An engine that has given up has forgotten the network by then, and calls it by its id, as it knew it before. That of
    Docker 20.10 calls it by its name, as one that does not exist anywhere; then a manager is asked.
    """
    if not isinstance(error, APIError):
        return False
    if re.search(_ATTACHED_LATE, str(error)):
        return True
    return f"network {network} not found" in str(error) and _in_swarm(site, network)


def _in_swarm(site: Site, network: str) -> bool:
    """Whether the swarm has a network of that name."""
    try:
        site.manager().engine.inspect_network(network)
    except (NotFound, NodeError):
        return False
    return True


def _await_end(job: Job, engine: APIClient, action: RunContainer) -> None:
    name, deadline = action.spec.name, job.site.converge_seconds

    def look() -> None:
        with engine_errors(action.node, f"look at container {name}"):
            live = parse_container(engine.inspect_container(name))
        if not has_ended(live):
            raise NotYet(f"its state is {live.state}")

    try:
        until(job.context, look, deadline=deadline)
    except NotYet as late:
        raise NodeError(
            f"container {name} shall end and has not within {deadline:.0f} s: {late}",
            node=action.node,
            kind="timeout",
            hint=f"see what it does: docker logs {name}; if it shall go on, take `ends` out of the lab file",
        ) from late


def remove_container(job: Job, action: RemoveContainer) -> bool:
    """``docker rm --force --volumes``."""
    engine = job.site.host(action.node).engine()

    def remove() -> bool:
        with engine_errors(action.node, f"remove container {action.name}"):
            try:
                labels = engine.inspect_container(action.id)["Config"].get("Labels")
                _require_ours(action.node, "container", action.name, labels, action.cluster)
                engine.remove_container(action.id, v=True, force=True)
            except NotFound:
                return False
        return True

    return while_busy(job.context, remove, _already_going, deadline=DETACH_SECONDS)


def remove_task_containers(job: Job, node: str, cluster: str) -> bool:
    """Remove what an engine that has left the swarm keeps of our tasks; whether there was anything.

    Leaving removes running containers only (moby, ``daemon/cluster/swarm.go``: ``Leave`` lists them without ``All``),
    so those stay that have ended, or that a power cut has stopped.
    """
    with engine_errors(node, "list containers"):
        listed = job.site.host(node).engine().containers(all=True)
    left = [found for found in task_containers(listed) if owned_by(found.labels, cluster)]
    removed = [remove_container(job, RemoveContainer(node, found.id, found.name, cluster)) for found in left]
    return any(removed)


def _already_going(error: BaseException) -> bool:
    return isinstance(error, NodeError) and "is already in progress" in error.message


def _require_ours(node: str, kind: str, name: str, labels: Mapping[str, str] | None, cluster: str) -> None:
    if not owned_by(dict(labels or {}), cluster):
        raise RefusedError(
            f"a {kind} named {name} does not carry our label {CLUSTER}={cluster}: it is not ours to change",
            node=node,
            hint=f"look at it there: docker {kind} inspect {name}",
        )


def _differs(node: str, kind: str, name: str, reason: str) -> NodeError:
    return NodeError(
        f"a {kind} named {name} appeared meanwhile and is not the wanted one: {reason}",
        node=node,
        hint="somebody else works on the same lab; run the command again",
    )
