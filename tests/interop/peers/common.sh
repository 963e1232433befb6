# Sourced by apache.sh and mainstem.sh: the verbs that both share.
#
#   PEER standalone DIR --namesrv-port N --broker-port M [--name NAME] [--set key=value]...
#   PEER nameserver DIR --namesrv-port N
#   PEER broker     DIR --namesrv 'ip:port;ip:port' --broker-port M --name NAME [--set key=value]...
#   PEER again DIR      start once more with the same options, on the same data
#   PEER stop DIR       SIGTERM and wait
#   PEER crash DIR      kill -9 (of the broker, where it is a process of its own)
#
# A start returns when the server answers. DIR keeps options, process ids, logs and data.

die() { echo "$*" >&2; exit 1; }

parse() { # VERB DIR OPTIONS...
  verb=$1 dir=$2; shift 2
  namesrv='' namesrv_port='' broker_port='' name=broker-a settings=()
  while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || die "$1 wants a value"
    case $1 in
      --namesrv) namesrv=$2 ;;
      --namesrv-port) namesrv_port=$2 ;;
      --broker-port) broker_port=$2 ;;
      --name) name=$2 ;;
      --set) settings+=("$2") ;;
      *) die "unknown option $1" ;;
    esac
    shift 2
  done
  [ -n "$namesrv" ] || namesrv=127.0.0.1:$namesrv_port
}

remember() { printf '%s\0' "$@" > "$dir/options"; }

again() { # DIR
  local options=()
  while IFS= read -r -d '' word; do options+=("$word"); done < "$1/options"
  exec "$0" "${options[@]}"
}

alive() { [ -f "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

# Waits until FILE has a line that matches, or the process of PIDFILE ends.
await_line() { # PIDFILE FILE PATTERN
  local i
  for i in $(seq 1200); do
    grep -qE "$3" "$2" 2>/dev/null && return
    alive "$1" || { tail -n 20 "$2" "$dir/stderr" >&2 2>/dev/null; die "$dir: the server ended while starting"; }
    sleep 0.05
  done
  die "$dir: the server was not ready within 60 s"
}

finish() { # SIGNAL PIDFILE
  local pid i
  [ -f "$2" ] || return 0
  pid=$(cat "$2")
  kill "-$1" "$pid" 2>/dev/null || true
  for i in $(seq 600); do
    kill -0 "$pid" 2>/dev/null || { rm -f "$2"; return 0; }
    sleep 0.05
  done
  echo "$pid did not end on SIG$1 within 30 s; killed" >&2
  kill -KILL "$pid" 2>/dev/null || true
  rm -f "$2"
  [ "$1" = KILL ]
}
