"""What is read out of the documents of `lab up` and of Ansible, and what Ansible is told."""

import json
import os
from pathlib import Path

import pytest
import yaml

from benchmarks import ansible
from benchmarks.figures import BENCHMARKS
from benchmarks.peers import NODES, inventory
from benchmarks.phases import parts
from benchmarks.workspace import INVENTORY
from orchestrator.config.inventory import load_inventory
from orchestrator.errors import NodeError
from orchestrator.model.inventory import SshAddress
from orchestrator.providers.vm.files import PACKAGES


def step(name, started, seconds):
    return {"step": name, "node": "", "started": started, "seconds": seconds, "ok": True}


UP = {
    "timeline": [
        step("identity n1", 3.0, 1.0),
        step("resume n1", 1.0, 3.0),
        step("resume n2", 1.5, 4.0),
        step("identity n2", 4.0, 1.5),
        step("init n1", 6.0, 0.5),
        step("network x_mesh", 6.5, 0.25),
        step("config x_nginx", 6.5, 0.5),
        step("join n2", 6.5, 2.0),
        step("join n3", 6.6, 2.4),
        step("service x_web", 9.0, 0.1),
        step("await x_web", 9.1, 10.0),
    ],
    "phases": [
        {"phase": "check", "seconds": 0.75},
        {"phase": "answer", "seconds": 0.25},
    ],
}


def test_parts_reach_from_their_first_step_to_their_last():
    assert parts(UP) == pytest.approx(
        {
            "resume": 4.5,
            "identity": 2.5,
            "init": 0.5,
            "joins": 2.5,
            "network": 0.25,
            "config": 0.5,
            "service": 0.1,
            "converge": 10.0,
            "answers": 11.0,
            "check": 0.75,
        }
    )


def test_a_lab_up_that_made_nothing_has_no_parts():
    with pytest.raises(KeyError, match="resume"):
        parts(UP | {"timeline": []})


def test_every_part_is_a_figure():
    keys = {one.key for one in BENCHMARKS if one.group == "phases"}
    assert keys == {f"part {part}" for part in parts(UP)}


PLAYED = {
    "plays": [
        {
            "tasks": [
                {
                    "task": {
                        "name": "verify",
                        "duration": {"start": "2026-01-02T03:04:05.000000Z", "end": "2026-01-02T03:04:07.500000Z"},
                    },
                    "hosts": {
                        host: {
                            "results": [{"status": 200, "content": json.dumps({"slot": slot})} for slot in ("1", "2")]
                        }
                        for host in ("n1", "n2")
                    },
                }
            ]
        }
    ]
}


def test_a_task_took_from_its_start_to_its_end():
    assert ansible.task_seconds(PLAYED) == {"verify": 2.5}


@pytest.mark.parametrize(("ways", "replicas"), [(5, 2), (4, 3)])
def test_ansible_has_not_done_the_job_where_an_answer_is_missing(ways, replicas):
    ansible.require_answers(PLAYED, 4, 2)
    with pytest.raises(NodeError, match=f"4 of {ways} ways answered, of 2 replicas"):
        ansible.require_answers(PLAYED, ways, replicas)


def test_an_answer_with_an_error_is_none():
    played = json.loads(json.dumps(PLAYED))
    played["plays"][0]["tasks"][0]["hosts"]["n2"]["results"][0]["status"] = 502
    with pytest.raises(NodeError, match="3 of 4"):
        ansible.require_answers(played, 4, 2)


def test_ansible_knows_each_node_by_its_login_and_address():
    nodes = load_inventory(NODES, os.environ).value
    logins = {
        name: SshAddress("127.0.0.1", 2200 + number, "root", Path("/key"), Path("/known"), f"{name}.peers")
        for number, name in enumerate(("n1", "n2", "n3"))
    }
    made = ansible.inventory(nodes, logins, {"image": "sha256:1"})
    assert (set(made["managers"]["hosts"]), set(made["workers"]["hosts"])) == ({"n1"}, {"n2", "n3"})
    one = made["workers"]["hosts"]["n2"]
    assert (one["ansible_port"], one["lan"]) == (2201, "192.168.90.12")
    assert one["ansible_ssh_common_args"] == "-o UserKnownHostsFile=/known -o HostKeyAlias=n2.peers"
    assert made["all"]["vars"] == {"image": "sha256:1"}


def test_the_playbooks_do_the_same_job():
    build = yaml.safe_load((ansible.PLAYBOOKS / "build.yml").read_text())
    tasks = {task["name"]: task for play in build for task in play["tasks"]}
    assert list(tasks) == ["init", "joins", "network", "config", "service", "answers"]
    service = tasks["service"]["community.docker.docker_swarm_service"]
    assert (service["replicas"], service["resolve_image"]) == (2, False)
    (asking,) = yaml.safe_load((ansible.PLAYBOOKS / "verify.yml").read_text())[0]["tasks"]
    assert asking["name"] == "verify"


def test_python_is_on_the_nodes_only_where_ansible_takes_part():
    assert inventory({"docker"}) == INVENTORY
    assert inventory({"docker", "ansible"}) == NODES
    assert not {"python3", "python3-docker"} & set(PACKAGES)
