"""The command line of the OpenSSH client that goes the way that lab goes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.model.inventory import NO_CONFIG

if TYPE_CHECKING:
    from orchestrator.transport.route import Hop, Route


def ssh_argv(route: Route, command: Sequence[str]) -> list[str]:
    """The command line for a node: the way, the key and the host key are those that lab uses itself.

    Everything else (forwarding of the agent, environment, escape character) is as the person's configuration has it.
    One word is a line for the node's shell, as ``ssh`` takes it; several words arrive there as the same words.
    """
    target = route.target
    argv = ["ssh", *_options(route), "-l", target.user, target.label]
    line = command[0] if len(command) == 1 else shlex.join(command)
    return [*argv, line] if line else argv


def _options(route: Route) -> list[str]:
    hop = route.target
    words = ["-F", route.config] if route.config else []
    words += ["-p", str(hop.port), "-o", "StrictHostKeyChecking=yes"]
    if hop.host != hop.label:
        words += ["-o", f"HostName={hop.host.replace('%', '%%')}"]
    words += _keys(hop)
    if hop.known_hosts:
        files = " ".join(_quoted(path) for path in hop.known_hosts)
        words += ["-o", f"UserKnownHostsFile={files}", "-o", "GlobalKnownHostsFile=none"]
    if hop.host_key_alias is not None:
        words += ["-o", f"HostKeyAlias={hop.host_key_alias}"]
    return [*words, *_proxy(route)]


def _keys(hop: Hop) -> list[str]:
    words = ["-i", str(hop.key), "-o", "IdentitiesOnly=yes"] if hop.key else []
    for path in () if hop.key else hop.identities:
        words += ["-i", str(path)]
    for path in hop.certificates:
        words += ["-o", f"CertificateFile={_quoted(path)}"]
    return words


def _proxy(route: Route) -> list[str]:
    """The way through jump hosts as one ProxyCommand: each is called with all of its own options, as ``-J`` cannot."""
    before = route.before
    if before is None:
        direct = not route.target.proxy_command and route.config != NO_CONFIG
        return ["-o", "ProxyJump=none"] if direct else []
    last = before.target
    words = ["ssh", *_options(before), "-l", last.user]
    # ssh replaces percent signs in the command once: those of the inner command must come out of that as they are.
    inner = shlex.join(words).replace("%", "%%")
    return ["-o", f"ProxyCommand={inner} -W '[%h]:%p' {shlex.quote(last.label)}"]


def _quoted(path: Path) -> str:
    """A path as an option of OpenSSH takes it: blanks separate file names there, and ``%`` begins a token."""
    return f'"{str(path).replace("%", "%%")}"'
