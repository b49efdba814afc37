"""The path by hand, run for real with stand-ins for QEMU, OpenSSH and the switch."""

import subprocess
from pathlib import Path

import pytest

from benchmarks import byhand
from benchmarks.baseline import SCRIPT
from benchmarks.peers import DOCKER
from orchestrator.errors import NodeError
from orchestrator.model.question import EngineCall, Fetch, Inspect, Lookup, Read, Vantage

PLAN = """
IMAGE=sha256:1 CONFIG=/dev/null DISK=/golden/disk STATE=/golden/state KEY=/golden/key KNOWN_HOSTS=/golden/known_hosts
NODES=(n1 n2 n3)
SWITCH=(switch "$FOLDER/switch")
declare -A PORT=([n1]=2201 [n2]=2202 [n3]=2203) ADDRESS=([n1]=10.1 [n2]=10.2 [n3]=10.3)
declare -A ALIAS=([n1]=golden [n2]=golden [n3]=golden)
REQUESTS=2
start_n1() { exec machine; }
start_n2() { exec machine; }
start_n3() { exec machine; }
"""
MACHINE = """#!/bin/sh
# Loads its state after the second question, as QEMU does after a while.
asked=0
while read -r line; do
  echo "$line" >> told
  case "$line" in
    "info status") asked=$((asked + 1)); [ $asked -gt 2 ] && echo "VM status: paused" || echo "VM status: paused (inmigrate)";;
    cont) exit 0;;
  esac
done
"""  # noqa: E501 (shell)
SWITCH = """#!/bin/sh
mkdir "$1" && : > "$1/ctl"
"""
SSH = """#!/bin/sh
# Notes what is asked of which node, and fails where the test wants it to.
case "$*" in *"sh -s"|*"config create"*) cat > /dev/null;; esac
printf '%s\\n' "$*" >> "$LOG"
case "$*" in *join-token*) echo token;; esac
[ -z "$FAIL" ] || case "$*" in *$FAIL*) exit 1;; esac
exit 0
"""


@pytest.fixture
def by_hand(tmp_path: Path):
    tools, folder = tmp_path / "bin", tmp_path / "hand"
    tools.mkdir()
    folder.mkdir()
    for name, text in {"machine": MACHINE, "ssh": SSH, "qemu-img": "#!/bin/sh\n", "switch": SWITCH}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (folder / "plan.sh").write_text(PLAN)
    for node in ("n1", "n2", "n3"):
        (folder / f"identity-{node}.sh").write_text("set -e\ndate -s @1.000 > /dev/null\n")

    def run(fail: str = "", script: Path = SCRIPT) -> tuple[int, str, list[str]]:
        log = tmp_path / "log"
        environment = {"PATH": f"{tools}:/usr/bin:/bin", "LOG": str(log), "FAIL": fail}
        done = subprocess.run(
            [script, folder], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert not done.stderr
        return done.returncode, done.stdout, log.read_text().replace(str(folder), "").splitlines()

    run.folder = folder
    return run


def test_each_step_follows_the_one_before(by_hand):
    code, told, calls = by_hand()
    laps = ["resume", "init", "joins", "network", "config", "service", "answers"]
    assert (code, told.splitlines()) == (0, [f"lap: {lap}" for lap in laps])
    docker = [call.partition("docker ")[2].split(" --")[0] for call in calls if "docker " in call]
    assert docker == [
        "swarm init",
        "swarm join-token",
        "swarm join",
        "swarm join",
        "network create",
        "config create",
        "service create",
    ]
    assert sum("seen=;" in call and "root@" in call for call in calls) == 3
    joins = [call for call in calls if "swarm join " in call]
    assert sorted(call.partition("root@")[2][:2] for call in joins) == ["n2", "n3"]
    assert all(call.endswith("--token token 10.1:2377") for call in joins)


def test_a_machine_runs_on_only_after_its_state_is_loaded(by_hand):
    by_hand()
    for node in ("n1", "n2", "n3"):
        told = (by_hand.folder / node / "told").read_text().splitlines()
        assert told[:2] == [
            "migrate_set_capability x-ignore-shared on",
            "migrate_incoming \"exec:cat '/golden/state'\"",
        ]
        assert told[-1] == "cont"
        assert told.count("info status") >= 3


@pytest.mark.parametrize("step", ["n2 sh -s", "root@n3 docker swarm join", "service create", "root@n2 seen="])
def test_a_step_that_fails_ends_it(by_hand, step):
    code, _, _ = by_hand(step.replace(" ", "?"))
    assert code != 0


def test_docker_over_ssh_builds_waits_and_asks_every_way(by_hand):
    code, told, calls = by_hand(script=DOCKER)
    laps = ["connect", "init", "joins", "network", "config", "service", "answers", "verify"]
    assert (code, told.splitlines()) == (0, [f"lap: {lap}" for lap in laps])
    assert sum(" -M " in call for call in calls) == 3
    asked = [call for call in calls if "for address in" in call]
    assert len(asked) == 3
    assert all(
        set(call.split(" in ")[1].split(";")[0].split()) == {"127.0.0.1", "10.1", "10.2", "10.3"} for call in asked
    )
    assert sum("$(seq 2)" in call for call in calls) == 3


@pytest.mark.parametrize("step", ["-p 2202", "root@n3 docker swarm join", "root@n2 seen=", "root@n3 for address"])
def test_docker_over_ssh_ends_where_a_step_fails(by_hand, step):
    code, _, _ = by_hand(step.replace(" ", "?"), DOCKER)
    assert code != 0


CURL = """#!/bin/sh
# Answers as the mesh does: the replicas in turn; one replica alone where the test wants it, or none at last.
count=$(cat "$COUNT" 2>/dev/null || echo 0); echo $((count + 1)) > "$COUNT"
case "$FAULT" in one) count=0;; silent) [ "$count" -lt 7 ] || exit 7;; esac
echo "{\\"slot\\":\\"$((count % 2 + 1))\\"}"
"""


@pytest.mark.parametrize(("fault", "code"), [("", 0), ("one", 1), ("silent", 1)])
def test_the_asking_on_a_node_wants_every_answer_and_both_replicas(tmp_path, fault, code):
    (tmp_path / "curl").write_text(CURL)
    (tmp_path / "curl").chmod(0o755)
    (asking,) = DOCKER.read_text().split("VERIFY='")[1].split("'\n")[:1]
    script = asking.replace("ADDRESSES", "127.0.0.1 10.1").replace("REQUESTS", "4")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "COUNT": str(tmp_path / "count"), "FAULT": fault}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")


def test_the_questions_of_the_checks_are_asked_one_by_one(by_hand):
    questions = ["here\texit 3", "n2\tdocker exec 1f nslookup web", "n1\tcurl http://10.3:8080/"]
    (by_hand.folder / "questions").write_text("".join(f"{line}\n" for line in questions))
    code, told, calls = by_hand("nslookup", byhand.SCRIPT)
    assert (code, told) == (0, "")
    assert [call.partition("root@")[2] for call in calls[3:]] == [
        "n2 docker exec 1f nslookup web",
        "n1 curl http://10.3:8080/",
    ]
    assert (by_hand.folder / "codes").read_text().split() == ["3", "1", "0"]


TASK = Vantage("n1", "/var/run/docker/netns/1f", "task 1 of web on n1")


@pytest.mark.parametrize(
    ("question", "lines"),
    [
        (Fetch(TASK, "10.0.9.3", 80, count=2), ["docker exec 1f wget -q -T 5 -O - http://10.0.9.3:80/"] * 2),
        (Fetch(TASK, "fd00::3", 80, "/x"), ["docker exec 1f wget -q -T 5 -O - 'http://[fd00::3]:80/x'"]),
        (Lookup(TASK, "tasks.web"), ["docker exec 1f nslookup -type=a tasks.web"]),
        (Read(Vantage("n1", "/ns/ingress"), ("ipvsadm", "-S")), ["nsenter --net=/ns/ingress ipvsadm -S"]),
        (Read(Vantage("n1"), ("ip", "link")), ["ip link"]),
        (Inspect(Vantage("n1"), "networks"), ["docker network ls"]),
        (Inspect(Vantage("n1"), "network", "a b", verbose=True), ["docker network inspect --verbose 'a b'"]),
        (Inspect(Vantage("n1"), "container", "1f"), ["docker inspect 1f"]),
        (
            EngineCall(Vantage("n1"), "/services/create", '{"Name": "x"}', "/services"),
            [
                (
                    "curl -s --unix-socket /var/run/docker.sock -H 'Content-Type: application/json' "
                    """-d '{"Name": "x"}' http://docker/services/create"""
                )
            ],
        ),
    ],
)
def test_what_a_person_types_to_ask_the_same(question, lines):
    assert list(byhand.commands(question, {TASK.namespace: "1f"})) == lines


@pytest.mark.parametrize(("line", "code"), [("curl http://n1", 28), ("docker exec 1f nslookup web", 126), ("x", 255)])
def test_a_command_by_hand_that_was_not_carried_out_is_no_measurement(line, code):
    with pytest.raises(NodeError, match=f"1 commands by hand failed, the first: {line}"):
        byhand.require_asked([("n1", "x"), ("n1", line)], [0, code])


def test_that_a_name_is_not_known_is_an_answer():
    byhand.require_asked([("n1", "docker exec 1f nslookup web")], [1])
