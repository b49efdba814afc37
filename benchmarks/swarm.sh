# What the scripts by hand share: nodes reached over OpenSSH (one connection per node, kept open), the docker CLI on
# them, and everything at once that can go at once. Sourced; FOLDER holds plan.sh, which names nodes and files.
# shellcheck shell=bash
# shellcheck source=/dev/null
source "$FOLDER/plan.sh"
MANAGER=${NODES[0]}

lap() { echo "lap: $1"; } # says which part of the work begins; the benchmark takes the times

on() { # NODE CMD…: run a command on a node, over its open connection
  local node=$1
  shift
  ssh -F none -S "$FOLDER/$node.ctl" "root@$node" "$@"
}

connect() { # NODE: open the connection that every later command shares
  local node=$1 tries=0
  until ssh -F none -M -N -f -S "$FOLDER/$node.ctl" -i "$KEY" -o IdentitiesOnly=yes -o ConnectTimeout=20 \
    -o UserKnownHostsFile="$KNOWN_HOSTS" -o StrictHostKeyChecking=yes -o HostKeyAlias="${ALIAS[$node]}" \
    -p "${PORT[$node]}" root@127.0.0.1 < /dev/null > "$FOLDER/$node.ssh.log" 2>&1; do
    ((++tries < 50)) || { cat "$FOLDER/$node.ssh.log"; exit 1; }
    sleep 0.1
  done
}

everywhere() { # FUNCTION NODE…: on all these nodes at once; fails if one does
  local work=$1 node pid pids=()
  shift
  for node in "$@"; do
    "$work" "$node" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
}

join() { # NODE
  on "$1" docker swarm join --advertise-addr "${ADDRESS[$1]}" --token "$TOKEN" "${ADDRESS[$MANAGER]}:2377" > /dev/null
}

build() { # the swarm, its network, and the service, which is not waited for
  lap init
  on "$MANAGER" docker swarm init --advertise-addr "${ADDRESS[$MANAGER]}" > /dev/null
  lap joins
  TOKEN=$(on "$MANAGER" docker swarm join-token --quiet worker)
  everywhere join "${NODES[@]:1}"
  lap network
  on "$MANAGER" docker network create --driver overlay --subnet 10.0.9.0/24 mesh > /dev/null
  lap config
  on "$MANAGER" docker config create --template-driver golang nginx - < "$CONFIG" > /dev/null
  lap service
  on "$MANAGER" docker service create --detach --quiet --no-resolve-image --name web --replicas 2 --network mesh \
    --publish 8080:80 --config source=nginx,target=/etc/nginx/nginx.conf "$IMAGE" > /dev/null
}

# On the node: ask the published port until both replicas have answered.
ASK='seen=; for try in $(seq 600); do
  slot=$(curl --silent --max-time 5 http://127.0.0.1:8080/ | grep -o "\"slot\":\"[0-9]*\"") || { sleep 0.2; continue; }
  case "$seen" in *"$slot"*) ;; "") seen=$slot ;; *) exit 0 ;; esac
done; echo "no answer from both replicas"; exit 1'

await_answers() { on "$1" "$ASK"; }

answers() { # wait until every node has had an answer from both replicas
  lap answers
  everywhere await_answers "${NODES[@]}"
}
