"""Keys of Compose files that we know and do not support.

Sources: the schema 3.13 of ``docker stack deploy`` (docker/cli, ``config_schema_v3.13.json``) and the Compose
Specification. They are listed so that a message can tell "not supported" from "misspelt".
"""

from __future__ import annotations


def keys(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


TOP = keys("volumes secrets include models")
SERVICE = keys("""
    annotations attach blkio_config build cap_drop cgroup cgroup_parent cgroupns_mode container_name cpu_count
    cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset credential_spec depends_on
    develop device_cgroup_rules devices dns dns_opt dns_search domainname env_file expose extends external_links
    extra_hosts gpus group_add init ipc isolation label_file links logging mac_address mem_limit mem_reservation
    mem_swappiness memswap_limit models network_mode oom_kill_disable oom_score_adj pid pids_limit platform
    post_start pre_stop privileged profiles provider pull_policy read_only restart runtime scale secrets
    security_opt shm_size stdin_open stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket userns_mode
    uts volumes volumes_from
""")
DEPLOY = keys("resources rollback_config")
PLACEMENT = keys("preferences")
HEALTHCHECK = keys("start_interval")
SERVICE_NETWORK = keys("""
    driver_opts gw_priority interface_name ipv4_address ipv6_address link_local_ips mac_address priority
""")
PORT = keys("app_protocol host_ip name")
NETWORK = keys("enable_ipv4 enable_ipv6")
DRIVER_OPTS = keys("com.docker.network.driver.overlay.vxlanid_list com.docker.network.enable_ipv6")
IPAM = keys("driver options")
IPAM_CONFIG = keys("aux_addresses ip_range")
CONFIG = keys("driver environment external")
