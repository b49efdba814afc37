"""What makes a resumed clone a node of its own: one shell script, run once over SSH right after it wakes.

Pure: the script is made here and run elsewhere. The kernel's random state is fresh before it runs: QEMU gives every
clone a new VM generation id, upon which Linux reseeds (drivers/virt/vmgenid.c).
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.providers.vm.files import MANAGEMENT, NETWORK_SCRIPT, network_script
from orchestrator.providers.vm.keys import KeyPair


@dataclass(frozen=True)
class Identity:
    """Everything that differs between two nodes. ``address`` is on the cluster LAN, with prefix length."""

    hostname: str
    address: str
    machine_id: str
    engine_id: str
    host_key: KeyPair
    authorized_key: str
    hosts: Mapping[str, str]
    internet: bool

    @property
    def mac(self) -> str:
        """A locally administered MAC that says the address: 52:54 and the four bytes of it."""
        packed = ipaddress.ip_interface(self.address).ip.packed
        return "52:54:" + ":".join(f"{byte:02x}" for byte in packed)


def identity_script(identity: Identity, epoch: float) -> str:
    """The script. ``epoch`` is the time to set, in seconds since 1970."""
    files = _files(identity)
    writes = [f"umask 022; printf %s {shlex.quote(text)} > {path}" for path, text in files.items()]
    return "\n".join(
        [
            "set -e",
            f"date -s @{epoch:.3f} > /dev/null",
            f"hostname {shlex.quote(identity.hostname)}",
            *writes,
            "chmod 600 /etc/ssh/ssh_host_ed25519_key",
            f"sh -e {NETWORK_SCRIPT}",
            "kill -HUP $(cat /run/sshd.pid)",
            "systemctl --no-block restart systemd-journald",
            "",
        ]
    )


def _files(identity: Identity) -> dict[str, str]:
    names = "".join(f"{address} {name}\n" for name, address in identity.hosts.items())
    files = {
        "/etc/hostname": f"{identity.hostname}\n",
        "/etc/hosts": f"127.0.0.1 localhost\n{names}",
        "/etc/machine-id": f"{identity.machine_id}\n",
        "/etc/ssh/ssh_host_ed25519_key": identity.host_key.private,
        "/etc/ssh/ssh_host_ed25519_key.pub": f"{identity.host_key.public}\n",
        "/root/.ssh/authorized_keys": f"{identity.authorized_key}\n",
        NETWORK_SCRIPT: network_script(lan_address=identity.address, lan_mac=identity.mac, internet=identity.internet),
        "/var/lib/docker/engine-id": identity.engine_id,
    }
    # Docker asks servers on the internet where the node names none, and waits for their answer; nobody listens here,
    # so that a question for an unknown name is answered at once.
    server = f"{MANAGEMENT}.3" if identity.internet else "127.0.0.1"
    files["/etc/resolv.conf"] = f"nameserver {server}\n"
    return files
