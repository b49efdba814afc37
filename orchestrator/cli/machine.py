"""``lab ssh``, ``doctor`` and ``image``: this machine and the nodes as machines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import DEFAULT_INVENTORY, InventoryOption, Output, OutputOption
from orchestrator.cli.output import carry_out, reporting
from orchestrator.cli.ssh_command import ssh_argv
from orchestrator.errors import EnvironmentProblem, UsageError

if TYPE_CHECKING:
    from orchestrator.model.doctor import Finding
    from orchestrator.model.image import ImageInfo
    from orchestrator.model.inventory import Inventory, NodeConfig, VmShape
    from orchestrator.runtime.context import Context

image_app = typer.Typer(
    help="Build, list and remove the images from which embedded nodes start.",
    no_args_is_help=True,
    add_completion=False,
)


def ssh(
    node: Annotated[str, typer.Argument(metavar="NODE", help="The node's name in the inventory.")],
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- CMD", help="A command to run there. Default: a shell.")
    ] = None,
    inventory: InventoryOption = DEFAULT_INVENTORY,
) -> None:
    """Log in to a node with the OpenSSH client, or run a command there; passes its exit code on."""
    with reporting(Output.TEXT):
        from orchestrator.providers import make_provider
        from orchestrator.runtime.paths import state_dir
        from orchestrator.transport.openssh import resolve
        from orchestrator.usecases.locate import require_existing

        wanted = require_existing(inventory, os.environ).inventory
        provider = make_provider(wanted, state_dir(wanted.name))
        route = resolve(provider.address(_node(wanted, node)), name=node)
        argv = ssh_argv(route, command or [])
        try:
            os.execvp(argv[0], argv)  # noqa: S606 (the person's own command line)
        except FileNotFoundError:
            raise _no_client() from None


def doctor(output: OutputOption = Output.TEXT) -> None:
    """Say what this machine lacks and how to get it."""
    from orchestrator.cli.presentations import DOCTOR

    def work(context: Context) -> list[Finding]:
        from orchestrator.doctor import examine

        return examine(context)

    carry_out(work, DOCTOR, output)


@image_app.command("build")
def image_build(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build anew what is in the cache.")] = False,
    inventory: InventoryOption = DEFAULT_INVENTORY,
    output: OutputOption = Output.TEXT,
) -> None:
    """Build the images that the inventory's nodes need."""
    from orchestrator.cli.presentations import IMAGES

    def work(context: Context) -> list[ImageInfo]:
        from orchestrator.config.inventory import load_inventory
        from orchestrator.providers.vm.image import build

        shapes = _shapes(load_inventory(inventory, os.environ).value)
        return [build(context, shape, rebuild=rebuild) for shape in shapes]

    carry_out(work, IMAGES, output)


@image_app.command("ls")
def image_ls(output: OutputOption = Output.TEXT) -> None:
    """List the images in the cache."""
    from orchestrator.cli.presentations import IMAGES

    def work(_context: Context) -> list[ImageInfo]:
        from orchestrator.providers.vm.image import list_images

        return list_images()

    carry_out(work, IMAGES, output)


@image_app.command("rm")
def image_rm(output: OutputOption = Output.TEXT) -> None:
    """Remove all images from the cache; `lab up` builds them anew."""
    from orchestrator.cli.presentations import IMAGES_REMOVED

    def work(context: Context) -> list[str]:
        from orchestrator.providers.vm.image import remove_images

        return remove_images(context)

    carry_out(work, IMAGES_REMOVED, output)


def _shapes(inventory: Inventory) -> list[VmShape]:
    """The distinct shapes of the embedded nodes; raises ``UsageError`` where there are none."""
    shapes = list(dict.fromkeys(node.vm for node in inventory.nodes if node.vm is not None))
    if not shapes:
        raise UsageError(
            f"{inventory.path} has no embedded nodes, so it needs no node image",
            hint="choose another inventory with --inventory",
        )
    return shapes


def _node(inventory: Inventory, name: str) -> NodeConfig:
    try:
        return inventory.node(name)
    except KeyError:
        known = ", ".join(node.name for node in inventory.nodes)
        raise UsageError(f"there is no node {name!r}", hint=f"the nodes are {known}") from None


def _no_client() -> EnvironmentProblem:
    return EnvironmentProblem("the OpenSSH client `ssh` is not installed", hint="apt install openssh-client")
