"""What holds for a node when its own settings and the file's ``defaults`` are put together."""

from __future__ import annotations

from typing import TypeVar

from orchestrator.config.inventory_schema import Node, NodeSettings, Ssh, Vm

FIRST_HOST = 11
"""Host number on the cluster LAN of the first ``vm`` node; the others follow."""

Part = TypeVar("Part", Ssh, Vm)


def effective(defaults: NodeSettings, node: Node) -> Node:
    """The node with the defaults filled in; labels, ssh and vm are merged key by key."""
    return node.model_copy(
        update={
            "labels": defaults.labels | node.labels,
            "availability": node.availability or defaults.availability,
            "advertise_addr": node.advertise_addr or defaults.advertise_addr,
            "data_path_addr": node.data_path_addr or defaults.data_path_addr,
            "ssh": _merged(defaults.ssh, node.ssh),
            "vm": _merged(defaults.vm, node.vm),
        }
    )


def _merged(default: Part | None, own: Part | None) -> Part | None:
    if default is None or own is None:
        return own or default
    return default.model_copy(update=own.model_dump(exclude_none=True))
