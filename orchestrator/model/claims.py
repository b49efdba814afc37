"""What the labs prove about Docker's networks: one sentence for each number that a check's ``claims`` can name."""

from __future__ import annotations

CLAIMS: dict[int, str] = {
    1: "Every engine ships with the networks bridge, none and host; a container goes to bridge unless told otherwise.",
    2: "docker0 is the device of the default bridge, 172.17.0.1/16; containers get addresses 172.17.x.x and reach each "
    "other by them.",
    3: "There is one veth in the bridge for each running container.",
    4: "On the default bridge, a container is reached from outside only by a port that is published.",
    5: "On a user-defined bridge containers reach every port of each other and resolve each other's names; the default "
    "bridge resolves no names.",
    6: "Containers on different bridges are isolated from each other.",
    7: "Bridges on different hosts do not reach each other; overlay networks do.",
    8: "A container on the host network shares the network of its host; it has no veth.",
    9: "A port that is taken on the host network cannot be taken a second time.",
    10: "A container on the network none has nothing but lo: it reaches nobody, and nobody reaches it.",
    11: "The network none cannot be used by a service of a swarm: the engine refuses it.",
    12: "An overlay with a chosen subnet exists, with scope swarm, on every node that runs a task on it.",
    13: "Replicas on different nodes (the option is --replicas) have addresses of the overlay's subnet and reach each "
    "other over VXLAN.",
    14: "`docker run IMAGE --network=none` leaves the container on the default bridge and hands the option to its "
    "program: options stand before the image.",
    15: "Plain containers on one node cannot share a published port; the replicas of a service can, for the ingress "
    "load balancer spreads requests over all of them.",
    16: "Whichever node is asked, a container on any node answers.",
    17: "A node on which no container of the service runs answers too.",
    18: "When a node fails, requests to the others are still answered.",
}
