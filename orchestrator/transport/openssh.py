"""What OpenSSH's configuration says about a host: asked of ``ssh -G``, so that it means what it means to ``ssh``.

Include, Match (with exec), patterns, CanonicalizeHostname, CertificateFile, tokens, the system's file: a reader of our
own would differ from ``ssh`` in one of them, and then connect somewhere else than the person expects. ``ssh -G`` opens
no connection and takes some milliseconds.

What the inventory says goes on its command line, which outdoes every file. Our own defaults (user root) stand last in
a file that includes the person's: the first value found counts (ssh_config(5)).
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha1
from pathlib import Path

from orchestrator.errors import ConfigError, ConfigProblem, EnvironmentProblem, NodeError
from orchestrator.model.inventory import NO_CONFIG, SshAddress
from orchestrator.transport.route import SSH_PORT, Hop, Route, plain

ASK_SECONDS = 20.0
"""How long ``ssh -G`` may take; commands of ``Match exec`` run within it."""

LONGEST_WAY = 8
"""Jump hosts on one way. More are a circle."""

SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")

_LINE = re.compile(r"^(?P<file>/.*?):? line (?P<line>\d+): (?P<what>.*)$")
_PERMISSIONS = re.compile(r"^Bad owner or permissions on (?P<file>/.*)$")
_CIRCLE = "a `Host *` with ProxyJump holds for the jump host as well; except it: Host * !bastion"
_UNSAFE = re.compile(r"[\s'\"`$\\;&<>|(){}*?\x00-\x1f]")


@dataclass(frozen=True)
class _Asked:
    """One host to ask ``ssh -G`` about; what is ``None`` is left to the configuration."""

    host: str
    user: str | None = None
    port: int | None = None
    jump: str | None = None
    default_user: str = ""


def resolve(address: SshAddress, *, name: str) -> Route:
    """The way to a node. ``name`` is the node's.

    Raises ``ConfigError`` for a configuration that ``ssh`` cannot read, ``EnvironmentProblem`` where there is no
    ``ssh`` to read one, ``NodeError`` for a way that cannot be gone.
    """
    if address.config == NO_CONFIG and not address.jump:
        return plain(address, agent=os.environ.get("SSH_AUTH_SOCK", ""))
    jump = None if address.jump is None else ",".join(address.jump) or NO_CONFIG
    asked = _Asked(address.host, address.user, address.port, jump, default_user="root")
    hops = _way(asked, address.config, name, ())
    target = replace(_own(hops[-1], address), host_key_alias=address.host_key_alias or hops[-1].host_key_alias)
    before = tuple(_shared(hop, address) for hop in hops[:-1])
    return Route((*before, target), address.docker_socket, address.config)


def _own(hop: Hop, address: SshAddress) -> Hop:
    """The node's hop with what the inventory says of keys."""
    if address.key is not None:
        named = (address.certificate,) if address.certificate else ()
        hop = replace(hop, key=address.key, certificates=named, identities=(), only_identities=True)
    elif address.certificate is not None:
        hop = replace(hop, certificates=(address.certificate, *hop.certificates))
    return _known(hop, address)


def _shared(hop: Hop, address: SshAddress) -> Hop:
    """A jump host: it may know the node's key, too, and its own key stands in the same file."""
    if address.key is not None:
        named = (address.certificate,) if address.certificate else ()
        hop = replace(hop, identities=(address.key, *hop.identities), certificates=(*named, *hop.certificates))
    return _known(hop, address)


def _known(hop: Hop, address: SshAddress) -> Hop:
    return replace(hop, known_hosts=(address.known_hosts,), hash_known_hosts=False) if address.known_hosts else hop


def _way(asked: _Asked, config: str, name: str, passed: tuple[str, ...]) -> tuple[Hop, ...]:
    """The hops to a host, as ``ssh -J`` goes them: each jump host's own settings count, the last one knows the rest."""
    place = f"{asked.host}:{asked.port}" if asked.port else asked.host
    if place in passed or len(passed) >= LONGEST_WAY:
        circle = " → ".join((*passed, place))
        raise NodeError(
            f"the way to {passed[0]} never ends: {circle}",
            node=name,
            hint=_CIRCLE,
        )
    said = _ask(asked, config, name)
    hop = _hop(asked, said)
    jumps = _first(said, "proxyjump")
    if not jumps or jumps == NO_CONFIG:
        return (hop,)
    *before, last = jumps.split(",")
    via = jump_host(last)
    if before:
        via = replace(via, jump=",".join(before))
    return (*_way(via, config, name, (*passed, place)), replace(hop, proxy_command=""))


def jump_host(text: str) -> _Asked:
    """One entry of ``ProxyJump``: ``[user@]host[:port]`` or ``ssh://[user@]host[:port]``."""
    user, _, place = text.removeprefix("ssh://").rstrip("/").rpartition("@")
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = place.partition(":") if place.count(":") == 1 else (place, "", "")
    return _Asked(host, user or None, int(port) if port.isdecimal() else None)


def _ask(asked: _Asked, config: str, name: str) -> dict[str, list[str]]:
    """What ``ssh -G`` prints: every keyword with its values."""
    words = ["-G"]
    words += ["-p", str(asked.port)] if asked.port else []
    words += ["-l", asked.user] if asked.user else []
    words += ["-J", asked.jump] if asked.jump else []
    with tempfile.NamedTemporaryFile("w", prefix="lab-ssh-", suffix=".conf") as file:
        file.write(_layers(config, asked.default_user))
        file.flush()
        result = _run(["ssh", "-F", file.name, *words, "--", asked.host], name)
    if result.returncode != 0:
        raise _unreadable(result.stderr, config, name)
    said: dict[str, list[str]] = {}
    for line in result.stdout.splitlines():
        keyword, _, value = line.partition(" ")
        said.setdefault(keyword.lower(), []).append(value)
    return said


def _layers(config: str, user: str) -> str:
    """The configuration files in the order in which they count, our own defaults last."""
    home = Path.home() / ".ssh"
    files = [home / "config", SYSTEM_CONFIG] if not config else [] if config == NO_CONFIG else [Path(config)]
    lines = [f'Include "{file}"' for file in files]
    lines += ["Host *", f'  UserKnownHostsFile "{home}/known_hosts" "{home}/known_hosts2"']
    lines += [f"  User {user}"] if user else []
    return "\n".join([*lines, ""])


def _run(argv: Sequence[str], name: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(argv[0]) is None:
        raise EnvironmentProblem(
            "the OpenSSH client `ssh` is not installed; it reads ~/.ssh/config",
            node=name,
            hint="apt install openssh-client; or write `config: none` under ssh, and leave `jump` out",
        )
    try:
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ASK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentProblem(
            f"`ssh -G {argv[-1]}` did not end within {ASK_SECONDS:.0f} s",
            node=name,
            hint="a command of `Match exec` in ~/.ssh/config hangs, or the look-up of a name (CanonicalizeHostname)",
        ) from error


def _unreadable(said: str, config: str, name: str) -> ConfigError | NodeError:
    """What ``ssh`` complains of, with file and line."""
    problems = []
    for line in said.splitlines():
        if match := _LINE.match(line.strip()):
            problems.append(ConfigProblem(Path(match["file"]), int(match["line"]), "", f"ssh says: {match['what']}"))
        elif match := _PERMISSIONS.match(line.strip()):
            text = "ssh refuses it: others may write it, or it is somebody else's; try chmod 600"
            problems.append(ConfigProblem(Path(match["file"]), 1, "", text))
    if problems:
        return ConfigError(problems)
    return NodeError(
        f"`ssh -G` cannot say how the host is reached: {said.strip() or 'it ended without a word'}",
        node=name,
        hint=_CIRCLE if "loop" in said else f"try it: ssh -G HOST; the file is {config or '~/.ssh/config'}",
    )


def _hop(asked: _Asked, said: dict[str, list[str]]) -> Hop:
    tokens = _tokens(asked, said)
    alias = _first(said, "hostkeyalias")
    named = [value for value in said.get("identityfile", []) if value != NO_CONFIG]
    command = NO_CONFIG if asked.jump == NO_CONFIG else _first(said, "proxycommand")
    host_user = (tokens["h"], tokens["r"])
    if command and command != NO_CONFIG and any(_UNSAFE.search(value) for value in host_user):
        raise NodeError(f"{host_user} cannot go into a ProxyCommand", hint="host and user must be words for a shell")
    return Hop(
        label=asked.host,
        host=tokens["h"],
        port=int(tokens["p"]),
        user=tokens["r"],
        identities=tuple(_path(value, tokens) for value in named),
        certificates=tuple(_path(value, tokens) for value in said.get("certificatefile", []) if value != NO_CONFIG),
        only_identities=_first(said, "identitiesonly") == "yes",
        agent=_agent(_first(said, "identityagent"), tokens),
        known_hosts=_known_hosts(said, tokens),
        host_key_alias=alias if alias and alias != NO_CONFIG else None,
        hash_known_hosts=_first(said, "hashknownhosts") == "yes",
        proxy_command="" if command == NO_CONFIG else expand(command, tokens),
    )


def _known_hosts(said: dict[str, list[str]], tokens: dict[str, str]) -> tuple[Path, ...]:
    values = f"{_first(said, 'userknownhostsfile')} {_first(said, 'globalknownhostsfile')}".split()
    return tuple(_path(value, tokens) for value in values if value not in {NO_CONFIG, "/dev/null"})


def _agent(value: str, tokens: dict[str, str]) -> str:
    """The socket of the agent (ssh_config(5), IdentityAgent)."""
    if value == NO_CONFIG:
        return ""
    if value in {"", "SSH_AUTH_SOCK"}:
        return os.environ.get("SSH_AUTH_SOCK", "")
    if value.startswith("$"):
        return os.environ.get(value[1:].strip("{}"), "")
    return str(_path(value, tokens))


def _first(said: dict[str, list[str]], keyword: str) -> str:
    return said.get(keyword, [""])[0]


def _tokens(asked: _Asked, said: dict[str, list[str]]) -> dict[str, str]:
    """The values of the percent tokens (ssh_config(5), TOKENS)."""
    host, port, user = _first(said, "hostname") or asked.host, _first(said, "port"), _first(said, "user")
    here = socket.gethostname()
    jump = _first(said, "proxyjump")
    port = port or str(SSH_PORT)
    return {
        "%": "%",
        "h": host,
        "p": port,
        "r": user or getpass.getuser(),
        "n": asked.host,
        "k": _first(said, "hostkeyalias") or asked.host,
        "u": getpass.getuser(),
        "i": str(os.getuid()),
        "l": here,
        "L": here.partition(".")[0],
        "d": str(Path.home()),
        "j": jump,
        "C": sha1(f"{here}{host}{port}{user}{jump}".encode(), usedforsecurity=False).hexdigest(),
    }


def expand(text: str, tokens: dict[str, str]) -> str:
    """Replace percent tokens; one that is not known stays as it is."""
    return re.sub(r"%(.)", lambda match: tokens.get(match[1], match[0]), text)


def _path(text: str, tokens: dict[str, str]) -> Path:
    text = re.sub(r"\$\{(\w+)\}", lambda match: os.environ.get(match[1], ""), text)
    if text.startswith("~/"):
        text = f"{Path.home()}{text[1:]}"
    return Path(expand(text, tokens)).expanduser()
