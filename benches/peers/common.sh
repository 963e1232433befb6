# Sourced by the scripts beside it: where jars are kept, which tools are there, starting and stopping.

benches_peers=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$benches_peers/../.." && pwd)
build=${INTEROP_BUILD:-$root/target/interop}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java

die() { echo "$*" >&2; exit 1; }

# Succeeds with a reason if a Java peer cannot be run here.
java_missing() {
  local version
  version=$("$java" -version 2>&1 | sed -n 's/.*version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -1) || true # a missing java is told below
  if ! command -v "$java" > /dev/null || [ "${version:-0}" -lt 17 ]; then
    echo "no Java 17 or newer found; install one (Debian: apt install openjdk-17-jre-headless) or set JAVA_HOME"
  elif ! command -v mvn > /dev/null && [ ! -f "$jars/complete" ]; then
    echo "no Maven found to fetch its jars; install it (Debian: apt install maven)"
  else
    return 1
  fi
}

# fetch_jars POM PROPERTY=VALUE: into $jars, once. The second attempt may use the network.
fetch_jars() {
  local command
  [ -f "$jars/complete" ] && return
  mkdir -p "$jars"
  command=(mvn -q -B -f "$1" "-D$2" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$jars")
  "${command[@]}" -o > /dev/null 2>&1 || "${command[@]}" >&2 || die "the jars cannot be fetched from Maven Central"
  touch "$jars/complete"
}

port_open() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

# A port that is free and whose neighbours are, below the range from which the system takes ports by itself.
free_port() {
  local p
  while :; do
    p=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    port_open $p || port_open $((p - 2)) || port_open $((p + 1)) || { echo $p; return; }
  done
}

# await PIDFILE LOG COMMAND...: until the command succeeds, a minute at most, or the process ends.
await() {
  local pidfile=$1 log=$2 _; shift 2
  for _ in $(seq 600); do
    "$@" && return
    kill -0 "$(cat "$pidfile")" 2> /dev/null || { tail -n 20 "$log" >&2; die "the server ended while starting; see $log"; }
    sleep 0.1
  done
  die "the server was not ready within a minute; see $log"
}

# finish PIDFILE: SIGTERM, and 20 s later SIGKILL.
finish() {
  local pid _
  [ -f "$1" ] || return 0
  pid=$(cat "$1")
  kill "$pid" 2> /dev/null || true
  for _ in $(seq 200); do
    kill -0 "$pid" 2> /dev/null || { rm -f "$1"; return 0; }
    sleep 0.1
  done
  kill -KILL "$pid" 2> /dev/null || true
  rm -f "$1"
}
