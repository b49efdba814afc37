#!/usr/bin/env bash
# Asks what stands in the file `questions`, one after the other, as a person does with OpenSSH (one connection per node,
# kept open). Each line is a node (here: this machine), a tab, and a command. The exit codes go into the file `codes`.
# Usage: checks.sh FOLDER; there lies plan.sh, too.
set -euo pipefail
FOLDER=$1
# shellcheck source=benchmarks/swarm.sh
source "$(dirname "${BASH_SOURCE[0]}")/swarm.sh"

ask() { # NODE COMMAND
  if [ "$1" = here ]; then bash -c "$2"; else on "$1" "$2"; fi
}

everywhere connect "${NODES[@]}"
while IFS=$'\t' read -r node command; do
  code=0
  ask "$node" "$command" < /dev/null > /dev/null 2>&1 || code=$?
  echo "$code"
done < "$FOLDER/questions" > "$FOLDER/codes"
