#!/usr/bin/env bash
# A real Kafka broker (KRaft, one node) on loopback, its jars from Maven Central:
#
#   kafka.sh start DIR [--port N] [--heap 2g] [--set key=value]...    prints "broker=127.0.0.1:N pid=P"
#   kafka.sh stop DIR
#   kafka.sh tool CLASS ARGUMENTS...    e.g. kafka.tools.DumpLogSegments --deep-iteration --files 00000000000000000000.log
#   kafka.sh run FILE.java ARGUMENTS...   a program of one file with Kafka's jars at hand
#   kafka.sh missing                    succeeds with the reason if it cannot be run here
#   kafka.sh fetch                      downloads the jars (once)
#
# DIR keeps the settings, process id, logs and data. INTEROP_BUILD is where the jars are kept (default target/interop).
set -euo pipefail
. "$(dirname "$0")/common.sh"
version=4.1.1
jars=$build/kafka-$version

usage() { sed -n '4,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }

settings_file() { # PORT SETTINGS...
  local port=$1; shift
  printf '%s\n' process.roles=broker,controller node.id=1 "controller.quorum.voters=1@127.0.0.1:$((port + 1))" \
    "listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))" "advertised.listeners=PLAINTEXT://127.0.0.1:$port" \
    controller.listener.names=CONTROLLER "log.dirs=$dir/data" num.partitions=4 offsets.topic.replication.factor=1 \
    offsets.topic.num.partitions=1 transaction.state.log.replication.factor=1 transaction.state.log.min.isr=1 \
    group.initial.rebalance.delay.ms=0 "$@"
}

start() {
  local port='' heap=2g settings=()
  dir=${1:-} && [ -n "$dir" ] || usage
  shift
  while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || die "$1 wants a value"
    case $1 in
      --port) port=$2 ;;
      --heap) heap=$2 ;;
      --set) settings+=("$2") ;;
      *) die "unknown option $1" ;;
    esac
    shift 2
  done
  fetch_jars "$benches_peers/pom.xml" "kafka.version=$version"
  [ -n "$port" ] || port=$(free_port)
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  settings_file "$port" ${settings[@]+"${settings[@]}"} > "$dir/server.properties"
  if [ ! -f "$dir/data/meta.properties" ]; then
    "$java" -cp "$jars/*" kafka.tools.StorageTool format -t "$("$java" -cp "$jars/*" kafka.tools.StorageTool random-uuid | tail -n 1)" \
      -c "$dir/server.properties" > "$dir/format.out" 2>&1 || { cat "$dir/format.out" >&2; die "the data directory cannot be formatted"; }
  fi
  nohup "$java" -server -Xms"$heap" -Xmx"$heap" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -cp "$jars/*" kafka.Kafka "$dir/server.properties" \
    > "$dir/kafka.out" 2>&1 < /dev/null &
  echo $! > "$dir/kafka.pid"
  await "$dir/kafka.pid" "$dir/kafka.out" port_open "$port"
  echo "broker=127.0.0.1:$port pid=$(cat "$dir/kafka.pid")"
}

verb=${1:-}
[ $# -gt 0 ] && shift
case $verb in
  start) start "$@" ;;
  stop) finish "${1:?which directory}/kafka.pid" ;;
  tool)
    fetch_jars "$benches_peers/pom.xml" "kafka.version=$version"
    exec "$java" -Xmx512m -cp "$jars/*" "$@"
    ;;
  run)
    fetch_jars "$benches_peers/pom.xml" "kafka.version=$version"
    exec "$java" -Xmx1g -cp "$jars/*" "$@"
    ;;
  missing) java_missing ;;
  fetch) fetch_jars "$benches_peers/pom.xml" "kafka.version=$version" ;;
  *) usage ;;
esac
