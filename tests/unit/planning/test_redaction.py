"""Nothing secret gets into an archive for a bug report: canaries wherever people put secrets."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.model.lab import ConfigObject, Container, Healthcheck
from orchestrator.model.labels import LAB, STACK
from orchestrator.model.observed import LiveConfig, LiveContainer
from orchestrator.planning.redaction import REMOVED, harmless, known_secrets, redact_document, redact_text
from orchestrator.usecases.archive import as_json
from orchestrator.usecases.support import finished

from .builders import foreign_swarm, inventory, with_service, with_swarm, with_view

CANARY = "Xk9-canary_"


def canaries():
    """A view with a canary in every place into which people put secrets, and the canaries by place."""
    view = foreign_swarm(inventory(), "n1", "n2", "n3")
    (shop,) = (live.spec for live in view.swarm.services if live.spec.name == "shop")
    places = "env command entry health label clabel config netlabel nodelabel plainenv plaincmd plainlabel swarmlabel"
    put = {name: CANARY + name for name in places.split()}
    view = with_service(
        view,
        "shop",
        spec=replace(
            shop,
            environment={"DB_PASSWORD": put["env"], "PORT": "80"},
            command=("--requirepass", put["command"]),
            entrypoint=("run", put["entry"]),
            healthcheck=Healthcheck(("CMD", put["health"])),
            labels={STACK: "front", "traefik.basicauth.users": put["label"]},
            container_labels={"x": put["clabel"]},
        ),
    )
    config = LiveConfig("c1", ConfigObject("c", "c", f"user\n{put['config']}\n".encode()))
    networks = tuple(replace(n, spec=replace(n.spec, labels={"k": put["netlabel"]})) for n in view.swarm.networks)
    nodes = tuple(replace(n, labels={"k": put["nodelabel"]}) for n in view.swarm.nodes)
    view = with_swarm(view, configs=(config,), networks=networks, nodes=nodes, labels={"k": put["swarmlabel"]})
    spec = Container("a", "a", "i", environment={"K": put["plainenv"]}, command=(put["plaincmd"],))
    plain = LiveContainer("id", "a", {LAB: "plain", "k": put["plainlabel"]}, spec, "i", "running")
    return with_view(view, "n1", plain=(plain,)), put


def test_no_canary_is_in_what_was_observed():
    view, put = canaries()
    assert all(value in json.dumps(as_json(view)) or place == "config" for place, value in put.items())
    assert CANARY not in json.dumps(as_json(harmless(view)))


def test_names_ports_and_our_own_labels_stay():
    view, _ = canaries()
    safe = harmless(view)
    (shop,) = (live.spec for live in safe.swarm.services if live.spec.name == "shop")
    assert shop.environment == {"DB_PASSWORD": REMOVED, "PORT": REMOVED}
    assert shop.ports
    assert shop.labels == {STACK: "front", "traefik.basicauth.users": REMOVED}
    assert safe.nodes[0].plain[0].labels == {LAB: "plain", "k": REMOVED}


def test_values_taken_out_are_taken_out_of_logs_as_well():
    view, put = canaries()
    log = "\n".join(
        f"level=error msg='something about {value}'" for place, value in put.items() if "label" not in place
    )
    assert CANARY in log
    assert CANARY not in finished({"n1/docker-log.txt": log}, {}, known_secrets(view))["n1/docker-log.txt"]


def test_short_values_do_not_eat_every_text():
    view, _ = canaries()
    assert "80" not in known_secrets(view)


@pytest.mark.parametrize(
    "text",
    [
        f"SWMTKN-1-{CANARY}3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-1awxwuwd3z9j1z3puu7rcgdbx",
        "docker swarm join --token SWMTKN-1-Xk9-canary_abc 10.0.0.1:2377",
        "SWMKEY-1-Xk9-canary_7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nXk9-canary_\nmore\n-----END OPENSSH PRIVATE KEY-----\nafter",
        "-----BEGIN PRIVATE KEY-----\nXk9-canary_ cut off",
        'msg="form data: {\\"Env\\":[\\"A=Xk9-canary_\\"]}"',
        "HTTP_PROXY=http://user:Xk9-canary_@proxy.example:3128/",
        "password=Xk9-canary_ next",
        'password: "two words Xk9-canary_" next',
        '{\\"password\\":\\"Xk9-canary_\\"}',
        '{"api_key": "Xk9-canary_"}',
        "DB_PASSWORD='Xk9-canary_'",
        "--splunk-token=Xk9-canary_",
        "Authorization: Bearer Xk9-canary_0123",
        "authorization: basic Xk9-canary_0123==",
        "AWS_SECRET_ACCESS_KEY=Xk9-canary_",
    ],
)
def test_what_looks_like_a_secret_is_removed(text):
    assert CANARY in text
    done = redact_text(text)
    assert CANARY not in done
    assert REMOVED in done


@pytest.mark.parametrize(
    "text",
    [
        "-A DOCKER-INGRESS -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:8080",
        'time="2026-01-01T00:00:00Z" level=info msg="Loading containers: done."',
        "10: eth1: <BROADCAST,MULTICAST,UP> mtu 1500 link/ether 52:54:00:12:34:56",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "https://example.org:8080/path",
    ],
)
def test_what_a_bug_report_needs_stays(text):
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "key",
    ["JoinTokens", "token", "Password", "passphrase", "SigningCAKey", "UnlockKey", "client_secret", "RegistryAuth"],
)
def test_keys_that_sound_like_secrets_lose_their_values(key):
    document = {"kept": 1, "deep": [{key: {"Worker": CANARY}}]}
    assert redact_document(document) == {"kept": 1, "deep": [{key: REMOVED}]}


def test_a_document_stays_as_it_is_otherwise():
    document = {"name": "n1", "ports": [8080, None, True], "path": "/home/x/.ssh/id", "token": ""}
    assert redact_document(document) == document


def test_bytes_are_told_by_their_number():
    assert as_json({"data": b"secret", "path": Path("/x")}) == {"data": "(6 bytes)", "path": "/x"}
