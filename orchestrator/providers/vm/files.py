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
    "udev",
    "kmod",
    "iproute2",
    "iptables",
    "procps",
    "less",
    "openssh-server",
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
    "systemd-networkd-wait-online.service",
    "systemd-networkd-persistent-storage.service",
)

_SSHD = """HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
MaxStartups 100
MaxSessions 100
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


def management_link(*, internet: bool) -> str:
    """The systemd-networkd file of the management NIC.

    Without internet there is no default route either: a name lookup or a pull then fails at once ("network is
    unreachable") instead of waiting for packets that nobody answers.
    """
    gateway = f"Gateway={MANAGEMENT}.2\n" if internet else ""
    return (
        f"[Match]\nName=eth0\n\n[Network]\nAddress={MANAGEMENT_ADDRESS}/24\n{gateway}"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    )


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
        "etc/systemd/network/10-management.network": (management_link(internet=False), 0o644),
        "etc/systemd/system/lab-ready.service": (_READY_UNIT, 0o644),
        "etc/sysctl.d/90-lab.conf": ("kernel.printk = 3 4 1 3\n", 0o644),
    }
    links = {f"etc/systemd/system/{unit}": "/dev/null" for unit in MASKED}
    links |= {
        f"{_WANTS}/systemd-networkd.service": "/usr/lib/systemd/system/systemd-networkd.service",
        f"{_WANTS}/lab-ready.service": "/etc/systemd/system/lab-ready.service",
    }
    return Overlay(files, links)
