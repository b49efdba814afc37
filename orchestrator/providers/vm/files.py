"""The files that turn a Debian with Docker into a node: laid over the file system when the image is built.

Pure data. A node is meant to look like a user's server (systemd, journal, sshd, docker.service), only without
what would run by itself and disturb an experiment: timers, waiting for the network, name lookups.
"""

from __future__ import annotations

from dataclasses import dataclass

MANAGEMENT = "192.168.91"
"""First three numbers of the /24 on the management NIC, behind QEMU's user network (.2 is the operator, .3 is DNS)."""

MANAGEMENT_ADDRESS = f"{MANAGEMENT}.15"

READY = "lab-node-ready"
"""What a node says on its serial line when sshd and dockerd answer."""

PACKAGES = (
    "systemd-sysv",
    "dbus",
    "kmod",
    "iproute2",
    "iptables",
    "procps",
    "less",
    "openssh-server",
    "sudo",
    "docker.io",
    "docker-cli",
    "ca-certificates",
    "linux-image-cloud-amd64",
    "busybox-static",
    "e2fsprogs",
    "ipvsadm",
    "conntrack",
    "tcpdump",
    "ethtool",
    "iputils-ping",
    "curl",
)
"""Besides Docker and sshd: what one reaches for to look at Swarm networking on a node."""

_LACKS = {"bookworm": ("docker-cli",)}
"""Packages that a release does not have: there docker.io brings the command itself."""


def packages_of(suite: str) -> tuple[str, ...]:
    """What a node of that Debian release is made of."""
    return tuple(package for package in PACKAGES if package not in _LACKS.get(suite, ()))


EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")

MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    "sshd-keygen.service",
    "systemd-logind.service",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-udevd.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udev-trigger.service",
)
"""Units that do not run on a node.

The device manager is one of them: Docker makes and moves a handful of virtual interfaces for every task, and udevd
(with networkd behind it) spends as much time on rules that change nothing about them as dockerd on starting the
task. A node's own hardware is known, so nothing needs it.
"""

_SSHD = """HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
MaxStartups 100
MaxSessions 100
"""

NETWORK_SCRIPT = "/etc/lab-network"

_NETWORK_UNIT = f"""[Unit]
Description=Addresses of the management NIC and of the cluster LAN
After=systemd-modules-load.service
Before=network.target docker.service ssh.service
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={NETWORK_SCRIPT}

[Install]
WantedBy=multi-user.target
"""

_READY_UNIT = f"""[Unit]
Description=Say on the serial line that this node is ready
After=docker.service ssh.service
Requires=docker.service ssh.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo {READY} > /dev/ttyS0'

[Install]
WantedBy=multi-user.target
"""

_WANTS = "etc/systemd/system/multi-user.target.wants"


def network_script(*, lan_address: str = "", lan_mac: str = "", internet: bool = False) -> str:
    """What configures a node's network cards at boot; ``lan_address`` has a prefix length.

    Without internet there is no default route either: a name lookup or a pull then fails at once ("network is
    unreachable") instead of waiting for packets that nobody answers.
    """
    lines = ["#!/bin/sh -e", f"ip address replace {MANAGEMENT_ADDRESS}/24 dev eth0", "ip link set dev eth0 up"]
    if internet:
        lines.append(f"ip route replace default via {MANAGEMENT}.2")
    if lan_address:
        lines += [
            f"ip link set dev eth1 address {lan_mac}",
            f"ip address replace {lan_address} dev eth1",
            "ip link set dev eth1 up",
        ]
    return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Overlay:
    """Files (path → text, mode) and symbolic links (path → target), relative to the root."""

    files: dict[str, tuple[str, int]]
    links: dict[str, str]


def node_overlay(*, host_key: str, host_key_public: str, authorized_key: str) -> Overlay:
    """Everything of our own that a node image holds. The keys are those of the golden node; a clone gets others."""
    files = {
        "etc/hostname": ("golden\n", 0o644),
        "etc/hosts": ("127.0.0.1 localhost\n", 0o644),
        "etc/fstab": ("", 0o644),
        "etc/resolv.conf": ("", 0o644),
        "etc/machine-id": ("uninitialized\n", 0o444),
        "etc/ssh/sshd_config.d/lab.conf": (_SSHD, 0o644),
        "etc/ssh/ssh_host_ed25519_key": (host_key, 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": (host_key_public + "\n", 0o644),
        "root/.ssh/authorized_keys": (authorized_key + "\n", 0o600),
        NETWORK_SCRIPT.removeprefix("/"): (network_script(), 0o755),
        "etc/modules-load.d/lab.conf": ("virtio_net\nvirtio_rng\n", 0o644),
        "etc/systemd/system/lab-network.service": (_NETWORK_UNIT, 0o644),
        "etc/systemd/system/lab-ready.service": (_READY_UNIT, 0o644),
        "etc/sysctl.d/90-lab.conf": ("kernel.printk = 3 4 1 3\n", 0o644),
    }
    links = {f"etc/systemd/system/{unit}": "/dev/null" for unit in MASKED}
    links |= {
        f"{_WANTS}/lab-network.service": "/etc/systemd/system/lab-network.service",
        f"{_WANTS}/lab-ready.service": "/etc/systemd/system/lab-ready.service",
    }
    return Overlay(files, links)
