#!/usr/bin/env bash
# What `lab up` is measured against: the same three-node swarm by hand, as a careful person would script it with QEMU,
# OpenSSH (one connection per node, kept open) and the docker CLI on the nodes. All that can go in parallel does.
# Usage: baseline.sh FOLDER; there lie plan.sh (machines, addresses, files) and identity-NODE.sh.
# It ends when every node has had an answer from both replicas on the published port. Nothing is taken away.
set -euo pipefail
FOLDER=$1
# shellcheck source=benchmarks/swarm.sh
source "$(dirname "${BASH_SOURCE[0]}")/swarm.sh"

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
  : > monitor.log # is read at once
  exec 3<> monitor
  "start_$node" <&3 >> monitor.log 2> qemu.log &
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

lap resume
"${SWITCH[@]}" > "$FOLDER/switch.log" 2>&1 &
for _ in {1..1000}; do [[ -e $FOLDER/switch/ctl ]] && break; sleep 0.01; done
everywhere resume "${NODES[@]}"
build
answers
