#!/usr/bin/env bash
# One data directory, taken in turn by the real Apache broker and by Mainstem: each must serve everything that is in it to the official
# client and the official admin tool, whoever wrote it.
#
#   exchange.sh [--rounds 2] [--keep]
#
# A round: Apache writes, Mainstem serves and writes more, Apache serves all of it. Every turn compares, for every topic, each queue's messages
# line by line, a group's committed offsets, and messages found by key; after every turn of Mainstem `mainstem store check` must
# find nothing. Prints a PASS or FAIL line for each comparison; exits with 1 if one failed, with 3 if a toolchain is missing.
# Environment: as run.sh. MAINSTEM_BIN must name a built binary.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
script=exchange rounds=2 keep=''
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2 && shift ;;
    --keep) keep=yes ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
  esac
  shift
done
. "$here/turns.sh"
topics=()

begin() { # apache or mainstem
  serve "$1"
  reach ${topics[@]+"${topics[@]}"} ${topics[@]+"${topics[@]/%/-keys}"}
}

rest() {
  "$here/peers/$serving.sh" stop "$work/$serving"
  verdict $? "$serving stops cleanly"
  if [ "$serving" = mainstem ]; then
    "$bin" store check "$work/data" > "$work/check"
    verdict $? "mainstem store check finds nothing"
    [ "$failed" = 0 ] || cat "$work/check"
  fi
  serving=''
}

write() { # TOPIC: lines through the official client, and lines with keys and a tag; a group reads some of it
  local topic=$1
  seq -f "key%.0f of $topic" 1 400 > "$work/$topic.keys"
  for i in $(seq 1500); do echo "line$((i % 37)) number $i of $topic, written while $serving served"; done > "$work/$topic.lines"
  "$here/lines.sh" produce --namesrv "$NAMESRV_ADDR" --topic "$topic" --file "$work/$topic.lines" > "$work/$topic.produce" 2>&1
  verdict $? "$serving takes lines of $topic from the official client"
  "$bin" topic create "$topic-keys" --queues 4 > /dev/null
  "$bin" produce "$topic-keys" "$work/$topic.keys" --key-from 1 --tag "tag-$topic" > /dev/null 2>&1
  verdict $? "$serving takes lines of $topic-keys"
  "$bin" consume "$topic-keys" --group "group-$topic" --limit 150 > "$work/$topic.first" 2> /dev/null
  topics+=("$topic")
}

offsets() { admin consumerProgress -g "group-$1" | awk -v t="$1-keys" '$1 == t { print $1, $3, $5 }' | sort; }

compare() { # what the serving broker gives of every topic, against what was written
  local topic out key
  for topic in "${topics[@]}"; do
    out=$work/$topic.out.$serving
    rm -rf "$out"
    "$here/lines.sh" consume --namesrv "$NAMESRV_ADDR" --topic "$topic" --out "$out" > "$out.log" 2>&1
    if [ ! -d "$work/$topic.expected" ]; then
      sort "$out"/queue-? | cmp -s - <(sort "$work/$topic.lines")
      verdict $? "$serving serves every line of $topic"
      cp -r "$out" "$work/$topic.expected"
    fi
    diff -r "$work/$topic.expected" "$out" > "$out.diff"
    verdict $? "$serving serves $topic queue by queue, in order, under the same unique keys" || tail -n 5 "$out.log"
    "$bin" consume "$topic-keys" --until-end 2> /dev/null | sort | cmp -s - <(sort "$work/$topic.keys")
    verdict $? "$serving serves every line of $topic-keys"
    for key in key1 key200 key400; do
      [ "$(admin queryMsgByKey -t "$topic-keys" -k "$key" | grep -cE '^[0-9A-F]{32} ')" = 1 ]
      verdict $? "the admin tool finds $key of $topic-keys at $serving"
    done
    offsets "$topic" > "$work/$topic.offsets.now"
    if [ ! -s "$work/$topic.offsets" ]; then cp "$work/$topic.offsets.now" "$work/$topic.offsets"; fi
    [ -s "$work/$topic.offsets.now" ] && cmp -s "$work/$topic.offsets" "$work/$topic.offsets.now"
    verdict $? "$serving has the offsets of group-$topic"
  done
}

for round in $(seq "$rounds"); do
  begin apache
  [ "$round" = 1 ] || compare
  write "a$round"
  compare
  rest
  begin mainstem
  compare
  write "m$round"
  compare
  rest
done
begin apache
compare
rest
exit $failed
