#!/usr/bin/env bash
# The job of `lab up` and `lab verify` on nodes that run, as a careful person would script it with OpenSSH (one
# connection per node, kept open) and the docker CLI and curl on the nodes. Usage: docker.sh FOLDER; there lies plan.sh.
# It ends when both replicas run and every node has had as many answers as are asked for (REQUESTS) from every node's
# address and from 127.0.0.1, from both replicas through each. Nothing is taken away.
set -euo pipefail
FOLDER=$1
# shellcheck source=benchmarks/swarm.sh
source "$(dirname "${BASH_SOURCE[0]}")/swarm.sh"

# On the node: REQUESTS times each address, from one shell; every answer counts, and both replicas must be among them.
VERIFY='for address in ADDRESSES; do
  answers=$(for try in $(seq REQUESTS); do curl --silent --max-time 5 "http://$address:8080/"; done)
  number=$(echo "$answers" | grep -c "\"slot\":")
  slots=$(echo "$answers" | grep -o "\"slot\":\"[0-9]*\"" | sort -u | wc -l)
  [ "$number" = REQUESTS ] && [ "$slots" = 2 ] || { echo "$address: $number answers of $slots replicas"; exit 1; }
done'

verify() { # NODE
  local addresses="127.0.0.1 ${ADDRESS[*]}" script
  script=${VERIFY//ADDRESSES/$addresses}
  on "$1" "${script//REQUESTS/$REQUESTS}"
}

lap connect
everywhere connect "${NODES[@]}"
build
answers
lap verify
everywhere verify "${NODES[@]}"
