#!/usr/bin/env bash
# Mainstem, the real Apache RocketMQ and the real Kafka as servers on this machine, under the same load:
#
#   compare.sh [--quick] [--peers mainstem,apache,kafka] [--flush async,sync] [--count 200000] [--warm 1500000] [--size 1024]
#              [--topics 1,100,1000] [--rates 5000,20000] [--seconds 10] [--rounds 3] [--memory-mib MIB]
#              [--dir DIR] [--out FILE]
#
# Mainstem and Apache get the same bytes from `mainstem bench`, load by load in turns: who is not measured is stopped (SIGSTOP), so that
# it costs nothing. Kafka has another protocol and is loaded by its own client library (KafkaLoad.java), so its rows are what its users
# get, not the same requests. Java servers are warmed up with --warm messages before anything counts. Open loops run for --seconds, at
# each of --rates and at half of what the same server took as fast as it goes. Each load is run in --rounds (or ROUNDS), every second one
# backwards; medians are shown with the least and the greatest. --quick is for trying it: a fifth of the messages and of the warm-up. A peer
# that cannot run here is named and left out.
# With --memory-mib all servers and their page cache share a control group of so much memory (root, cgroup v1): new pages of files then come
# from old ones, as on a machine that has run for a while, while fresh ones cost a virtual machine many times as much.
# Prints a Markdown page, or writes it to FILE; each result as JSON is kept in DIR/results. Servers and data are gone at the end.
set -euo pipefail
. "$(dirname "$0")/common.sh"
peers=mainstem,apache,kafka flushes=async,sync count=200000 warm=1500000 size=1024 topics=1,100,1000 rates=5000,20000 seconds=10 rounds=${ROUNDS:-3} memory_mib='' dir='' out=''
command="benches/peers/compare.sh${*:+ $*}"

usage() { sed -n '2,18s/^# \{0,1\}//p' "$0"; }
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
    --rounds) rounds=${2:-} ;;
    --memory-mib) memory_mib=${2:-} && number "$1" "$memory_mib" ;;
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
number --rounds "$rounds"
[ "$rounds" -gt 0 ] || die "--rounds takes at least 1"

work=${dir:-$(mktemp -d "${TMPDIR:-/tmp}/mainstem-compare.XXXXXX")}
mkdir -p "$work/results"
work=$(cd "$work" && pwd)
rows=$work/rows
: > "$rows"

# Room for the warm-up and the runs of one server, records and preallocated files included.
needed=$(((warm + (count * 8 + seconds * 80000) * rounds) * (size + 300) / 1048576 * 2 + 6144))
free=$(df -Pm "$work" | awk 'NR == 2 { print $4 }')
[ "$free" -ge $((needed + 2048)) ] ||
  die "$work has $free MiB free; this needs $needed MiB and leaves 2048 to others: free some space, lower --warm or --count, or name another --dir"

group=/sys/fs/cgroup/memory/mainstem-compare-$$
# Process ids and addresses of the servers that run.
declare -A pids=() brokers=()
round=1

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
cleanup() {
  stop_all
  [ -n "$dir" ] || rm -rf "$work"
  [ ! -d "$group" ] || { echo $$ > "${group%/*}/cgroup.procs"; rmdir "$group"; } || true
}
trap cleanup EXIT
trap 'exit 130' INT TERM

if [ -n "$memory_mib" ]; then
  mkdir "$group" && echo "${memory_mib}M" > "$group/memory.limit_in_bytes" && echo $$ > "$group/cgroup.procs" ||
    die "memory cannot be limited here, which needs root and cgroup v1 at /sys/fs/cgroup/memory"
fi

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
  row "$1" "$2" "$3" "$round" "$(awk "BEGIN { printf \"%.0f\", $messages / $seconds }")" "$(awk "BEGIN { printf \"%.0f\", $bytes / 1e6 / $seconds }")" \
    "$(number_of "$4" p50_us)" "$(number_of "$4" p99_us)" "$(number_of "$4" p99_9_us)" "$(number_of "$4" p99_99_us)" "$5" "$6"
}

# rate_of PEER FLUSH LOAD: messages a second, the median of its rounds; nothing if all failed.
rate_of() { awk -F'|' -v row="$1|$2|$3" '$2 "|" $3 "|" $4 == row { print $6 }' "$rows" | sort -n | awk '{ all[NR] = $1 } END { if (NR) print all[int((NR + 1) / 2)] }'; }

# half_of PEER FLUSH LOAD: half of that.
half_of() { local most; most=$(rate_of "$@"); [ -n "$most" ] && echo $((most / 2)); }

bench() { # PEER FLUSH LOAD-NAME ARGUMENTS...: one load by `mainstem bench`, and its row
  local peer=$1 flush=$2 load=$3; shift 3
  last_json=$work/results/$peer-$flush-${load//[^a-z0-9]/-}-$round.json
  say "[round $round/$rounds] $peer, $flush: $load"
  resume "$peer"
  "$mainstem" bench "$@" --broker "${brokers[$peer]}" --pid "${pids[$peer]}" --json "$last_json" > "$last_json.txt" 2>&1 ||
    { cat "$last_json.txt" >&2; skipped+=("$peer, $flush, $load: $(tail -1 "$last_json.txt")"); pause "$peer"; return 0; }
  pause "$peer"
  fields "$peer" "$flush" "$load" "$last_json" "$(number_of "$last_json" server_cpu_us_per_message | cut -c1-5)" "$(number_of "$last_json" anonymous_mib | cut -d. -f1)"
}

in_turns() { # FLUSH LOAD-NAME ARGUMENTS...: the load for each RocketMQ server that runs, round by round, every second one backwards
  local peer flush=$1 load=$2 order; shift 2
  for round in $(seq "$rounds"); do
    order=$running
    [ $((round % 2)) = 1 ] || order=$(tr ' ' '\n' <<< "$running" | tac | tr '\n' ' ')
    for peer in $order; do
      if [ "$1" = half ]; then half_load "$peer" "$flush" "$load"; else bench "$peer" "$flush" "$load" "$@"; fi
    done
  done
}

half_load() { # PEER FLUSH LOAD-NAME: an open loop at half of the peer's own most, so that each is loaded as far as the other
  local rate
  if rate=$(half_of "$1" "$2" "4 x 64 in flight"); then
    bench "$1" "$2" "$3" produce --topic load --count $((rate * seconds)) --size "$size" --rate "$rate"
  else
    skipped+=("$1, $2, $3: its most is not known")
  fi
}

rocketmq_loads() { # FLUSH
  local t r
  in_turns "$1" "4 x 64 in flight" produce --create --topic load --count "$count" --size "$size"
  in_turns "$1" "batches of 32, 4 x 8" produce --topic load --count "$count" --size "$size" --batch 32 --window 8
  in_turns "$1" "one in flight" produce --topic load --count $((count / 20)) --size "$size" --connections 1 --window 1
  in_turns "$1" "consume all" consume --topic load
  for r in ${rates//,/ }; do
    in_turns "$1" "open loop, $r a second" produce --topic load --count $((r * seconds)) --size "$size" --rate "$r"
  done
  in_turns "$1" "open loop, half of its most" half
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
  last_json=$work/results/kafka-$flush-${load//[^a-z0-9]/-}-$round.json
  say "[round $round/$rounds] kafka, $flush: $load"
  before=$(cpu_us "${pids[kafka]}")
  "$benches_peers/kafka.sh" run "$benches_peers/KafkaLoad.java" "${brokers[kafka]}" "size=$size" "$@" > "$last_json" 2> "$last_json.txt" ||
    { cat "$last_json.txt" >&2; skipped+=("kafka, $flush, $load: $(tail -1 "$last_json.txt")"); return 0; }
  cpu=$(awk "BEGIN { printf \"%.1f\", ($(cpu_us "${pids[kafka]}") - $before) / $(number_of "$last_json" sent) }")
  fields kafka "$flush" "$load" "$last_json" "$cpu" "$(anonymous_mib "${pids[kafka]}")"
}

kafka_consume() { # FLUSH COUNT
  local before result
  say "[round $round/$rounds] kafka, $1: consume all"
  before=$(cpu_us "${pids[kafka]}")
  result=$("$benches_peers/kafka.sh" tool org.apache.kafka.tools.ConsumerPerformance --bootstrap-server "${brokers[kafka]}" --topic load --messages "$2" 2> /dev/null | tail -1)
  # start, end, MB, MB/s, messages, messages/s, ...
  awk -F', ' -v cpu=$(($(cpu_us "${pids[kafka]}") - before)) -v n="$2" -v rss="$(anonymous_mib "${pids[kafka]}")" -v flush="$1" \
    -v round="$round" '{ printf "|kafka|%s|consume all|%s|%.0f|%.0f|||||%.1f|%s|\n", flush, round, $6, $4 * 1.048576, cpu / n, rss }' <<< "$result" >> "$rows"
}

in_rounds() { # FLUSH LOAD SETTINGS...: topics are made in the first round only, since Kafka refuses to make one again
  local flush=$1 load=$2; shift 2
  for round in $(seq "$rounds"); do
    kafka_load "$flush" "$load" "$@"
    set -- "${@/create=true/create=false}"
  done
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
  in_rounds "$1" "client batches" create=true topic=load "count=$count" window=0
  in_rounds "$1" "4 x 64 in flight, no batches" topic=load "count=$((count / 4))" batch.size=0 warm=5000
  in_rounds "$1" "one in flight" topic=load "count=$((count / 20))" producers=1 window=1 batch.size=0 warm=500
  for round in $(seq "$rounds"); do kafka_consume "$1" "$count"; done
  for r in ${rates//,/ }; do
    in_rounds "$1" "open loop, $r a second" topic=load "count=$((r * seconds))" "rate=$r" window=0 warm=20000
  done
  if half=$(half_of kafka "$1" "client batches"); then
    in_rounds "$1" "open loop, half of its most" topic=load "count=$((half * seconds))" "rate=$half" window=0 warm=20000
  fi
  for t in ${topics//,/ }; do
    in_rounds "$1" "$t topics in turn, client batches" create=true "topic=many-$t" "topics=$t" partitions=1 "count=$count" window=0 warm=20000
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

# What the page says of the rounds of a figure: the median, and the least and the greatest where they differ.
spread_in_awk='
  function spread(values,   n, i, j, t, v, m) {
    n = split(values, v, " ")
    if (n == 0) return ""
    for (i = 2; i <= n; i++) { t = v[i]; for (j = i - 1; j > 0 && v[j] + 0 > t + 0; j--) v[j + 1] = v[j]; v[j + 1] = t }
    m = n % 2 ? v[(n + 1) / 2] + 0 : (v[n / 2] + v[n / 2 + 1]) / 2
    return v[1] == v[n] ? v[1] : short(m) " (" short(v[1]) "-" short(v[n]) ")"
  }
  function short(x) { return x >= 100 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : sprintf("%.2f", x) }'

figures() { # a row for each load of each server
  awk -F'|' "$spread_in_awk"'
    { key = $2 "|" $3 "|" $4; if (!(key in seen)) { seen[key] = 1; order[++rows] = key }; for (i = 6; i <= 13; i++) all[key, i] = all[key, i] " " $i }
    END { for (r = 1; r <= rows; r++) { line = "|" order[r]; for (i = 6; i <= 13; i++) line = line "|" spread(all[order[r], i]); print line "|" } }' "$rows"
}

multiples() { # a row for each load that both had, round by round
  awk -F'|' "$spread_in_awk"'
    { key = $3 "|" $4; for (i = 6; i <= 12; i++) value[$2, key, $5, i] = $i; if ($5 > last) last = $5 }
    $2 == "apache" && !(key in seen) { seen[key] = 1; order[++rows] = key }
    END {
      for (r = 1; r <= rows; r++) {
        line = ""
        for (i = 6; i <= 12; i++) if (i != 7) {
          times = ""
          for (round = 1; round <= last; round++) {
            ours = value["mainstem", order[r], round, i]; theirs = value["apache", order[r], round, i]
            if (ours != "" && theirs > 0) times = times " " sprintf("%.2f", ours / theirs)
          }
          line = line "|" spread(times)
        }
        if (line ~ /[0-9]/) print "|" order[r] line "|"
      }
    }' "$rows"
}

page() {
  echo "# Mainstem, Apache RocketMQ and Kafka as servers"
  echo
  echo "Written by \`$command\` on $(nproc) cores, Linux $(uname -r), bodies of $size bytes; clients and server share the cores. Mainstem and Apache"
  echo "get the same bytes from \`mainstem bench\`, load by load in turns, the other one stopped meanwhile. Kafka is loaded by its own client library"
  echo "(\`KafkaLoad.java\`), whose producers gather batches on the client's side where the row does not say otherwise: compare its rows with ours"
  echo "only with that in mind. Java servers were warmed up with $warm messages (where each waits for the disk, two thirds of them in batches);"
  echo "Kafka's \"sync\" is \`log.flush.interval.messages=1\`. Latency of \"end to end\" is from the intended send to the arrival at the consumer, in open"
  echo "loops from the intended send to the answer, else from the request to its answer; \"consume all\" is per pull. Rounds of each load: $rounds, of"
  echo "$count messages, open loops of $seconds seconds; medians, with the least and the greatest in brackets. The server CPU of Kafka's rows over"
  echo "many topics includes their creation in the first round."
  [ -z "$memory_mib" ] || echo "All servers and their page cache shared $memory_mib MiB, so that new pages come from old ones once it is full."
  echo
  echo "| server | flush | load | messages/s | MB/s | p50 us | p99 us | p99.9 us | p99.99 us | server CPU us/message | anonymous MiB |"
  echo "|---|---|---|---|---|---|---|---|---|---|---|"
  figures
  if [ -n "$(multiples)" ]; then
    echo
    echo "Mainstem's figures as multiples of Apache's, same bytes, in turns, round by round:"
    echo
    echo "| flush | load | messages/s | p50 | p99 | p99.9 | p99.99 | server CPU |"
    echo "|---|---|---|---|---|---|---|---|"
    multiples
  fi
  for s in ${skipped[@]+"${skipped[@]}"}; do echo; echo "Left out: $s"; done
}
if [ -n "$out" ]; then page > "$out" && say "written: $out"; else page; fi
[ -s "$rows" ]
