"""What OpenSSH's configuration says of a way: asked of the real ``ssh -G``."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import ConfigError, EnvironmentProblem, ExitCode, NodeError
from orchestrator.model.inventory import SshAddress
from orchestrator.transport import openssh
from orchestrator.transport.openssh import resolve


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder of its own; the machine's own configuration plays no part."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    monkeypatch.setattr(openssh, "SYSTEM_CONFIG", tmp_path / "system")
    (tmp_path / ".ssh").mkdir()
    return tmp_path


@pytest.fixture
def way(home):
    """The way to a host by a configuration, and what the inventory says besides."""

    def ask(text: str, host: str = "web1", **said):
        (home / ".ssh" / "config").write_text(text)
        return resolve(SshAddress(host, **{"config": "", **said}), name="n1")

    return ask


def test_without_a_word_it_is_root_at_port_22_with_the_usual_keys(way, home):
    target = way("").target
    assert (target.user, target.host, target.port, target.proxy_command) == ("root", "web1", 22, "")
    assert home / ".ssh" / "id_ed25519" in target.identities
    assert target.known_hosts[0] == home / ".ssh" / "known_hosts"
    assert (target.agent, target.only_identities) == ("/agent", False)


def test_the_person_s_words_count_and_the_inventory_outdoes_them(way, home):
    text = "Host web1\n HostName 192.0.2.7\n User me\n Port 2222\n IdentityFile ~/keys/%r\n IdentitiesOnly yes\n"
    target = way(text).target
    assert (target.user, target.host, target.port) == ("me", "192.0.2.7", 2222)
    assert (target.identities, target.only_identities) == ((home / "keys" / "me",), True)
    target = way(text, user="admin", port=22, key=Path("/k"), known_hosts=Path("/known")).target
    assert (target.user, target.port, target.key, target.known_hosts) == ("admin", 22, Path("/k"), (Path("/known"),))


def test_files_that_are_included_and_matches_count(way, home):
    (home / "more").write_text("Host web*\n User included\n")
    assert way(f"Include {home}/more\n").target.user == "included"
    assert way("Match host web1 exec true\n Port 7\n").target.port == 7


def test_the_system_s_file_comes_second(way, home):
    (home / "system").write_text("Host *\n User system\n Port 99\n")
    target = way("Host *\n User me\n").target
    assert (target.user, target.port) == ("me", 99)


def test_a_file_named_in_the_inventory_is_read_alone(way, home):
    (home / "other").write_text("Host web1\n Port 7\n")
    target = way("Host *\n User me\n Port 8\n", config=str(home / "other")).target
    assert (target.user, target.port) == ("root", 7)
    assert way("Host *\n User me\n", config="none").target.user == "root"


def test_a_chain_of_jump_hosts_each_with_its_own_settings(way):
    text = """
Host web1
 ProxyJump me@first,second:2022
Host first
 HostName 192.0.2.1
 Port 2021
Host second
 HostName 192.0.2.2
 ProxyJump elsewhere
Host *
 User someone
"""
    route = way(text)
    assert [(hop.label, hop.user, hop.host, hop.port) for hop in route.hops] == [
        ("first", "me", "192.0.2.1", 2021),
        ("second", "someone", "192.0.2.2", 2022),
        ("web1", "someone", "web1", 22),
    ]
    assert route.via == "first, second"


def test_a_jump_host_s_own_jump_host_is_gone_through(way):
    route = way("Host web1\n ProxyJump near\nHost near\n ProxyJump nearer\n")
    assert [hop.label for hop in route.hops] == ["nearer", "near", "web1"]


def test_jump_hosts_of_the_inventory_outdo_the_configuration_and_none_means_none(way):
    text = "Host web1\n ProxyJump other\nHost bastion\n User gate\n"
    route = way(text, jump=("bastion", "[2001:db8::1]:2022"), key=Path("/k"))
    assert [(hop.label, hop.port) for hop in route.hops] == [("bastion", 22), ("2001:db8::1", 2022), ("web1", 22)]
    assert route.hops[0].user == "gate"
    assert route.hops[0].identities[0] == Path("/k")
    assert [hop.label for hop in way(text, jump=()).hops] == ["web1"]
    assert way("Host web1\n ProxyCommand nc %h %p\n", jump=()).target.proxy_command == ""


def test_jump_hosts_of_the_inventory_work_without_any_configuration(way):
    route = way("Host *\n Port 99\n", config="none", jump=("me@bastion",))
    assert [(hop.label, hop.user, hop.port) for hop in route.hops] == [("bastion", "me", 22), ("web1", "root", 22)]


def test_a_way_in_circles_is_told(way):
    with pytest.raises(NodeError, match="jumphost loop via bastion") as caught:
        way("Host *\n ProxyJump bastion\n")
    assert "!bastion" in caught.value.hint
    with pytest.raises(NodeError, match="web1 → one → two → one") as caught:
        way("Host web1\n ProxyJump one\nHost one\n ProxyJump two\nHost two\n ProxyJump one\n")
    assert "!bastion" in caught.value.hint


def test_a_proxy_command_is_filled_in(way):
    target = way("Host web1\n HostName 192.0.2.7\n Port 7\n ProxyCommand nc -X 5 %h %p # %r %n %%\n").target
    assert target.proxy_command == "nc -X 5 192.0.2.7 7 # root web1 %"


def test_a_proxy_command_gets_no_host_that_a_shell_would_take_for_more(way):
    with pytest.raises(NodeError, match="ProxyCommand"):
        way("Host *\n HostName web1;reboot\n ProxyCommand nc %h %p\n")


def test_certificates_agent_alias_and_files_of_known_hosts(way, home):
    text = (
        f"Host web1\n CertificateFile ~/c-%r.pub\n IdentityAgent {home}/agent.sock\n HostKeyAlias known-as\n"
        f" UserKnownHostsFile {home}/one {home}/two\n GlobalKnownHostsFile none\n HashKnownHosts yes\n"
    )
    target = way(text).target
    assert target.certificates == (home / "c-root.pub",)
    assert target.agent == str(home / "agent.sock")
    assert (target.host_key_alias, target.entry, target.hash_known_hosts) == ("known-as", "known-as", True)
    assert target.known_hosts == (home / "one", home / "two")
    assert way("Host *\n IdentityAgent none\n").target.agent == ""
    assert way("Host *\n IdentityAgent $SSH_AUTH_SOCK\n").target.agent == "/agent"


def test_an_ipv6_address_is_a_host(way):
    target = way("", host="2001:db8::5", port=2222).target
    assert (target.host, target.entry) == ("2001:db8::5", "[2001:db8::5]:2222")
    assert way("", host="2001:db8::5").target.entry == "2001:db8::5"


def test_a_mistake_in_the_configuration_is_told_with_file_and_line(way, home):
    (home / "more").write_text("Host x\n\n Bogus yes\n")
    with pytest.raises(ConfigError) as caught:
        way(f"Include {home}/more\n")
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.details == (f"{home}/more:3: ssh says: Bad configuration option: bogus",)


def test_a_configuration_that_others_may_write_is_told(way, home):
    (home / ".ssh" / "config").write_text("")
    (home / ".ssh" / "config").chmod(0o666)
    with pytest.raises(ConfigError, match="1 problem") as caught:
        way("")
    assert "others may write it" in caught.value.details[0]


def test_without_an_openssh_client_it_is_said_what_to_do(way, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentProblem, match="not installed") as caught:
        way("")
    assert "config: none" in caught.value.hint
    assert way("", config="none").target.user == "root"


def test_a_configuration_that_hangs_is_given_up(way, monkeypatch):
    monkeypatch.setattr(openssh, "ASK_SECONDS", 0.3)
    with pytest.raises(EnvironmentProblem, match="did not end") as caught:
        way('Match exec "sleep 60"\n Port 7\n')
    assert "Match exec" in caught.value.hint
