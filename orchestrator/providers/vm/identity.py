"""What makes a resumed clone a node of its own: one shell script, run once over SSH right after it wakes.

Pure: the script is made here and run elsewhere. The kernel's random state is fresh before it runs: QEMU gives every
clone a new VM generation id, upon which Linux reseeds (drivers/virt/vmgenid.c).
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.providers.vm.files import MANAGEMENT, management_link
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
    route = f"ip route replace default via {MANAGEMENT}.2" if identity.internet else ":"
    return "\n".join(
        [
            "set -e",
            f"date -s @{epoch:.3f} > /dev/null",
            f"hostname {shlex.quote(identity.hostname)}",
            *writes,
            "chmod 600 /etc/ssh/ssh_host_ed25519_key",
            f"ip link set dev eth1 address {identity.mac}",
            f"ip address add {identity.address} dev eth1",
            "ip link set dev eth1 up",
            route,
            "kill -HUP $(cat /run/sshd.pid)",
            "systemctl --no-block restart systemd-journald",
            "",
        ]
    )


def _files(identity: Identity) -> dict[str, str]:
    names = "".join(f"{address} {name}\n" for name, address in identity.hosts.items())
    lan = f"[Match]\nName=eth1\n\n[Link]\nMACAddress={identity.mac}\n\n[Network]\nAddress={identity.address}\n"
    files = {
        "/etc/hostname": f"{identity.hostname}\n",
        "/etc/hosts": f"127.0.0.1 localhost\n{names}",
        "/etc/machine-id": f"{identity.machine_id}\n",
        "/etc/ssh/ssh_host_ed25519_key": identity.host_key.private,
        "/etc/ssh/ssh_host_ed25519_key.pub": f"{identity.host_key.public}\n",
        "/root/.ssh/authorized_keys": f"{identity.authorized_key}\n",
        "/etc/systemd/network/20-cluster.network": f"{lan}LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
        "/var/lib/docker/engine-id": identity.engine_id,
    }
    if identity.internet:
        files["/etc/resolv.conf"] = f"nameserver {MANAGEMENT}.3\n"
        files["/etc/systemd/network/10-management.network"] = management_link(internet=True)
    return files
