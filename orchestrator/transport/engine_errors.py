"""What an engine's errors mean for a person: node, call, message, and what to do where the cause is known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException

import requests
import urllib3
from docker.errors import APIError, DockerException
from paramiko import SSHException

from orchestrator.errors import NodeError
from orchestrator.transport.base import KINDS, ChannelFailed

_HINTS = {
    "permission denied": "add the login user to the group docker, let it use sudo without a password, or be root",
    "cannot connect to the docker daemon": "start the engine: sudo systemctl start docker; why it stopped: "
    "sudo journalctl -u docker",
    "docker: not found": "install Docker Engine on the node",
    "docker: command not found": "install Docker Engine on the node",
    "does not have a leader": "more than half of the managers must be up and reach each other on port 2377/tcp",
    "not a swarm manager": "the node is a worker or has left the swarm; look with: docker node ls (on a manager)",
    "before node joined": "check that the managers' port 2377/tcp and the nodes' port 7946 (tcp and udp) are open",
    "could not choose an ip address": "set advertise_addr of this node in the inventory",
    "must specify a listening address": "set advertise_addr of this node in the inventory",
    "pool overlaps": "choose another subnet for the network in the lab file",
    "is already in use by service": "publish another port, or remove the service that holds this one",
    "port is already allocated": "publish another port, or find who has this one: docker ps and ss -ltnup on the node",
    "address already in use": "publish another port, or find who has this one: docker ps and ss -ltnup on the node",
    "no such image": "the node lacks the image and cannot pull it",
    "update out of sequence": "somebody else changed the object at the same time; try again",
}


def hint_for(message: str) -> str:
    """What to do about an engine's message, where its cause is known; "" otherwise."""
    lower = message.lower()
    return next((hint for known, hint in _HINTS.items() if known in lower), "")


_PASSING = ("context deadline exceeded", "does not have a leader", "before node joined")


def is_passing(error: NodeError) -> bool:
    """Whether the same call may succeed a little later: managers are busy, or are just choosing a leader.

    The texts are those of swarmkit's control API behind the engine (daemon/cluster, ``swarmRequestTimeout``: 20 s).
    """
    text = str(error).lower()
    return error.kind == "timeout" or any(known in text for known in _PASSING)


def out_of_sequence(error: BaseException) -> bool:
    """Whether somebody else changed the object between reading and writing it."""
    return "update out of sequence" in str(error)


def status_of(error: BaseException | None) -> int:
    """The HTTP status of the engine's answer behind an error; 0 where there was none."""
    if isinstance(error, NodeError):
        error = error.__cause__
    return int(error.status_code or 0) if isinstance(error, APIError) else 0


@contextmanager
def engine_errors(node: str, call: str, *, let_through: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn whatever an API call raises into ``NodeError``; ``call`` says what was asked (``create network web``)."""
    try:
        yield
    except let_through:
        raise
    except APIError as error:
        said = str(error.explanation or error.response or error).strip()
        raise _error(node, f"{call}: the engine says: {said} (HTTP {error.status_code})", said) from error
    except ChannelFailed as failure:
        kind = KINDS.get(failure.kind, "engine")
        raise _error(node, f"{call}: no connection to the engine: {failure}", str(failure), kind) from failure
    except (requests.Timeout, TimeoutError, urllib3.exceptions.TimeoutError) as error:
        raise _error(node, f"{call}: the engine did not answer in time", "", "timeout") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, SSHException) as error:
        raise _error(node, f"{call}: the connection to the engine broke: {error}", str(error), "unreachable") from error
    except (EOFError, OSError) as error:
        text = str(error) or type(error).__name__
        raise _error(node, f"{call}: the connection to the engine broke: {text}", text, "unreachable") from error
    except DockerException as error:
        raise _error(node, f"{call}: {error}", str(error)) from error


def _error(node: str, message: str, said: str, kind: str = "engine") -> NodeError:
    return NodeError(message, node=node, kind=kind, hint=hint_for(said))
