#!/usr/bin/env bash
# Every line of a text through the official Java client, ordered by its first field into 8 queues:
#
#   lines.sh produce --namesrv ip:port --topic T --file F [--queues 8] [--batch 1] [--patience 120]
#   lines.sh consume --namesrv ip:port --topic T --out DIR
#
# The first creates the topic and prints `acked N` once a second and `done: ...` at the end. The second writes DIR/queue-N (a line for each
# message, first occurrences only) and DIR/queue-N.ids (their unique keys). A line's queue is the CRC-32 of its first field (between spaces
# and tabs) modulo the number of queues. Exits with 3 if a toolchain is missing. INTEROP_CLIENT=java4 takes the 4.9.8 client.
set -euo pipefail
. "$(dirname "$0")/build.sh"
client=${INTEROP_CLIENT:-java5}
case ${1:-} in
  produce) main=LinesProduce ;;
  consume) main=LinesConsume ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
shift
if reason=$(java_missing); then
  echo "SKIPPED java: $reason" >&2
  exit 3
fi
build_java "$client"
logs=$(mktemp -d "${TMPDIR:-/tmp}/interop-lines.XXXXXX")
trap 'rm -rf "$logs"' EXIT
"$java" -XX:+UseSerialGC -Xmx1g -Duser.home="$logs" -Drocketmq.client.logRoot="$logs" \
  -cp "$INTEROP_BUILD/$client/classes:$INTEROP_BUILD/$client/lib/*" "interop.$main" "$@"
