"""The part of the Compose format that labs may use. Descriptions go into the published JSON Schema.

The format is that of ``docker stack deploy`` (schema 3.13), with ``name``, a config's ``content`` and a
network's ``gateway`` from the Compose Specification.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, Tag

from orchestrator.checks.kinds import AnyCheck
from orchestrator.config import compose_keys
from orchestrator.config.compose_types import (
    Capability,
    CommandLine,
    ComposeModel,
    Constraint,
    HealthTest,
    Image,
    Pairs,
    PortNumber,
    ShortPort,
    either,
)
from orchestrator.config.fields import Address, Duration, Line, Network, PositiveDuration, Text, checked
from orchestrator.config.hints import shown
from orchestrator.config.validation import Form, StrictModel
from orchestrator.config.x_lab_schema import LabBridge, LabContainer
from orchestrator.model.lab import EndpointMode, Protocol, PublishMode, ServiceMode


def _overlay(value: str) -> str:
    if value != "overlay":
        raise ValueError(f"expected overlay, got {shown(value)}: only overlay networks reach over all nodes of a swarm")
    return value


def _encrypted(value: object) -> bool:
    if value not in ("", "true"):
        raise ValueError(
            f'expected "true" in quotes, got {shown(value)}; engines encrypt whenever the key is there, '
            "so leave it out for a network that is not encrypted"
        )
    return True


def _number_in_quotes(value: str) -> str:
    if not re.fullmatch(r"[0-9]{1,10}", value):
        raise ValueError(f"expected a number in quotes, got {shown(value)}; names are known to the container only")
    return value


def _mtu(value: object) -> int:
    number = int(value) if isinstance(value, str) and value.isdigit() and len(value) < 6 else value
    if not isinstance(number, int) or isinstance(number, bool) or not 68 <= number <= 65535:
        raise ValueError(f"expected an MTU from 68 to 65535, got {shown(value)}")
    return number


Identity = Annotated[str, AfterValidator(_number_in_quotes)]


class LongPort(ComposeModel):
    """A published port in Compose's long form."""

    unsupported: ClassVar[frozenset[str]] = compose_keys.PORT
    target: PortNumber = Field(description="Port in the container.")
    published: int = Field(default=0, ge=0, le=65535, description="Port on the nodes. Default: the engine chooses.")
    protocol: Annotated[Protocol, Field(strict=False)] = Field(
        default=Protocol.TCP, description="tcp, udp or sctp. Default: tcp."
    )
    mode: Annotated[PublishMode, Field(strict=False)] = Field(
        default=PublishMode.INGRESS,
        description="ingress: every node answers (routing mesh); host: only nodes with a task. Default: ingress.",
    )


class ServiceNetwork(ComposeModel):
    """A service's place on a network."""

    unsupported: ClassVar[frozenset[str]] = compose_keys.SERVICE_NETWORK
    aliases: list[Text] = Field(default=[], description="Further names of the service on this network.")


class ServiceConfig(ComposeModel):
    """A config as a file in the container."""

    source: Text = Field(description="Key of the config under the top-level configs.")
    target: Text | None = Field(default=None, description="Path in the container. Default: /SOURCE.")
    uid: Identity = Field(default="0", description="Owner of the file, in quotes. Default: 0.")
    gid: Identity = Field(default="0", description="Group of the file, in quotes. Default: 0.")
    mode: int = Field(default=0o444, ge=0, le=0o7777, description="Permissions, octal. Default: 0444.")


class Healthcheck(ComposeModel):
    """How the engine finds out whether a container works."""

    unsupported: ClassVar[frozenset[str]] = compose_keys.HEALTHCHECK
    test: HealthTest | None = Field(
        default=None, description="Command, as a text for the shell or a list that begins with CMD or CMD-SHELL."
    )
    disable: bool = Field(default=False, description="Switch off the image's own health check.")
    interval: PositiveDuration | None = Field(default=None, description="Time between checks. Default: 30s.")
    timeout: PositiveDuration | None = Field(default=None, description="Time for one check. Default: 30s.")
    retries: int | None = Field(default=None, ge=1, description="Failures in a row until unhealthy. Default: 3.")
    start_period: Duration | None = Field(default=None, description="Time in which failures do not count. Default: 0.")


class UpdateConfig(ComposeModel):
    """How a rolling update goes."""

    parallelism: int | None = Field(default=None, ge=0, description="Tasks at a time; 0 is all at once. Default: 1.")
    delay: Duration | None = Field(default=None, description="Pause between tasks. Default: 0s.")
    order: Literal["stop-first", "start-first"] | None = Field(
        default=None, description="Whether the old task stops before the new one starts. Default: stop-first."
    )
    failure_action: Literal["pause", "continue", "rollback"] | None = Field(
        default=None, description="What happens when a new task fails. Default: pause."
    )
    monitor: PositiveDuration | None = Field(default=None, description="How long a new task is watched. Default: 5s.")
    max_failure_ratio: float | None = Field(
        default=None, ge=0, le=1, description="Failures to bear, 0 to 1. Default: 0."
    )


class RestartPolicy(ComposeModel):
    """When a task that ended is replaced."""

    condition: Literal["none", "on-failure", "any"] | None = Field(
        default=None, description="After which end a task is replaced. Default: any."
    )
    delay: Duration | None = Field(default=None, description="Pause before the replacement. Default: 5s.")
    max_attempts: int | None = Field(
        default=None, ge=0, description="Replacements at most; 0 is without end. Default: 0."
    )
    window: Duration | None = Field(default=None, description="Time in which attempts are counted. Default: 0s.")


class Placement(ComposeModel):
    """On which nodes tasks may run."""

    unsupported: ClassVar[frozenset[str]] = compose_keys.PLACEMENT
    constraints: list[Constraint] = Field(default=[], description="Conditions that a node must satisfy.")
    max_replicas_per_node: int = Field(default=0, ge=0, description="Tasks per node at most; 0 is any. Default: 0.")


class Deploy(ComposeModel):
    """How the swarm runs a service."""

    unsupported: ClassVar[frozenset[str]] = compose_keys.DEPLOY
    mode: Annotated[ServiceMode, Field(strict=False)] = Field(
        default=ServiceMode.REPLICATED,
        description="replicated: a number of tasks; global: one on every node. Default: replicated.",
    )
    replicas: int | None = Field(default=None, ge=0, le=10_000, description="Number of tasks. Default: 1.")
    endpoint_mode: Annotated[EndpointMode, Field(strict=False)] = Field(
        default=EndpointMode.VIP,
        description="What the service's name resolves to: vip (one address) or dnsrr (every task's). Default: vip.",
    )
    labels: Pairs = Field(default={}, description="Labels of the service.")
    placement: Placement = Field(default=Placement(), description="On which nodes tasks may run.")
    update_config: UpdateConfig = Field(default=UpdateConfig(), description="How a rolling update goes.")
    restart_policy: RestartPolicy = Field(default=RestartPolicy(), description="When a task that ended is replaced.")


class Service(ComposeModel):
    """One service."""

    unsupported: ClassVar[frozenset[str]] = compose_keys.SERVICE
    image: Image = Field(description="Image of the tasks.")
    command: CommandLine | None = Field(default=None, description="Arguments; a text is split as by a shell.")
    entrypoint: CommandLine | None = Field(default=None, description="Program; a text is split as by a shell.")
    environment: Pairs = Field(
        default={}, description="Variables; one without a value has that of your own environment."
    )
    hostname: Text | None = Field(default=None, description="Host name of the container; may hold Docker templates.")
    user: Text | None = Field(default=None, description="User in the container, UID or name, also with a group.")
    working_dir: Text | None = Field(default=None, description="Folder in which the command starts.")
    stop_grace_period: Duration | None = Field(default=None, description="Time between SIGTERM and kill. Default: 10s.")
    cap_add: list[Capability] = Field(default=[], description="Linux capabilities to add.")
    healthcheck: Healthcheck | None = Field(default=None, description="How the engine finds out whether a task works.")
    labels: Pairs = Field(default={}, description="Labels of the containers.")
    networks: (
        Annotated[
            Annotated[dict[str, ServiceNetwork | None], Tag(Form.MAP), Field(min_length=1)]
            | Annotated[list[Text], Tag(Form.LIST), Field(min_length=1)],
            either("a list of networks, or a mapping"),
        ]
        | None
    ) = Field(default=None, description="Networks of the service. Default: the network default.")
    ports: list[
        Annotated[
            Annotated[LongPort, Tag(Form.MAP)] | Annotated[ShortPort, Tag(Form.TEXT)],
            either("a port such as '8080:80', or a mapping"),
        ]
    ] = Field(default=[], description="Published ports.")
    configs: list[
        Annotated[
            Annotated[ServiceConfig, Tag(Form.MAP)] | Annotated[Text, Tag(Form.TEXT)],
            either("the key of a config, or a mapping"),
        ]
    ] = Field(default=[], description="Configs as files in the container.")
    deploy: Deploy = Field(default=Deploy(), description="How the swarm runs the service.")


class DriverOpts(ComposeModel):
    """Options of the overlay driver."""

    unsupported: ClassVar[frozenset[str]] = compose_keys.DRIVER_OPTS
    encrypted: Annotated[bool, *checked(_encrypted, {"type": "string", "enum": ["", "true"]})] = Field(
        default=False, description="Encrypt the traffic between nodes (IPsec)."
    )
    mtu: Annotated[int, *checked(_mtu, {"type": ["string", "integer"]})] = Field(
        default=0, alias="com.docker.network.driver.mtu", description="MTU of the network. Default: 1450."
    )


class IpamConfig(ComposeModel):
    """The addresses of a network."""

    unsupported: ClassVar[frozenset[str]] = compose_keys.IPAM_CONFIG
    subnet: Network | None = Field(default=None, description="IPv4 network. Default: the engine chooses.")
    gateway: Address | None = Field(default=None, description="Address of the gateway in the subnet.")


class Ipam(ComposeModel):
    """Where a network's addresses come from."""

    unsupported: ClassVar[frozenset[str]] = compose_keys.IPAM
    config: list[IpamConfig] = Field(default=[], max_length=1, description="One subnet.")


class LabNetwork(ComposeModel):
    """One overlay network."""

    unsupported: ClassVar[frozenset[str]] = compose_keys.NETWORK
    name: Text | None = Field(default=None, description="Name in the swarm. Default: LAB_KEY.")
    driver: Annotated[str, AfterValidator(_overlay)] = Field(default="overlay", description="Only overlay.")
    driver_opts: DriverOpts = Field(default=DriverOpts(), description="Options of the overlay driver.")
    attachable: bool = Field(default=False, description="Whether plain containers may join.")
    internal: bool = Field(default=False, description="Whether there is no way out of the network.")
    ipam: Ipam = Field(default=Ipam(), description="Where addresses come from.")
    labels: Pairs = Field(default={}, description="Labels of the network.")
    external: bool = Field(default=False, description="Use a network that exists; it is never changed or removed.")


class LabConfig(ComposeModel):
    """One config: a file that the swarm hands to tasks."""

    unsupported: ClassVar[frozenset[str]] = compose_keys.CONFIG
    file: Text | None = Field(default=None, description="File with the content, relative to this file.")
    content: str | None = Field(default=None, description="The content itself (write $$ for a dollar sign).")
    name: Text | None = Field(
        default=None, description="Name in the swarm, to which a hash of the content is added. Default: LAB_KEY."
    )
    template_driver: Literal["golang"] | None = Field(
        default=None, description="golang: the engine fills in templates such as {{.Task.ID}} per task."
    )
    labels: Pairs = Field(default={}, description="Labels of the config.")


class XLab(StrictModel):
    """What Swarm Mesh Lab itself wants to know of a lab."""

    title: Line = Field(default="", description="What the lab shows, in one line.")
    checks: list[AnyCheck] = Field(
        default=[], description="What `lab verify` checks. Default: what ports, networks and replicas suggest."
    )
    bridges: dict[str, LabBridge | None] = Field(default={}, description="Bridge networks on single nodes.")
    containers: dict[str, LabContainer] = Field(default={}, description="Plain containers on single nodes.")


class LabFile(ComposeModel):
    """A lab: a Compose file as `docker stack deploy` takes it, with our own part under x-lab."""

    unsupported: ClassVar[frozenset[str]] = compose_keys.TOP
    version: Any = Field(default=None, description="Ignored, as Docker does.")
    name: Text | None = Field(default=None, description="Name of the lab. Default: the folder's name.")
    services: dict[str, Service] = Field(default={}, description="The services.")
    networks: dict[str, LabNetwork | None] = Field(default={}, description="The overlay networks.")
    configs: dict[str, LabConfig] = Field(default={}, description="The configs.")
    x_lab: XLab = Field(default=XLab(), alias="x-lab", description="What Swarm Mesh Lab itself wants to know.")
