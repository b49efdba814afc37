#!/usr/bin/env bash
# What `lab up` is measured against: the same three-node swarm by hand, as a careful person would script it with QEMU,
# OpenSSH (one connection per node, kept open) and the docker CLI on the nodes. All that can go in parallel does.
# Usage: baseline.sh FOLDER; there lie plan.sh (machines, addresses, files) and identity-NODE.sh.
# It ends when every node has had an answer from both replicas on the published port. Nothing is taken away.
set -euo pipefail
FOLDER=$1
# shellcheck source=/dev/null
source "$FOLDER/plan.sh"

on() { # NODE CMD…: run a command on a node, over its open connection
  local node=$1
  shift
  ssh -F none -S "$FOLDER/$node.ctl" "root@$node" "$@"
}

monitor_says_migrated() { # ask QEMU for its status; true once the saved state is loaded
  echo "info status" >&3
  sleep 0.05
  local last
  last=$(grep -a "VM status" monitor.log | tail -n 1 || true)
  [[ -n $last && $last != *inmigrate* ]]
}

resume() { # NODE: a clone of the golden node, up to its own identity
  local node=$1 machine
  mkdir "$FOLDER/$node"
  cd "$FOLDER/$node"
  qemu-img create -q -f qcow2 -b "$DISK" -F qcow2 disk.qcow2
  mkfifo monitor
  exec 3<> monitor
  "start_$node" <&3 > monitor.log 2> qemu.log &
  machine=$!
  echo "migrate_set_capability x-ignore-shared on" >&3
  echo "migrate_incoming \"exec:cat '$STATE'\"" >&3
  until monitor_says_migrated; do
    kill -0 "$machine" || { cat qemu.log; exit 1; }
  done
  echo "cont" >&3
  connect "$node"
  sed "s/^date -s @[0-9.]*/date -s @$(date +%s.%3N)/" "$FOLDER/identity-$node.sh" | on "$node" sh -s
}

connect() { # NODE: open the connection that every later command shares
  local node=$1 tries=0
  until ssh -F none -M -N -f -S "$FOLDER/$node.ctl" -i "$KEY" -o IdentitiesOnly=yes -o ConnectTimeout=20 \
    -o UserKnownHostsFile="$KNOWN_HOSTS" -o StrictHostKeyChecking=yes -o HostKeyAlias=golden \
    -p "${PORT[$node]}" root@127.0.0.1 < /dev/null > ssh.log 2>&1; do
    ((++tries < 50)) || { cat ssh.log; exit 1; }
    sleep 0.1
  done
}

join() { # NODE
  on "$1" docker swarm join --advertise-addr "${ADDRESS[$1]}" --token "$TOKEN" "${ADDRESS[$MANAGER]}:2377" > /dev/null
}

# On the node: ask the published port until both replicas have answered.
ASK='seen=; for try in $(seq 600); do
  slot=$(curl --silent --max-time 5 http://127.0.0.1:8080/ | grep -o "\"slot\":\"[0-9]*\"") || { sleep 0.2; continue; }
  case "$seen" in *"$slot"*) ;; "") seen=$slot ;; *) exit 0 ;; esac
done; echo "no answer from both replicas"; exit 1'

await_answers() { on "$1" "$ASK"; }

everywhere() { # FUNCTION NODE…: on all these nodes at once; fails if one does
  local work=$1 node pid pids=()
  shift
  for node in "$@"; do
    "$work" "$node" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
}

MANAGER=${NODES[0]}

echo "resume"
"${SWITCH[@]}" > "$FOLDER/switch.log" 2>&1 &
for _ in {1..1000}; do [[ -e $FOLDER/switch/ctl ]] && break; sleep 0.01; done
everywhere resume "${NODES[@]}"

echo "swarm"
on "$MANAGER" docker swarm init --advertise-addr "${ADDRESS[$MANAGER]}" > /dev/null
TOKEN=$(on "$MANAGER" docker swarm join-token --quiet worker)
everywhere join "${NODES[@]:1}"

echo "network and service"
on "$MANAGER" docker network create --driver overlay --subnet 10.0.9.0/24 mesh > /dev/null
on "$MANAGER" docker config create --template-driver golang nginx - < "$CONFIG" > /dev/null
on "$MANAGER" docker service create --detach --quiet --no-resolve-image --name web --replicas 2 --network mesh \
  --publish 8080:80 --config source=nginx,target=/etc/nginx/nginx.conf "$IMAGE" > /dev/null

echo "answers"
everywhere await_answers "${NODES[@]}"
