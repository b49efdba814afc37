"""What shall exist carries our labels and names lab images by id."""

from dataclasses import replace

from orchestrator.model.lab import Network
from orchestrator.model.labels import ownership

from .builders import IMAGES, NGINX, goal, inventory, mesh_lab


def test_every_object_is_marked_and_keeps_its_own_labels():
    lab = mesh_lab(labels={"team": "net"})
    found = goal(inventory(), lab)
    marks = ownership("demo", "ingress-mesh")
    assert found.services[0].labels == {"team": "net", **marks}
    assert found.networks[0].labels == marks
    assert found.configs[0].labels == marks
    assert found.labs == ("ingress-mesh",)


def test_a_lab_file_cannot_pretend_to_be_of_another_cluster():
    forged = mesh_lab(labels=ownership("another", "other"))
    assert goal(inventory(), forged).services[0].labels == ownership("demo", "ingress-mesh")


def test_containers_of_tasks_are_marked_beside_the_labels_that_they_have():
    labelled = mesh_lab(container_labels={"team": "red"} | ownership("another", "other"))
    (service,) = goal(inventory(), labelled).services
    assert service.container_labels == {"team": "red"} | ownership("demo", "ingress-mesh")


def test_external_networks_are_not_marked():
    lab = mesh_lab()
    lab = replace(lab, networks=(Network("out", "shopnet", external=True),))
    assert goal(inventory(), lab).networks[0].labels == {}


def test_lab_images_are_named_by_id_and_others_stay():
    lab = mesh_lab()
    other = replace(lab.services[0], name="ingress-mesh_other", image="registry.example/app:2")
    found = goal(inventory(), replace(lab, services=(*lab.services, other)))
    assert [service.image for service in found.services] == [NGINX.id, "registry.example/app:2"]
    assert found.images == IMAGES


def test_only_images_that_some_service_uses_are_needed():
    assert goal(inventory(), mesh_lab(image="registry.example/app:2")).images == {}
