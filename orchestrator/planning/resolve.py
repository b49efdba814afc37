"""What shall exist: the objects of all labs, marked as ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from orchestrator.model.image import LabImage
from orchestrator.model.inventory import Inventory
from orchestrator.model.lab import Bridge, ConfigObject, Container, Lab, Network, Service
from orchestrator.model.labels import ownership

Labelled = TypeVar("Labelled", Service, Network, ConfigObject, Bridge, Container)
Running = TypeVar("Running", Service, Container)


@dataclass(frozen=True)
class Wanted:
    """Everything that shall exist, in the order of the lab files.

    Services and containers that use a lab image name its id; ``images`` maps the references of the lab images that
    some of them uses to these images. ``labs`` are the names of the labs, also of those that are empty.
    """

    labs: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    networks: tuple[Network, ...] = ()
    configs: tuple[ConfigObject, ...] = ()
    bridges: tuple[Bridge, ...] = ()
    containers: tuple[Container, ...] = ()
    images: dict[str, LabImage] = field(default_factory=dict)


def wanted(inventory: Inventory, labs: Sequence[Lab], images: Mapping[str, LabImage]) -> Wanted:
    """The objects of ``labs`` with the labels that mark them as made for this inventory.

    ``images`` are the lab images there are, by reference. External networks keep their labels: they are not ours.
    """
    used = used_images(labs)
    return Wanted(
        labs=tuple(lab.name for lab in labs),
        services=tuple(
            _by_id(_marked_service(service, inventory.name, lab.name), images)
            for lab in labs
            for service in lab.services
        ),
        networks=tuple(
            network if network.external else _marked(network, inventory.name, lab.name)
            for lab in labs
            for network in lab.networks
        ),
        configs=tuple(_marked(config, inventory.name, lab.name) for lab in labs for config in lab.configs),
        bridges=tuple(_marked(bridge, inventory.name, lab.name) for lab in labs for bridge in lab.bridges),
        containers=tuple(
            _by_id(_marked(container, inventory.name, lab.name), images) for lab in labs for container in lab.containers
        ),
        images={reference: image for reference, image in images.items() if reference in used},
    )


def used_images(labs: Sequence[Lab]) -> set[str]:
    """The references of all images that services and plain containers of these labs use."""
    of_services = {service.image for lab in labs for service in lab.services}
    return of_services | {container.image for lab in labs for container in lab.containers}


def _marked(thing: Labelled, cluster: str, lab: str) -> Labelled:
    return replace(thing, labels={**thing.labels, **ownership(cluster, lab)})


def _marked_service(service: Service, cluster: str, lab: str) -> Service:
    """A service whose tasks' containers are marked, too: by that we know them where no swarm tells of them any more."""
    marked = _marked(service, cluster, lab)
    return replace(marked, container_labels={**service.container_labels, **ownership(cluster, lab)})


def _by_id(user: Running, images: Mapping[str, LabImage]) -> Running:
    """A service or container with its image named by id, which no engine ever tries to pull."""
    image = images.get(user.image)
    return user if image is None else replace(user, image=image.id)
