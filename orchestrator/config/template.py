"""The commented inventory that ``lab init`` writes."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.model.inventory import ProviderKind

_HEAD = """\
# yaml-language-server: $schema=inventory.schema.json
# Inventory of Swarm Mesh Lab. Your editor completes it after: lab schema inventory > inventory.schema.json
# Any value may come from the environment: ${{NAME}}, or with a default ${{NAME:-default}}.

# Name of the cluster; becomes a folder. Lowercase letters, digits and '-'.
name: lab

# vm: machines that lab makes (QEMU). ssh: hosts that exist and have Docker.
provider: {provider}
"""

_VM = """
# Every node has these settings unless it has its own.
defaults:
  vm:
    cpus: 1
    memory: 1GiB
    disk: 8GiB
    suite: trixie # Debian release of the node: bookworm, trixie, forky or sid

nodes:
  - name: n1
    role: manager # the first manager initialises the swarm; have 1, 3 or 5 of them
  - name: n2
    role: worker
    # availability: drain # active (default), pause or drain
    # labels: {disk: ssd} # for placement constraints: node.labels.disk == ssd
  - name: n3
    role: worker

vm:
  lan: 192.168.90.0/24 # network between the nodes; n1 gets .11, n2 .12 and so on
  internet: false # whether nodes reach the internet through this machine
"""

_SSH = """
# Every node has these settings unless it has its own.
defaults:
  ssh:
    # What is not said here is what your ~/.ssh/config says; `lab trust` records the keys of the hosts.
    user: ${LAB_SSH_USER:-root} # root, a member of the group docker, or a user with sudo
    # port: 22
    # jump: me@bastion.example # hosts on the way, as for ssh -J
    # key: ~/.ssh/id_ed25519 # default: the agent's and your usual keys
    # known_hosts: known_hosts # default: ~/.ssh/known_hosts

nodes:
  - name: n1
    role: manager # the first manager initialises the swarm; have 1, 3 or 5 of them
    ssh:
      host: 192.0.2.11 # address or name of the host
    advertise_addr: 192.0.2.11 # address or interface (eth1) that the other nodes use
  - name: n2
    role: worker
    ssh:
      host: 192.0.2.12
    advertise_addr: 192.0.2.12
    # data_path_addr: eth2 # for traffic between containers, where it has a network of its own
  - name: n3
    role: worker
    ssh:
      host: 192.0.2.13
    advertise_addr: 192.0.2.13
    # availability: drain # active (default), pause or drain
    # labels: {disk: ssd} # for placement constraints: node.labels.disk == ssd
"""

_SWARM = """
# swarm: # options of docker swarm init; pools must not overlap the networks of the nodes
#   default_addr_pool: [10.20.0.0/16]
#   subnet_size: 24
#   data_path_port: 4789

# Lab folders or Compose files that `lab up` deploys, relative to this file.
"""


def inventory_template(provider: ProviderKind, labs: Sequence[str] = ()) -> str:
    """A commented inventory of three nodes that deploys ``labs`` (paths relative to where it will stand)."""
    nodes = _VM if provider is ProviderKind.VM else _SSH
    entries = "labs:\n" + "".join(f"  - {lab}\n" for lab in labs) if labs else "labs: [] # [labs/ingress-mesh]\n"
    return _HEAD.format(provider=provider.value) + nodes + _SWARM + entries
