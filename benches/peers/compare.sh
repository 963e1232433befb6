#!/usr/bin/env bash
# Mainstem, the real Apache RocketMQ and the real Kafka as servers, one after the other on this machine, under the same load:
#
#   compare.sh [--peers mainstem,apache,kafka] [--flush async,sync] [--count 300000] [--warm 1500000] [--size 1024] [--topics 1,1000]
#              [--rate 5000] [--dir DIR] [--out FILE]
#
# Mainstem and Apache get the same bytes from `mainstem bench`. Kafka has another protocol: it is loaded by its own Java tools
# (ProducerPerformance with its 16 KiB batches, ConsumerPerformance), so its rows are what its users get, not the same requests.
# Java servers are warmed up with --warm messages before anything counts. A peer that cannot run here is named and left out.
# Prints a Markdown table, or writes it to FILE; each result as JSON is kept in DIR/results. Servers and data are gone at the end.
set -euo pipefail
. "$(dirname "$0")/common.sh"
peers=mainstem,apache,kafka flushes=async,sync count=300000 warm=1500000 size=1024 topics=1,1000 rate=5000 dir='' out=''

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0"; }
number() { case $2 in '' | *[!0-9]*) die "$1 takes a number, not '$2'" ;; esac; }

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit ;;
    --peers) peers=${2:-} ;;
    --flush) flushes=${2:-} ;;
    --count) count=${2:-} && number "$1" "$count" ;;
    --warm) warm=${2:-} && number "$1" "$warm" ;;
    --size) size=${2:-} && number "$1" "$size" ;;
    --topics) topics=${2:-} ;;
    --rate) rate=${2:-} && number "$1" "$rate" ;;
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

work=${dir:-$(mktemp -d "${TMPDIR:-/tmp}/mainstem-compare.XXXXXX")}
mkdir -p "$work/results"
work=$(cd "$work" && pwd)
rows=$work/rows
: > "$rows"

# Room for the warm-up and the runs of one server, records and preallocated files included.
needed=$(((warm + count * 6) * (size + 300) / 1048576 + 3072))
free=$(df -Pm "$work" | awk 'NR == 2 { print $4 }')
[ "$free" -ge $((needed + 2048)) ] ||
  die "$work has $free MiB free; this needs $needed MiB and leaves 2048 to others: free some space, lower --warm or --count, or name another --dir"

stop_all() {
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

bench() { # PEER FLUSH LOAD-NAME ARGUMENTS...: one load by `mainstem bench`, and its row
  local peer=$1 flush=$2 load=$3 json=$work/results/$1-$2-${3// /-}.json; shift 3
  say "$peer, $flush: $load"
  "$mainstem" bench "$@" --broker "$broker" --pid "$pid" --json "$json" > "$json.txt" 2>&1 || { cat "$json.txt" >&2; return 1; }
  local messages seconds bytes
  messages=$(number_of "$json" messages) seconds=$(number_of "$json" seconds) bytes=$(number_of "$json" bytes)
  row "$peer" "$flush" "$load" "$(awk "BEGIN { printf \"%.0f\", $messages / $seconds }")" "$(awk "BEGIN { printf \"%.0f\", $bytes / 1e6 / $seconds }")" \
    "$(number_of "$json" p50_us)" "$(number_of "$json" p99_us)" "$(number_of "$json" p99_9_us)" "$(number_of "$json" p99_99_us)" \
    "$(number_of "$json" server_cpu_us_per_message | cut -c1-5)" "$(number_of "$json" anonymous_mib | cut -d. -f1)"
}

rocketmq_loads() { # PEER FLUSH
  local t
  bench "$1" "$2" "4 x 64 in flight" produce --create --topic load --count "$count" --size "$size"
  bench "$1" "$2" "batches of 32" produce --topic load --count "$count" --size "$size" --batch 32 --window 8
  bench "$1" "$2" "one in flight" produce --topic load --count $((count / 20)) --size "$size" --connections 1 --window 1
  bench "$1" "$2" "consume all" consume --topic load
  bench "$1" "$2" "end to end at $rate a second" end-to-end --create --topic tail --count $((rate * 5)) --size "$size" --rate "$rate"
  for t in ${topics//,/ }; do
    [ "$t" -gt 1 ] || continue
    bench "$1" "$2" "$t topics in turn" produce --create --topic many-$t --topics "$t" --queues 1 --count "$count" --size "$size"
  done
}

run_mainstem() { # FLUSH
  local mode=ASYNC_FLUSH _
  [ "$1" = async ] || mode=SYNC_FLUSH
  "$mainstem" standalone --data-dir "$work/mainstem" --namesrv-port 0 --broker-port 0 --set flushDiskType=$mode > "$work/mainstem.out" 2>&1 &
  echo $! > "$work/mainstem.pid"
  await "$work/mainstem.pid" "$work/mainstem.out" grep -q '^ready' "$work/mainstem.out"
  pid=$(cat "$work/mainstem.pid")
  broker=$(sed -n 's/^ *broker *\([0-9.:]*\) .*/\1/p' "$work/mainstem.out" | head -1)
  [ -n "$broker" ] || die "no broker address in $work/mainstem.out"
  rocketmq_loads mainstem "$1"
}

run_apache() { # FLUSH
  local started
  started=$("$benches_peers/apache.sh" start "$work/apache" --flush "$1") || return 1
  broker=$(sed -n 's/.*broker=\([^ ]*\).*/\1/p' <<< "$started") pid=$(sed -n 's/.*pid=\([0-9]*\).*/\1/p' <<< "$started")
  say "apache, $1: warming up with $warm messages"
  "$mainstem" bench produce --broker "$broker" --create --topic warm --count "$warm" --size "$size" > /dev/null
  rocketmq_loads apache "$1"
}

cpu_us() { awk '{ sub(/.*\) /, ""); print ($12 + $13) * 10000 }' "/proc/$1/stat"; }

kafka_produce() { # FLUSH LOAD COUNT PROPERTIES...: into the topic `load`
  local flush=$1 load=$2 messages=$3 before result; shift 3
  say "kafka, $flush: $load"
  before=$(cpu_us "$pid")
  result=$("$benches_peers/kafka.sh" tool org.apache.kafka.tools.ProducerPerformance --topic load --num-records "$messages" --record-size "$size" \
    --throughput -1 --producer-props "bootstrap.servers=$broker" acks=1 "$@" 2>&1 | grep 'records sent' | tail -1)
  # "300000 records sent, 61349.7 records/sec (59.91 MB/sec), 304.17 ms avg latency, 541.00 ms max latency, 273 ms 50th, 498 ms 95th, ..."
  sed -E 's/,//g' <<< "$result" | awk -v cpu=$(($(cpu_us "$pid") - before)) -v n="$messages" -v size="$size" -v rss="$(anonymous_mib)" -v flush="$flush" -v load="$load" '
    { for (i = 2; i <= NF; i++) { if ($i == "records/sec") rate = $(i - 1); if ($i == "50th") p50 = $(i - 2); if ($i == "99th") p99 = $(i - 2); if ($i ~ /^99.9th/) p999 = $(i - 2) } }
    END { printf "|kafka|%s|%s|%.0f|%.0f|%d|%d|%d||%.1f|%s|\n", flush, load, rate, rate * size / 1e6, p50 * 1000, p99 * 1000, p999 * 1000, cpu / n, rss }' >> "$rows"
}

anonymous_mib() { awk '/^RssAnon/ { printf "%.0f", $2 / 1024 }' "/proc/$pid/status"; }

kafka_consume() { # FLUSH COUNT
  local before result
  say "kafka, $1: consume all"
  before=$(cpu_us "$pid")
  result=$("$benches_peers/kafka.sh" tool org.apache.kafka.tools.ConsumerPerformance --bootstrap-server "$broker" --topic load --messages "$2" 2> /dev/null | tail -1)
  # start, end, MB, MB/s, messages, messages/s, ...
  awk -F', ' -v cpu=$(($(cpu_us "$pid") - before)) -v n="$2" -v rss="$(anonymous_mib)" -v flush="$1" \
    '{ printf "|kafka|%s|consume all|%.0f|%.0f|||||%.1f|%s|\n", flush, $6, $4 * 1.048576, cpu / n, rss }' <<< "$result" >> "$rows"
}

run_kafka() { # FLUSH
  local started settings=()
  [ "$1" = async ] || settings=(--set log.flush.interval.messages=1)
  started=$("$benches_peers/kafka.sh" start "$work/kafka" ${settings[@]+"${settings[@]}"}) || return 1
  broker=$(sed -n 's/.*broker=\([^ ]*\).*/\1/p' <<< "$started") pid=$(sed -n 's/.*pid=\([0-9]*\).*/\1/p' <<< "$started")
  for topic in warm load; do
    "$benches_peers/kafka.sh" tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$broker" --create --topic $topic --partitions 4 \
      --replication-factor 1 > /dev/null 2>&1
  done
  say "kafka, $1: warming up with $warm messages"
  "$benches_peers/kafka.sh" tool org.apache.kafka.tools.ProducerPerformance --topic warm --num-records "$warm" --record-size "$size" --throughput -1 \
    --producer-props "bootstrap.servers=$broker" acks=1 > /dev/null 2>&1
  kafka_produce "$1" "Java producer, its batches" "$count"
  kafka_produce "$1" "Java producer, no batches" $((count / 6)) batch.size=0
  kafka_consume "$1" "$count"
}

skipped=()
for peer in ${peers//,/ }; do
  if [ "$peer" != mainstem ] && reason=$("$benches_peers/$peer.sh" missing); then
    say "SKIPPED $peer: $reason"
    skipped+=("$peer: $reason")
    continue
  fi
  for flush in ${flushes//,/ }; do
    "run_$peer" "$flush" || { say "FAILED $peer, $flush; what was measured until then is kept"; skipped+=("$peer, $flush: failed"); }
    stop_all
  done
done

page() {
  echo "# Mainstem, Apache RocketMQ and Kafka as servers"
  echo
  echo "Written by \`benches/peers/compare.sh --count $count --warm $warm --size $size --topics $topics --rate $rate\` on $(nproc) cores, Linux $(uname -r);"
  echo "clients and server share them, servers run one after the other. Mainstem and Apache get the same bytes from \`mainstem bench\`; Kafka is"
  echo "loaded by its own Java tools, whose producer gathers batches on the client's side: compare its rows with ours only with that in mind."
  echo "Java servers were warmed up with $warm messages; Kafka's \"sync\" is \`log.flush.interval.messages=1\`. Latency of \"end to end\" is from the"
  echo "intended send to the arrival at the consumer, else from the request to its answer; \"consume all\" is per pull."
  echo
  echo "| server | flush | load | messages/s | MB/s | p50 us | p99 us | p99.9 us | p99.99 us | server CPU us/message | anonymous MiB |"
  echo "|---|---|---|---|---|---|---|---|---|---|---|"
  cat "$rows"
  for s in ${skipped[@]+"${skipped[@]}"}; do echo; echo "Left out: $s"; done
}
if [ -n "$out" ]; then page > "$out" && say "written: $out"; else page; fi
[ -s "$rows" ]
