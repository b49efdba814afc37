"""What a host that can only be looked at lets through, by a real sshd and the real docker SDK, and what it stops."""

from contextlib import closing
from dataclasses import replace

import pytest

from orchestrator.observe import observe
from orchestrator.runtime.context import Context
from orchestrator.transport.fakeswarm import FakeSwarm
from orchestrator.transport.readonly import ENGINE_CALLS, NotReadOnly, ReadOnlyHost, allowed
from orchestrator.transport.scripted import Script, ScriptedHost
from orchestrator.transport.ssh import connect


@pytest.fixture
def swarm():
    fake = FakeSwarm("n1", images={"web:1": "sha256:aa"})
    ScriptedHost("n1", swarm=fake).engine().init_swarm()
    fake.changes.clear()
    return fake


@pytest.fixture
def guarded(swarm):
    return ReadOnlyHost(ScriptedHost("n1", swarm=swarm, commands={"reboot": Script()}))


CHANGES = [
    lambda engine: engine.leave_swarm(force=True),
    lambda engine: engine.create_network("net", driver="overlay"),
    lambda engine: engine.remove_network("ingress"),
    lambda engine: engine.update_swarm(version=1),
    lambda engine: engine.remove_service("web"),
    lambda engine: engine.create_container("web:1", name="x"),
    lambda engine: engine.start("x"),
    lambda engine: engine.pull("web", tag="1"),
    lambda engine: engine.load_image(b"web:1 sha256:bb"),
    lambda engine: engine.post(f"{engine.base_url}/v1.45/swarm"),
    lambda engine: engine.put(f"{engine.base_url}/v1.45/containers/x/archive"),
    lambda engine: engine.delete(f"{engine.base_url}/v1.45/nodes/x"),
    lambda engine: engine.exec_create("x", "true"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_call_that_changes_something_is_stopped_before_it_is_sent(guarded, swarm, change):
    asked = []
    handle = swarm.handle
    swarm.handle = lambda *request: asked.append(request) or handle(*request)
    with pytest.raises(NotReadOnly, match="n1"):
        change(guarded.engine())
    assert asked == []
    assert swarm.changes == []


@pytest.mark.parametrize(
    "call",
    [
        "GET /swarm/unlockkey",
        "GET /secrets",
        "GET /containers/x/attach/ws",
        "GET /containers/x/export",
        "GET /containers/x/json/more",
        "GET /images/x/get",
        "HEAD /version",
        "POST /networks",
        "GET /networks/../swarm/leave",
    ],
)
def test_reading_that_is_not_needed_is_stopped_too(call):
    assert not allowed(call)


def test_the_list_holds_nothing_but_reading():
    assert {entry.split()[0] for entry in ENGINE_CALLS} == {"GET"}


def test_no_command_is_run(guarded):
    with pytest.raises(NotReadOnly, match="reboot"):
        guarded.run(["reboot"])


@pytest.mark.parametrize("namespace", ["/proc/1/ns/net", "/var/run/docker/netns/../../../proc/1/ns/net", "x"])
def test_namespaces_that_are_not_dockers_are_not_entered(guarded, namespace):
    with pytest.raises(NotReadOnly):
        guarded.enter(namespace)


def test_a_namespace_is_read_only_as_well(swarm):
    inside = ScriptedHost("n1", swarm=swarm)
    host = ReadOnlyHost(ScriptedHost("n1", swarm=swarm, namespaces={"/run/docker/netns/x": inside}))
    with pytest.raises(NotReadOnly):
        host.enter("/run/docker/netns/x").run(["true"])


def test_over_a_real_sshd_only_what_is_listed_reaches_the_engine(sshd, engine_socket):
    host = ReadOnlyHost(connect(replace(sshd.address, docker_socket=engine_socket.path), name="n1"))
    with closing(host):
        view = observe(Context(lambda _event: None), {"n1": host}, ())
        assert view.node("n1").reachable
        with pytest.raises(NotReadOnly):
            host.engine().init_swarm()
    said = {request.replace("/v1.45", "") for request in engine_socket.requests}
    assert said == {"GET /version", "GET /info", "GET /containers/json", "GET /networks"}
    assert engine_socket.swarm.changes == []
