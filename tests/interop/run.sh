#!/usr/bin/env bash
# Runs the official clients against a broker; see README.md.
#
#   run.sh [--against mainstem|apache] [--clients java5,java4,go] [--groups GROUP,...] [--only CASE,...] [--keep] [--list]
#
# Groups, in this order: clients (independent cases, side by side), mqadmin (the admin tool), alone (cases that touch the whole broker),
# restart (the broker is killed and stopped under them), mixed (real and tested brokers in one cluster). All by default.
# The last line is "N passed, N failed, N skipped"; the exit is non-zero if one failed or nothing could run.
#
# Environment: MAINSTEM_BIN (a built binary; else `cargo build --release`), CARGO_TARGET_DIR, JAVA_HOME, INTEROP_BUILD (where clients and
# jars are built and kept, default target/interop), INTEROP_REQUIRE=1 (a missing toolchain is a failure, for CI).
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
against=mainstem clients=java5,java4,go groups=clients,mqadmin,alone,restart,mixed only='' keep='' list=''

usage() { sed -n '2,12s/^# \{0,1\}//p' "$0"; }

while [ $# -gt 0 ]; do
  case $1 in
    --against) against=${2:-} && shift ;;
    --clients) clients=${2:-} && shift ;;
    --groups) groups=${2:-} && shift ;;
    --only) only=${2:-} && shift ;;
    --keep) keep=yes ;;
    --list) list=yes ;;
    -h | --help) usage && exit ;;
    *) echo "unknown argument $1" >&2 && usage >&2 && exit 2 ;;
  esac
  shift
done
case $against in mainstem | apache) ;; *) echo "--against takes mainstem or apache, not '$against'" >&2 && exit 2 ;; esac
for c in ${clients//,/ }; do
  case $c in java5 | java4 | go) ;; *) echo "--clients takes java5, java4 and go, not '$c'" >&2 && exit 2 ;; esac
done
for g in ${groups//,/ }; do
  case $g in clients | mqadmin | alone | restart | mixed) ;; *) echo "unknown group '$g'" >&2 && exit 2 ;; esac
done
has() { case ",$2," in *",$1,"*) return 0 ;; esac; return 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/interop.XXXXXX")
export INTEROP_WORK=$work
results=$work/results
: > "$results"
began=$(date +%s)

# --- end: stop what was started, and only that --------------------------------------------------------------------------------------
cleanup() {
  local pid file
  for pid in ${running[@]+"${running[@]}"}; do kill -KILL "$pid" 2> /dev/null; done
  # Every server keeps its process id in a directory below $work; brokers go before name servers.
  for file in $(find "$work" -name broker.pid) $(find "$work" -name mainstem.pid) $(find "$work" -name namesrv.pid); do
    kill -KILL "$(cat "$file")" 2> /dev/null
  done
  if [ -n "$keep" ]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { echo "$*" | tee -a "$results"; }

# --- toolchains and builds -----------------------------------------------------------------------------------------------------------
. "$here/build.sh"
absent() { # WHAT REASON
  if [ -n "${INTEROP_REQUIRE:-}" ]; then say "FAIL $1: $2"; else say "SKIPPED $1: $2"; fi
}
without() { clients=$(echo "$clients" | tr , '\n' | grep -v "^$1" | paste -sd, -); }

build_mainstem() {
  if [ -n "${MAINSTEM_BIN:-}" ]; then
    [ -x "$MAINSTEM_BIN" ] || { echo "MAINSTEM_BIN=$MAINSTEM_BIN is not there" && return 1; }
    return
  fi
  (cd "$root" && cargo build --release --bin mainstem) || return 1
  export MAINSTEM_BIN=${CARGO_TARGET_DIR:-$root/target}/release/mainstem
}

give_up() { say "FAIL $1"; summary; }

summary() {
  local passed failed skipped
  passed=$(grep -c '^PASS ' "$results") failed=$(grep -c '^FAIL ' "$results") skipped=$(grep -cE '^SKIP(PED)? ' "$results")
  echo
  grep -E '^(FAIL|SKIP|SKIPPED) ' "$results" | cut -c1-300
  echo "took $(($(date +%s) - began)) s against $against"
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ] && [ "$((passed + failed))" != 0 ]
  exit
}

have_java=''
if has java5 "$clients" || has java4 "$clients" || [ "$against" = apache ] || has mixed "$groups"; then
  if reason=$(java_missing); then absent java "$reason"; else have_java=yes; fi
fi
if [ -z "$have_java" ]; then
  without java
  groups=$(echo "$groups" | tr , '\n' | grep -vE '^(mqadmin|mixed)$' | paste -sd, -)
  [ "$against" = apache ] && summary
fi
if has go "$clients" && reason=$(go_missing); then
  absent go "$reason"
  without go
fi
[ -n "$clients" ] || summary

for c in ${clients//,/ }; do
  case $c in
    java*) build_java "$c" || give_up "$c: does not build" ;;
    go) build_go || give_up "go: does not build" ;;
  esac
done
if has mixed "$groups" || [ "$against" = apache ]; then
  "$here/peers/apache.sh" fetch || give_up "apache: its jars cannot be fetched"
fi

# Becomes the runner: call it in a subshell, whose process id is then the runner's.
runner() { # CLIENT ARGUMENTS...
  local client=$1; shift
  # Client homes (logs, broadcast offsets) stay below $work.
  mkdir -p "$work/home-$client"
  case $client in
    java*) # C1 alone: a runner that lives for a minute spends less CPU so.
      exec "$java" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx512m -Duser.home="$work/home-$client" -Drocketmq.client.logRoot="$work/home-$client/logs" \
        -cp "$INTEROP_BUILD/$client/classes:$INTEROP_BUILD/$client/lib/*" interop.Runner --client "$client" "$@" 2>> "$work/$client.err" ;;
    go)
      HOME=$work/home-go exec "$INTEROP_BUILD/go/interop" "$@" 2>> "$work/go.err" ;;
  esac
}

if [ -n "$list" ]; then
  for c in ${clients//,/ }; do (runner "$c" --list) | sed "s/^/$c /"; done
  exit
fi
if [ "$against" = mainstem ]; then build_mainstem || give_up "mainstem: does not build"; fi

# --- servers -------------------------------------------------------------------------------------------------------------------------
port_open() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }
# A port whose neighbours are free too, below the range from which the system takes ports by itself.
free_port() {
  local p
  while :; do
    p=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    case " ${ports[*]-} " in *" $p "* | *" $((p + 1)) "* | *" $((p - 1)) "* | *" $((p + 2)) "* | *" $((p - 2)) "* | *" $((p + 3)) "* | *" $((p - 3)) "*) continue ;; esac
    port_open $p || port_open $((p - 2)) || port_open $((p + 1)) || { ports+=("$p"); return; }
  done
}
ports=()
for _ in $(seq 8); do free_port; done
namesrv=127.0.0.1:${ports[0]} broker=127.0.0.1:${ports[1]}
export INTEROP_PORTS="${ports[*]:2}"
export INTEROP_PEER=$here/peers/$against.sh INTEROP_PEER_DIR=$work/peer INTEROP_APACHE=$here/peers/apache.sh
unset NAMESRV_ADDR ROCKETMQ_HOME

start_peer() {
  echo "starting $against: name server $namesrv, broker $broker"
  "$INTEROP_PEER" standalone "$INTEROP_PEER_DIR" --namesrv-port "${ports[0]}" --broker-port "${ports[1]}"
}

# --- cases ---------------------------------------------------------------------------------------------------------------------------
declare -A running=()
start_group() { # CLIENT GROUP
  local arguments=(--namesrv "$namesrv" --group "$2")
  [ -n "$only" ] && arguments+=(--only "$only")
  [ "$1" = go ] && arguments+=(--broker "$broker")
  (runner "$1" "${arguments[@]}") > "$work/$1-$2.out" &
  running[$1-$2]=$!
}

finish_group() { # CLIENT GROUP
  local out=$work/$1-$2.out code
  wait "${running[$1-$2]}"
  code=$?
  unset "running[$1-$2]"
  # A runner that dies has reported less than it ran.
  if [ $code != 0 ] && ! grep -q '^FAIL ' "$out"; then
    echo "FAIL $1 group $2: the runner ended with $code: $(tail -n 5 "$work/$1.err" 2> /dev/null)" >> "$out"
  fi
  grep -E '^(PASS|FAIL|SKIP|     )' "$out"
  grep -E '^(PASS|FAIL|SKIP) ' "$out" >> "$results"
  return 0
}

if has clients "$groups" || has mqadmin "$groups" || has alone "$groups" || has restart "$groups"; then
  start_peer || give_up "$against: does not start"
fi

# Side by side: the three clients, and the admin tool of the newest. Most of their time is waiting.
for c in ${clients//,/ }; do
  if has clients "$groups"; then start_group "$c" clients; fi
done
if has mqadmin "$groups" && has java5 "$clients"; then start_group java5 mqadmin; fi
for c in ${clients//,/ }; do
  if has clients "$groups"; then finish_group "$c" clients; fi
done
if has mqadmin "$groups" && has java5 "$clients"; then finish_group java5 mqadmin; fi

if has alone "$groups" && has java5 "$clients"; then
  start_group java5 alone
  finish_group java5 alone
fi

# The mixed clusters are servers of their own, and can be beside those that restart.
mixed=''
if has mixed "$groups"; then
  for c in java5 java4; do
    if [ -z "$mixed" ] && has $c "$clients"; then
      mixed=$c
      start_group $c mixed
    fi
  done
fi
if has restart "$groups"; then
  for c in ${clients//,/ }; do
    start_group "$c" restart
    finish_group "$c" restart
  done
fi
if [ -n "$mixed" ]; then finish_group "$mixed" mixed; fi

if [ -d "$INTEROP_PEER_DIR" ]; then
  "$INTEROP_PEER" stop "$INTEROP_PEER_DIR" || say "FAIL $against: did not stop on SIGTERM"
fi
summary
