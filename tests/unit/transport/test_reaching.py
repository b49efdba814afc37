"""Ways to a host as people have them: jump hosts, commands, agents, passphrases, certificates. All by real programs."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from sshd_support import SSHD, free_port, keygen

from orchestrator.errors import HostKeyChanged, Interrupted, NodeError
from orchestrator.model.inventory import SshAddress
from orchestrator.runtime.context import Context
from orchestrator.transport import openssh
from orchestrator.transport.gateway import Gateway
from orchestrator.transport.login import log_in
from orchestrator.transport.route import plain

ME = getpass.getuser()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder of its own, without an agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr(openssh, "SYSTEM_CONFIG", tmp_path / "system")
    (tmp_path / ".ssh").mkdir()
    return tmp_path


class Person:
    """Answers what is asked, and remembers the questions."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []

    def __call__(self, question: str, *, secret: bool) -> str | None:
        assert secret
        self.questions.append(question)
        return self.answers.pop(0) if self.answers else None


def reach(address: SshAddress, person: Person | None = None, gateway: Gateway | None = None, timeout: float = 10.0):
    context = Context(lambda _: None, *([person] if person else []))
    return (gateway or Gateway()).connect(context, address, name="n1", timeout=timeout)


def failure(address: SshAddress, person: Person | None = None, **options) -> NodeError:
    with pytest.raises(NodeError) as caught:
        reach(address, person, **options)
    assert caught.value.node == "n1"
    assert caught.value.hint
    return caught.value


def known(*servers) -> str:
    return "".join(f"[127.0.0.1]:{server.address.port} {server.public_key}\n" for server in servers)


def section(name: str, server, *more: str) -> str:
    lines = ["HostName 127.0.0.1", f"Port {server.address.port}", f"User {ME}", *more]
    return f"Host {name}\n" + "".join(f" {line}\n" for line in lines)


@pytest.fixture
def chain(make_sshd, home):
    """Three hosts; the node is reached through the other two, all by ``~/.ssh/config``."""
    near, far, node = make_sshd(), make_sshd(), make_sshd()
    text = section("near", near, f"IdentityFile {near.address.key}")
    text += section("far", far, f"IdentityFile {far.address.key}")
    text += section("web1", node, f"IdentityFile {node.address.key}", "ProxyJump near,far")
    (home / ".ssh" / "config").write_text(text)
    (home / ".ssh" / "known_hosts").write_text(known(near, far, node))
    return near, far, node


def connections_to(server) -> int:
    """How many connections an sshd carries: each has a process."""
    return len(psutil.Process(server.pid).children())


def test_a_node_behind_two_jump_hosts(chain):
    host = reach(SshAddress("web1", config=""))
    try:
        # Who is at the other end of the connection: the last jump host, not this process.
        peer = host.run(["sh", "-c", "echo $SSH_CONNECTION"]).stdout.split()
        assert int(peer[3]) == chain[2].address.port
        assert [connections_to(server) for server in chain] == [1, 1, 1]
    finally:
        host.close()
    assert host._route.via == "near, far"


def test_jump_hosts_are_shared_and_left_when_the_last_node_is(chain):
    gateway = Gateway()
    one = reach(SshAddress("web1", config=""), gateway=gateway)
    two = reach(replace(SshAddress("web1", config=""), docker_socket="/other.sock"), gateway=gateway)
    assert [connections_to(server) for server in chain] == [1, 1, 2]
    one.close()
    one.close()
    assert two.run(["echo", "still here"]).stdout == "still here\n"
    two.close()
    assert [relay.session for relay in gateway._relays.values()] == [None, None]
    three = reach(SshAddress("web1", config=""), gateway=gateway)
    assert three.run(["true"]).exit_code == 0
    three.close()


def test_a_jump_host_that_broke_is_logged_in_to_anew(chain):
    gateway = Gateway()
    one = reach(SshAddress("web1", config=""), gateway=gateway)
    for relay in gateway._relays.values():
        relay.session.wire.close()
    two = reach(SshAddress("web1", config=""), gateway=gateway)
    one.close()
    assert two.run(["true"]).exit_code == 0
    two.close()


def test_jump_hosts_of_the_inventory_with_the_node_s_key_and_file(make_sshd, home, tmp_path):
    near, node = make_sshd(), make_sshd()
    (near.folder / "authorized_keys").write_text((node.folder / "user_key.pub").read_text())
    file = tmp_path / "known"
    file.write_text(known(near, node))
    address = replace(node.address, known_hosts=file, jump=(f"{ME}@127.0.0.1:{near.address.port}",))
    host = reach(address)
    assert host.run(["echo", "hello"]).stdout == "hello\n"
    host.close()


def test_a_jump_host_whose_key_is_not_known_is_named(chain, home):
    (home / ".ssh" / "known_hosts").write_text(known(chain[0], chain[2]))
    error = failure(SshAddress("web1", config=""))
    assert f"the host key of [127.0.0.1]:{chain[1].address.port} is not known" in error.message
    assert "lab trust" in error.hint


def test_a_port_refused_behind_a_jump_host(chain, home):
    config = home / ".ssh" / "config"
    port = free_port()
    config.write_text(config.read_text().replace(f"Port {chain[2].address.port}", f"Port {port}"))
    error = failure(SshAddress("web1", config=""))
    assert error.kind == "refused"
    assert error.message.startswith(f"127.0.0.1 port {port} refused the connection (TCP connection through near, far, ")
    assert "attempt 1, after " in error.message


def test_a_jump_host_that_forwards_nothing(make_sshd, sshd, home):
    gate = make_sshd("AllowTcpForwarding no")
    (home / ".ssh" / "known_hosts").write_text(known(gate))
    (home / ".ssh" / "config").write_text(section("gate", gate, f"IdentityFile {gate.address.key}"))
    error = failure(replace(sshd.address, config="", known_hosts=None, jump=("gate",)))
    assert f"the jump host forwards no connection to 127.0.0.1 port {sshd.address.port}" in error.message
    assert "AllowTcpForwarding yes" in error.hint


def test_a_proxy_command_carries_the_connection_and_ends_with_it(sshd, home):
    relay = home / "relay.py"
    relay.write_text(
        "import os, socket, sys, threading\n"
        "sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while data := os.read(0, 65536): sock.sendall(data)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := sock.recv(65536): os.write(1, data)\n"
    )
    command = f"ProxyCommand python3 {relay} %h %p"
    (home / ".ssh" / "config").write_text(section("web1", sshd, f"IdentityFile {sshd.address.key}", command))
    host = reach(replace(sshd.address, host="web1", port=None, user=None, key=None, config=""))
    try:
        assert host.run(["echo", "hello"]).stdout == "hello\n"
        # asked as attributes, since a process that just ended has no command line any more, and that is no failure
        processes = list(psutil.process_iter(["cmdline"]))
        started = [process for process in processes if str(relay) in (process.info["cmdline"] or [])]
        assert len(started) == 1
    finally:
        host.close()
    assert not started[0].is_running()


def test_what_a_proxy_command_complains_of_is_told(home, sshd):
    (home / ".ssh" / "config").write_text("Host web1\n ProxyCommand echo no such bastion >&2; exit 1\n")
    error = failure(replace(sshd.address, host="web1", config=""))
    assert "no such bastion" in error.message
    assert "(ProxyCommand, attempt 1" in error.message


@contextmanager
def agent(folder: Path, *keys: Path):
    """A real ssh-agent that holds keys."""
    path = folder / "agent.sock"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline()  # it says where it listens, once it does
        environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
        for key in keys:
            subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True, stdin=subprocess.DEVNULL)
        yield path
    finally:
        process.terminate()
        process.communicate()


def test_the_agent_s_keys_let_us_in(sshd, home, monkeypatch):
    with agent(home, keygen(home / "other"), sshd.address.key) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        host = reach(replace(sshd.address, key=None, config=""))
        host.close()


def test_a_named_key_that_is_encrypted_comes_from_the_agent_without_a_question(sshd, home, monkeypatch):
    locked = home / "locked"
    shutil.copy(sshd.address.key, locked)
    with agent(home, locked) as path:
        subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret words", "-f", str(locked)], check=True)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        person = Person()
        reach(replace(sshd.address, key=locked), person).close()
    assert person.questions == []


def test_no_other_key_of_the_agent_is_shown_where_one_is_named(sshd, home, monkeypatch):
    with agent(home, sshd.address.key) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        error = failure(replace(sshd.address, key=keygen(home / "stranger")))
    assert error.kind == "auth"
    assert "ssh-agent" not in error.message


def test_an_agent_that_is_gone_is_no_obstacle(sshd, home, monkeypatch):
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "nobody"))
    reach(replace(sshd.address, config="")).close()


def test_too_many_keys_are_told_from_a_wrong_one(make_sshd, home, monkeypatch):
    server = make_sshd("MaxAuthTries 2")
    with agent(home, *(keygen(home / f"k{number}") for number in range(4))) as path:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        error = failure(replace(server.address, key=None, config=""))
    assert "hung up" in error.message
    assert "MaxAuthTries" in error.hint


@pytest.fixture
def locked(sshd, home):
    """The key of the ordinary sshd, behind a passphrase."""
    path = home / "locked"
    shutil.copy(sshd.address.key, path)
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret words", "-f", str(path)], check=True)
    return path


def test_a_passphrase_is_asked_for_once_however_many_hosts_want_the_key(sshd, locked):
    person, gateway = Person("wrong one", "secret words"), Gateway()
    hosts = []
    threads = [
        threading.Thread(target=lambda: hosts.append(reach(replace(sshd.address, key=locked), person, gateway)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for host in hosts:
        host.close()
    assert len(hosts) == 4
    assert person.questions == [f"Passphrase of the SSH key {locked}: "] * 2


def test_a_passphrase_that_nobody_tells_is_an_error_that_says_what_to_do(sshd, locked):
    error = failure(replace(sshd.address, key=locked))
    assert error.kind == "auth"
    assert "nobody is there to ask" in error.message
    assert "ssh-add" in error.hint
    error = failure(replace(sshd.address, key=locked), Person("a", "b", "c", "secret words"))
    assert "none of 3 passphrases opens it" in error.message
    assert "secret" not in error.message + error.hint


def test_a_key_of_the_configuration_is_unlocked_only_when_others_were_refused(sshd, locked, home):
    """The open key is the right one: nobody is asked for the locked one, though it stands first."""
    text = section("web1", sshd, f"IdentityFile {locked}", f"IdentityFile {sshd.address.key}")
    (home / ".ssh" / "config").write_text(text)
    person = Person()
    reach(SshAddress("web1", config="", known_hosts=sshd.address.known_hosts), person).close()
    assert person.questions == []


def test_who_would_rather_stop_than_answer_has_stopped(sshd, locked):
    class Stops(Person):
        def __call__(self, question: str, *, secret: bool) -> None:
            context.cancelled.set()

    context = Context(lambda _: None, Stops())
    with pytest.raises(Interrupted):
        Gateway().connect(context, replace(sshd.address, key=locked), name="n1", timeout=5)


class Authority:
    """Signs keys; an sshd that trusts it knows no key by itself."""

    def __init__(self, folder: Path, make_sshd) -> None:
        self.key = keygen(folder / "authority")
        self.server = make_sshd(f"TrustedUserCAKeys {self.key}.pub", "AuthorizedKeysFile none")

    def sign(self, key: Path, *, user: str = ME, validity: str = "always:forever") -> Path:
        argv = ["ssh-keygen", "-q", "-s", str(self.key), "-I", "test", "-n", user, "-V", validity, f"{key}.pub"]
        subprocess.run(argv, check=True)
        return key.with_name(f"{key.name}-cert.pub")


@pytest.fixture
def authority(home, make_sshd):
    return Authority(home, make_sshd)


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_certificate_beside_the_key_lets_us_in(authority, home, kind):
    key = keygen(home / "mine", kind=kind)
    address = replace(authority.server.address, key=key)
    assert failure(address).kind == "auth"
    authority.sign(key)
    reach(address).close()


def test_a_certificate_in_another_place(authority, home):
    key = keygen(home / "mine")
    elsewhere = authority.sign(key).rename(home / "elsewhere.pub")
    reach(replace(authority.server.address, key=key, certificate=elsewhere)).close()
    text = section("web1", authority.server, f"IdentityFile {key}", f"CertificateFile {elsewhere}")
    (home / ".ssh" / "config").write_text(text)
    reach(SshAddress("web1", config="", known_hosts=authority.server.address.known_hosts)).close()


def test_a_certificate_that_the_agent_holds(authority, home, monkeypatch):
    key = keygen(home / "mine")
    authority.sign(key)
    with agent(home, key) as path:
        key.unlink()
        Path(f"{key}-cert.pub").unlink()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        reach(replace(authority.server.address, key=None, config="")).close()


def test_a_certificate_for_a_key_that_the_agent_holds(authority, home, monkeypatch):
    key = keygen(home / "mine")
    with agent(home, key) as path:
        certificate = authority.sign(key)
        key.unlink()
        text = section("web1", authority.server, f"IdentityFile {key}", f"CertificateFile {certificate}")
        (home / ".ssh" / "config").write_text(text)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        reach(SshAddress("web1", config="", known_hosts=authority.server.address.known_hosts)).close()


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"validity": "20200101:20200102"}, "has expired on 2020-01-0"),
        ({"validity": "20990101:20990102"}, "is not valid before 20"),
        ({"user": "somebody"}, f"is for somebody, not for {ME}"),
    ],
)
def test_a_certificate_that_does_not_hold_says_why(authority, home, terms, words):
    key = keygen(home / "mine")
    authority.sign(key, **terms)
    error = failure(replace(authority.server.address, key=key))
    assert error.kind == "auth"
    assert words in error.hint


def test_a_changed_key_is_told_with_file_line_and_both_fingerprints(sshd, tmp_path):
    other = " ".join(Path(f"{keygen(tmp_path / 'other')}.pub").read_text().split()[:2])
    entry = f"[127.0.0.1]:{sshd.address.port}"
    address = sshd.with_known_hosts(f"# one\n# two\n{entry} {other}\n")
    with pytest.raises(HostKeyChanged) as caught:
        reach(address)
    assert f"{address.known_hosts}:3 has ssh-ed25519 SHA256:" in caught.value.message
    assert caught.value.message.count("SHA256:") == 2
    assert "nothing is done on any host" in caught.value.hint
    assert f"ssh-keygen -R '{entry}' -f {address.known_hosts}" in caught.value.hint


def test_a_revoked_key_is_refused_though_it_is_known(sshd):
    entry = f"[127.0.0.1]:{sshd.address.port} {sshd.public_key}\n"
    address = sshd.with_known_hosts(f"{entry}@revoked {entry}")
    with pytest.raises(HostKeyChanged, match=rf"is revoked: .*{address.known_hosts}:2"):
        reach(address)


def test_an_authority_for_hosts_is_said_not_to_be_supported(sshd):
    address = sshd.with_known_hosts(f"@cert-authority * {sshd.public_key}\n")
    error = failure(address)
    assert "is not known" in error.message
    assert "certificates of hosts are not supported" in error.message


def test_patterns_and_hashes_hold_for_a_host(sshd, tmp_path):
    reach(sshd.with_known_hosts(f"[127.0.0.*]:{sshd.address.port} {sshd.public_key}\n")).close()
    address = sshd.with_known_hosts(f"[127.0.0.1]:{sshd.address.port} {sshd.public_key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(address.known_hosts)], check=True, capture_output=True)
    reach(address).close()


@contextmanager
def speaking(*lines: bytes):
    """A server that says something in place of an SSH greeting to everybody, and hangs up; who came is counted."""
    came: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            for line in lines:
                connection, _ = listener.accept()
                came.append(1)
                with connection:
                    connection.sendall(line)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], came
        thread.join()


def test_a_ban_is_told_and_not_made_longer(sshd):
    with speaking(b"Not allowed at this time\r\n") as (port, came):
        error = failure(replace(sshd.address, port=port))
    assert len(came) == 1
    assert "turns this machine away" in error.message
    assert "PerSourcePenalties" in error.hint


def test_a_crowded_sshd_is_tried_again(sshd):
    waits: list[float] = []
    crowded = b"Exceeded MaxStartups\r\n"
    with speaking(crowded, crowded, crowded) as (port, came):
        hop = plain(replace(sshd.address, port=port)).target
        with pytest.raises(NodeError) as caught:
            log_in(hop, name="n1", timeout=5, wait=waits.append)
    assert (len(came), len(waits)) == (3, 2)
    assert "Exceeded MaxStartups" in caught.value.message
    assert "attempt 3, after" in caught.value.message
    assert "MaxStartups" in caught.value.hint


def test_a_crowded_sshd_that_has_room_again_lets_us_in(make_sshd):
    server = make_sshd("MaxStartups 1")  # one at a time may log in, whoever comes besides is turned away
    holder = socket.create_connection(("127.0.0.1", server.address.port))
    assert holder.recv(4) == b"SSH-"

    def wait(_seconds: float) -> None:
        holder.close()
        process = psutil.Process(server.pid)
        for session in process.children():
            session.wait(10)

    session = log_in(plain(server.address).target, name="n1", timeout=5, wait=wait)
    session.close()


def test_a_port_that_hangs_up_without_a_word(sshd):
    with speaking(b"") as (port, _):
        error = failure(replace(sshd.address, port=port))
    assert "hung up without a word" in error.message
    assert "a forwarded port" in error.hint


def test_a_silent_port_names_step_and_time(sshd):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        error = failure(replace(sshd.address, port=listener.getsockname()[1]), timeout=0.3)
    assert error.kind == "timeout"
    assert "(SSH greeting, attempt 1, after 0." in error.message


def test_a_port_behind_a_firewall_that_drops(sshd):
    """A full queue of connections: the kernel answers no further SYN, as a firewall that drops would not."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fill = []
        for _ in range(3):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            fill.append(sock)
        error = failure(replace(sshd.address, port=port), timeout=0.5)
        for sock in fill:
            sock.close()
    assert error.kind == "timeout"
    assert f"no answer from 127.0.0.1 port {port}" in error.message
    assert "firewall" in error.hint


def test_a_name_that_is_never_resolved_has_a_time_out(sshd, monkeypatch):
    asked = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: asked.wait(10) and [])
    error = failure(replace(sshd.address, host="slow.example"), timeout=0.2)
    asked.set()
    assert error.kind == "timeout"
    assert "(name look-up, attempt 1, after 0." in error.message


def test_every_address_of_a_name_is_tried_in_turn(sshd, monkeypatch):
    port = free_port()
    real = socket.getaddrinfo

    def two(host, service, **options):
        return [*real("127.0.0.1", port, **options), *real("127.0.0.1", service, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    reach(sshd.address).close()


@pytest.fixture
def ipv6_sshd(make_sshd):
    if not socket.has_ipv6 or SSHD is None:
        pytest.skip("no IPv6")
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as probe:
            port = probe.getsockname()[1]
    except OSError:
        pytest.skip("no IPv6 on loopback")
    return make_sshd(f"ListenAddress [::1]:{port}"), port


def test_an_ipv6_address(ipv6_sshd, tmp_path):
    server, port = ipv6_sshd
    file = tmp_path / "known"
    file.write_text(f"[::1]:{port} {server.public_key}\n")
    host = reach(replace(server.address, host="::1", port=port, known_hosts=file))
    assert host.run(["sh", "-c", "echo $SSH_CONNECTION"]).stdout.split()[2] == "::1"
    host.close()
