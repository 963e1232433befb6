#!/usr/bin/env bash
# Mainstem, the real Apache RocketMQ and the real Kafka as servers on this machine, under the same load:
#
#   compare.sh [--quick] [--peers mainstem,apache,kafka] [--flush async,sync] [--count 200000] [--warm 1500000] [--size 1024]
#              [--topics 1,100,1000] [--rates 5000,20000] [--seconds 10] [--dir DIR] [--out FILE]
#
# Mainstem and Apache get the same bytes from `mainstem bench`, load by load in turns: who is not measured is stopped (SIGSTOP), so that
# it costs nothing. Kafka has another protocol and is loaded by its own client library (KafkaLoad.java), so its rows are what its users
# get, not the same requests. Java servers are warmed up with --warm messages before anything counts. Open loops run for --seconds, at
# each of --rates and at half of what the same server took as fast as it goes. --quick takes a few minutes: a fifth of the messages and
# of the warm-up. A peer that cannot run here is named and left out.
# Prints a Markdown page, or writes it to FILE; each result as JSON is kept in DIR/results. Servers and data are gone at the end.
set -euo pipefail
. "$(dirname "$0")/common.sh"
peers=mainstem,apache,kafka flushes=async,sync count=200000 warm=1500000 size=1024 topics=1,100,1000 rates=5000,20000 seconds=10 dir='' out=''
command="benches/peers/compare.sh${*:+ $*}"

usage() { sed -n '2,14s/^# \{0,1\}//p' "$0"; }
number() { case $2 in '' | *[!0-9]*) die "$1 takes a number, not '$2'" ;; esac; }

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit ;;
    --quick) count=40000 warm=300000 seconds=4 && shift && continue ;;
    --peers) peers=${2:-} ;;
    --flush) flushes=${2:-} ;;
    --count) count=${2:-} && number "$1" "$count" ;;
    --warm) warm=${2:-} && number "$1" "$warm" ;;
    --size) size=${2:-} && number "$1" "$size" ;;
    --topics) topics=${2:-} ;;
    --rates) rates=${2:-} ;;
    --seconds) seconds=${2:-} && number "$1" "$seconds" ;;
    --dir) dir=${2:-} ;;
    --out) out=${2:-} ;;
    *) echo "unknown argument $1" >&2 && usage >&2 && exit 2 ;;
  esac
  [ $# -ge 2 ] || die "$1 wants a value"
  shift 2
done
for p in ${peers//,/ }; do case $p in mainstem | apache | kafka) ;; *) die "--peers takes mainstem, apache and kafka, not '$p'" ;; esac; done
for f in ${flushes//,/ }; do case $f in async | sync) ;; *) die "--flush takes async and sync, not '$f'" ;; esac; done
for t in ${topics//,/ }; do number --topics "$t"; done
for r in ${rates//,/ }; do number --rates "$r"; done

work=${dir:-$(mktemp -d "${TMPDIR:-/tmp}/mainstem-compare.XXXXXX")}
mkdir -p "$work/results"
work=$(cd "$work" && pwd)
rows=$work/rows
: > "$rows"

# Room for the warm-up and the runs of one server, records and preallocated files included.
needed=$(((warm + count * 8 + seconds * 80000) * (size + 300) / 1048576 * 2 + 6144))
free=$(df -Pm "$work" | awk 'NR == 2 { print $4 }')
[ "$free" -ge $((needed + 2048)) ] ||
  die "$work has $free MiB free; this needs $needed MiB and leaves 2048 to others: free some space, lower --warm or --count, or name another --dir"

# Process ids and addresses of the servers that run.
declare -A pids=() brokers=() maxima=()

resume() { kill -CONT "${pids[$1]}"; }
pause() { kill -STOP "${pids[$1]}"; }

stop_all() {
  local peer
  for peer in "${!pids[@]}"; do kill -CONT "${pids[$peer]}" 2> /dev/null || true; done
  pids=()
  [ ! -d "$work/apache" ] || "$benches_peers/apache.sh" stop "$work/apache"
  [ ! -d "$work/kafka" ] || "$benches_peers/kafka.sh" stop "$work/kafka"
  finish "$work/mainstem.pid"
  rm -rf "$work/apache" "$work/kafka" "$work/mainstem"
}
cleanup() { stop_all; [ -n "$dir" ] || rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT TERM

mainstem=${MAINSTEM_BIN:-}
if [ -z "$mainstem" ]; then
  (cd "$root" && cargo build --release --bin mainstem >&2)
  mainstem=${CARGO_TARGET_DIR:-$root/target}/release/mainstem
fi
[ -x "$mainstem" ] || die "MAINSTEM_BIN=$mainstem is not there"

say() { echo "$*" >&2; }

row() { # PEER FLUSH LOAD FIELDS...: a line of the table
  local IFS='|'
  echo "|$*|" >> "$rows"
}

# number_of FILE KEY: the first value of a key in a JSON result.
number_of() { sed -n "s/.*\"$2\": \([0-9.]*\).*/\1/p" "$1" | head -1; }

fields() { # PEER FLUSH LOAD JSON CPU-US-PER-MESSAGE ANONYMOUS-MIB: the row of a result
  local messages seconds bytes
  messages=$(number_of "$4" messages) seconds=$(number_of "$4" seconds) bytes=$(number_of "$4" bytes)
  row "$1" "$2" "$3" "$(awk "BEGIN { printf \"%.0f\", $messages / $seconds }")" "$(awk "BEGIN { printf \"%.0f\", $bytes / 1e6 / $seconds }")" \
    "$(number_of "$4" p50_us)" "$(number_of "$4" p99_us)" "$(number_of "$4" p99_9_us)" "$(number_of "$4" p99_99_us)" "$5" "$6"
}

# Messages a second of a result.
rate_of() { awk "BEGIN { printf \"%.0f\", $(number_of "$1" messages) / $(number_of "$1" seconds) }"; }

bench() { # PEER FLUSH LOAD-NAME ARGUMENTS...: one load by `mainstem bench`, and its row
  local peer=$1 flush=$2 load=$3; shift 3
  last_json=$work/results/$peer-$flush-${load//[^a-z0-9]/-}.json
  say "$peer, $flush: $load"
  resume "$peer"
  "$mainstem" bench "$@" --broker "${brokers[$peer]}" --pid "${pids[$peer]}" --json "$last_json" > "$last_json.txt" 2>&1 ||
    { cat "$last_json.txt" >&2; skipped+=("$peer, $flush, $load: $(tail -1 "$last_json.txt")"); pause "$peer"; return 0; }
  pause "$peer"
  fields "$peer" "$flush" "$load" "$last_json" "$(number_of "$last_json" server_cpu_us_per_message | cut -c1-5)" "$(number_of "$last_json" anonymous_mib | cut -d. -f1)"
}

in_turns() { # FLUSH LOAD-NAME ARGUMENTS...: the load for each RocketMQ server that runs
  local peer flush=$1 load=$2; shift 2
  for peer in $running; do bench "$peer" "$flush" "$load" "$@"; done
}

rocketmq_loads() { # FLUSH
  local t r peer half
  for peer in $running; do
    bench "$peer" "$1" "4 x 64 in flight" produce --create --topic load --count "$count" --size "$size"
    maxima[$peer]=$(rate_of "$last_json")
  done
  in_turns "$1" "batches of 32, 4 x 8" produce --topic load --count "$count" --size "$size" --batch 32 --window 8
  in_turns "$1" "one in flight" produce --topic load --count $((count / 20)) --size "$size" --connections 1 --window 1
  in_turns "$1" "consume all" consume --topic load
  for r in ${rates//,/ }; do
    in_turns "$1" "open loop, $r a second" produce --topic load --count $((r * seconds)) --size "$size" --rate "$r"
  done
  for peer in $running; do
    half=$((${maxima[$peer]} / 2))
    bench "$peer" "$1" "open loop, half of its most" produce --topic load --count $((half * seconds)) --size "$size" --rate "$half"
  done
  r=${rates%%,*}
  in_turns "$1" "end to end, $r a second" end-to-end --create --topic tail --count $((r * seconds)) --size "$size" --rate "$r"
  for t in ${topics//,/ }; do
    in_turns "$1" "$t topics in turn, 4 x 64" produce --create --topic "many-$t" --topics "$t" --queues 1 --count "$count" --size "$size"
  done
}

start_mainstem() { # FLUSH
  local mode=ASYNC_FLUSH
  [ "$1" = async ] || mode=SYNC_FLUSH
  "$mainstem" standalone --data-dir "$work/mainstem" --namesrv-port 0 --broker-port 0 --set flushDiskType=$mode > "$work/mainstem.out" 2>&1 &
  echo $! > "$work/mainstem.pid"
  await "$work/mainstem.pid" "$work/mainstem.out" grep -q '^ready' "$work/mainstem.out"
  pids[mainstem]=$(cat "$work/mainstem.pid")
  brokers[mainstem]=$(sed -n 's/^ *broker *\([0-9.:]*\) .*/\1/p' "$work/mainstem.out" | head -1)
  [ -n "${brokers[mainstem]}" ] || die "no broker address in $work/mainstem.out"
}

start_apache() { # FLUSH
  local started
  started=$("$benches_peers/apache.sh" start "$work/apache" --flush "$1") || return 1
  brokers[apache]=$(sed -n 's/.*broker=\([^ ]*\).*/\1/p' <<< "$started") pids[apache]=$(sed -n 's/.*pid=\([0-9]*\).*/\1/p' <<< "$started")
  say "apache, $1: warming up with $warm messages"
  # Two thirds in batches where each message waits for the disk: one by one it would take minutes.
  if [ "$1" = sync ]; then
    "$mainstem" bench produce --broker "${brokers[apache]}" --create --topic warm --count $((warm * 2 / 3)) --size "$size" --batch 32 --window 8 > /dev/null
    "$mainstem" bench produce --broker "${brokers[apache]}" --topic warm --count $((warm / 3)) --size "$size" > /dev/null
  else
    "$mainstem" bench produce --broker "${brokers[apache]}" --create --topic warm --count "$warm" --size "$size" > /dev/null
  fi
}

cpu_us() { awk -v ticks="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) * 1000000 / ticks }' "/proc/$1/stat"; }

anonymous_mib() { awk '/^RssAnon/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status"; }

kafka_load() { # FLUSH LOAD SETTINGS...: by the client library, and its row
  local flush=$1 load=$2 before cpu; shift 2
  last_json=$work/results/kafka-$flush-${load//[^a-z0-9]/-}.json
  say "kafka, $flush: $load"
  before=$(cpu_us "${pids[kafka]}")
  "$benches_peers/kafka.sh" run "$benches_peers/KafkaLoad.java" "${brokers[kafka]}" "size=$size" "$@" > "$last_json" 2> "$last_json.txt" ||
    { cat "$last_json.txt" >&2; skipped+=("kafka, $flush, $load: $(tail -1 "$last_json.txt")"); return 0; }
  cpu=$(awk "BEGIN { printf \"%.1f\", ($(cpu_us "${pids[kafka]}") - $before) / $(number_of "$last_json" sent) }")
  fields kafka "$flush" "$load" "$last_json" "$cpu" "$(anonymous_mib "${pids[kafka]}")"
}

kafka_consume() { # FLUSH COUNT
  local before result
  say "kafka, $1: consume all"
  before=$(cpu_us "${pids[kafka]}")
  result=$("$benches_peers/kafka.sh" tool org.apache.kafka.tools.ConsumerPerformance --bootstrap-server "${brokers[kafka]}" --topic load --messages "$2" 2> /dev/null | tail -1)
  # start, end, MB, MB/s, messages, messages/s, ...
  awk -F', ' -v cpu=$(($(cpu_us "${pids[kafka]}") - before)) -v n="$2" -v rss="$(anonymous_mib "${pids[kafka]}")" -v flush="$1" \
    '{ printf "|kafka|%s|consume all|%.0f|%.0f|||||%.1f|%s|\n", flush, $6, $4 * 1.048576, cpu / n, rss }' <<< "$result" >> "$rows"
}

run_kafka() { # FLUSH
  local started settings=() t r half
  [ "$1" = async ] || settings=(--set log.flush.interval.messages=1)
  started=$("$benches_peers/kafka.sh" start "$work/kafka" ${settings[@]+"${settings[@]}"}) || return 1
  brokers[kafka]=$(sed -n 's/.*broker=\([^ ]*\).*/\1/p' <<< "$started") pids[kafka]=$(sed -n 's/.*pid=\([0-9]*\).*/\1/p' <<< "$started")
  say "kafka, $1: warming up with $warm messages"
  if [ "$1" = sync ]; then settings=(batch.size=262144 linger.ms=5); else settings=(); fi
  "$benches_peers/kafka.sh" run "$benches_peers/KafkaLoad.java" "${brokers[kafka]}" "size=$size" create=true topic=warm "count=$warm" window=0 warm=0 \
    ${settings[@]+"${settings[@]}"} > /dev/null
  kafka_load "$1" "client batches" create=true topic=load "count=$count" window=0
  half=$(($(rate_of "$last_json") / 2))
  kafka_load "$1" "4 x 64 in flight, no batches" topic=load "count=$((count / 4))" batch.size=0 warm=5000
  kafka_load "$1" "one in flight" topic=load "count=$((count / 20))" producers=1 window=1 batch.size=0 warm=500
  kafka_consume "$1" "$count"
  for r in ${rates//,/ }; do
    kafka_load "$1" "open loop, $r a second" topic=load "count=$((r * seconds))" "rate=$r" window=0 warm=20000
  done
  kafka_load "$1" "open loop, half of its most" topic=load "count=$((half * seconds))" "rate=$half" window=0 warm=20000
  for t in ${topics//,/ }; do
    kafka_load "$1" "$t topics in turn, client batches" create=true "topic=many-$t" "topics=$t" partitions=1 "count=$count" window=0 warm=20000
  done
}

skipped=() usable=''
for peer in ${peers//,/ }; do
  if [ "$peer" != mainstem ] && reason=$("$benches_peers/$peer.sh" missing); then
    say "SKIPPED $peer: $reason"
    skipped+=("$peer: $reason")
  else
    usable+=" $peer"
  fi
done
for flush in ${flushes//,/ }; do
  running=''
  for peer in $usable; do
    [ "$peer" != kafka ] || continue
    if "start_$peer" "$flush"; then
      running+=" $peer"
      pause "$peer"
    else
      say "FAILED to start $peer, $flush" && skipped+=("$peer, $flush: it did not start")
    fi
  done
  [ -z "$running" ] || rocketmq_loads "$flush"
  stop_all
  case $usable in
    *kafka*) run_kafka "$flush" || { say "FAILED kafka, $flush; what was measured until then is kept"; skipped+=("kafka, $flush: failed"); } ;;
  esac
  stop_all
done

page() {
  echo "# Mainstem, Apache RocketMQ and Kafka as servers"
  echo
  echo "Written by \`$command\` on $(nproc) cores, Linux $(uname -r), bodies of $size bytes; clients and server share the cores. Mainstem and Apache"
  echo "get the same bytes from \`mainstem bench\`, load by load in turns, the other one stopped meanwhile. Kafka is loaded by its own client library"
  echo "(\`KafkaLoad.java\`), whose producers gather batches on the client's side where the row does not say otherwise: compare its rows with ours"
  echo "only with that in mind. Java servers were warmed up with $warm messages (where each waits for the disk, two thirds of them in batches);"
  echo "Kafka's \"sync\" is \`log.flush.interval.messages=1\`. Latency of \"end to end\" is from the intended send to the arrival at the consumer, in open"
  echo "loops from the intended send to the answer, else from the request to its answer; \"consume all\" is per pull. One run of $count messages,"
  echo "open loops of $seconds seconds: two digits at best. The server CPU of Kafka's rows over many topics includes their creation."
  echo
  echo "| server | flush | load | messages/s | MB/s | p50 us | p99 us | p99.9 us | p99.99 us | server CPU us/message | anonymous MiB |"
  echo "|---|---|---|---|---|---|---|---|---|---|---|"
  cat "$rows"
  echo
  echo "Mainstem's figures as multiples of Apache's, same bytes, in turns:"
  echo
  echo "| flush | load | messages/s | p50 | p99 | p99.9 | p99.99 | server CPU |"
  echo "|---|---|---|---|---|---|---|---|"
  awk -F'|' '
    function times(i) { return theirs[i] > 0 ? sprintf("%.2f", ours[i] / theirs[i]) : "" }
    $2 == "mainstem" { split($0, ours, "|"); next }
    $2 == "apache" && ours[3] == $3 && ours[4] == $4 { split($0, theirs, "|"); printf "|%s|%s|%s|%s|%s|%s|%s|%s|\n", $3, $4, times(5), times(7), times(8), times(9), times(10), times(11) }' "$rows"
  for s in ${skipped[@]+"${skipped[@]}"}; do echo; echo "Left out: $s"; done
}
if [ -n "$out" ]; then page > "$out" && say "written: $out"; else page; fi
[ -s "$rows" ]
