"""Which function carries out which kind of step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.apply import containers, converge, images, members, objects
from orchestrator.apply.site import Job
from orchestrator.model import plan

_STEPS: dict[type[plan.Action], Callable[[Job, Any], bool]] = {
    plan.InitSwarm: members.init_swarm,
    plan.JoinSwarm: members.join_swarm,
    plan.UpdateNode: members.update_node,
    plan.LoadImage: images.load_image,
    plan.LeaveSwarm: members.leave_swarm,
    plan.RemoveMember: members.remove_member,
    plan.CreateNetwork: objects.create_network,
    plan.CreateConfig: objects.create_config,
    plan.CreateService: objects.create_service,
    plan.UpdateService: objects.update_service,
    plan.RemoveService: objects.remove_service,
    plan.RemoveNetwork: objects.remove_network,
    plan.RemoveConfig: objects.remove_config,
    plan.AwaitService: converge.await_service,
    plan.CreateBridge: containers.create_bridge,
    plan.RemoveBridge: containers.remove_bridge,
    plan.RunContainer: containers.run_container,
    plan.RemoveContainer: containers.remove_container,
}


def carry_out(job: Job, action: plan.Action) -> bool:
    """Carry out one action; whether it changed anything. Raises ``NodeError`` or ``RefusedError``."""
    return _STEPS[type(action)](job, action)
