"""What is really there: ask the engines, and put their answers into the model's words."""

from orchestrator.observe.look import observe, observe_node, observe_swarm

__all__ = ["observe", "observe_node", "observe_swarm"]
