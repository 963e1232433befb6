# What the scripts begin with in which Apache's broker and Mainstem take turns on one data directory, to be sourced by them: the
# directory, ports, and how a turn begins. Each of the two sees the directory as its own, by a link. Wants `here`, `script` (the
# script's name) and `keep` (not empty: the directory stays).
. "$here/build.sh"
bin=${MAINSTEM_BIN:-$here/../../target/release/mainstem}
[ -x "$bin" ] || { echo "no binary $bin; build it or name another in MAINSTEM_BIN" >&2 && exit 2; }
if reason=$(java_missing); then echo "SKIPPED $script: $reason"; exit 3; fi
build_java java5 || exit 1
"$here/peers/apache.sh" fetch || exit 1

work=$(mktemp -d "${TMPDIR:-/tmp}/$script.XXXXXX")
mkdir -p "$work/data" "$work/apache" "$work/mainstem"
ln -s "$work/data" "$work/apache/store"
ln -s "$work/data" "$work/mainstem/data"
serving=''
cleanup() {
  [ -z "$serving" ] || "$here/peers/$serving.sh" stop "$work/$serving" > /dev/null 2>&1
  if [ -n "$keep" ]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

free_port() {
  local p
  while :; do
    p=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    for q in $p $((p - 2)) $((p + 1)) $((p + 2)); do (exec 3<> "/dev/tcp/127.0.0.1/$q") 2> /dev/null && continue 2; done
    echo $p && return
  done
}
namesrv_port=$(free_port) broker_port=$(free_port)
export NAMESRV_ADDR=127.0.0.1:$namesrv_port
failed=0
verdict() { # STATUS WHAT
  if [ "$1" = 0 ]; then echo "PASS $2"; else echo "FAIL $2" && failed=1 && return 1; fi
}

serve() { # apache or mainstem
  # Apache's broker has this file size in its settings; the directory must be opened with the size that it was written with.
  local size=()
  [ "$1" = mainstem ] && size=(--set mappedFileSizeCommitLog=67108864)
  "$here/peers/$1.sh" standalone "$work/$1" --namesrv-port "$namesrv_port" --broker-port "$broker_port" ${size[@]+"${size[@]}"} || { echo "FAIL $1 does not start on the directory"; exit 1; }
  serving=$1
}

# reach TOPIC...: until each can be reached; a broker that says it serves may be known to its new name server only later, topic by topic.
reach() {
  local topic
  for topic; do
    for _ in $(seq 150); do
      "$bin" topic describe "$topic" > "$work/describe" 2>&1 && continue 2
      sleep 0.2
    done
    echo "after 30 s $serving is not asked for $topic: $(cat "$work/describe")"
  done
}

admin() { "$java" -XX:TieredStopAtLevel=1 -Duser.home="$work/home" -Drocketmq.client.logRoot="$work/home/logs" -cp "$INTEROP_BUILD/apache-5.5.0/*" \
  org.apache.rocketmq.tools.command.MQAdminStartup "$@" 2>&1; }
