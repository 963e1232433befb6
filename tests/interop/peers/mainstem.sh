#!/usr/bin/env bash
# Mainstem on loopback; the verbs are in common.sh. MAINSTEM_BIN names the binary.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
bin=${MAINSTEM_BIN:-$here/../../../target/release/mainstem}

launch() {
  : > "$dir/stdout"
  nohup "$bin" "$@" > "$dir/stdout" 2>> "$dir/stderr" < /dev/null &
  echo $! > "$dir/mainstem.pid"
  await_line "$dir/mainstem.pid" "$dir/stdout" '^ready'
}

case ${1:-} in
  standalone | nameserver | broker)
    parse "$@"
    [ -x "$bin" ] || die "no binary $bin; build it with 'cargo build --release' or name another in MAINSTEM_BIN"
    mkdir -p "$dir"
    remember "$@"
    sets=(--set "brokerName=$name")
    for s in ${settings[@]+"${settings[@]}"}; do sets+=(--set "$s"); done
    case $verb in
      standalone) launch standalone --listen 127.0.0.1 --namesrv-port "$namesrv_port" --broker-port "$broker_port" --data-dir "$dir/data" "${sets[@]}" ;;
      nameserver) launch nameserver --listen "127.0.0.1:$namesrv_port" ;;
      broker) launch broker --namesrv "$namesrv" --listen 127.0.0.1 --broker-port "$broker_port" --data-dir "$dir/data" "${sets[@]}" ;;
    esac
    ;;
  again) again "$2" ;;
  stop) finish TERM "$2/mainstem.pid" ;;
  crash) finish KILL "$2/mainstem.pid" ;;
  *) die "usage: see the head of $here/common.sh" ;;
esac
