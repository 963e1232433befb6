#!/usr/bin/env bash
# A directory whose damage `mainstem store repair --bury-at` has buried, under the real Apache broker: it must serve everything else, to the
# official client and by key, hand out the empty messages that stand for the lost ones, and go on.
#
#   buried.sh [--keep]
#
# Twice: once Apache's broker opens what the repair left (queues and index are gone, and it builds them itself), once Mainstem has opened and
# closed it in between. Prints a PASS or FAIL line for each comparison; exits with 1 if one failed, with 3 if a toolchain is missing.
# Environment: as run.sh. MAINSTEM_BIN must name a built binary.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
script=buried
keep=''
case ${1:-} in
  '') ;;
  --keep) keep=yes ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
. "$here/turns.sh"

rest() {
  "$here/peers/$serving.sh" stop "$work/$serving"
  verdict $? "$serving stops cleanly"
  serving=''
}

place() { # N: position and size of the Nth record of the topic in the log
  "$bin" store dump "$work/data" --topic T --format json --count "$1" 2> /dev/null | tail -n 1 | sed -E 's/.*"position":([0-9]+).*"size":([0-9]+).*/\1 \2/'
}

seq -f "key%.0f of T" 1 2000 > "$work/keys"
serve mainstem
"$bin" topic create T --queues 4 > /dev/null
"$bin" produce T "$work/keys" --key-from 1 --tag red > /dev/null 2>&1
verdict $? "mainstem takes 2000 lines"
rest

# A byte of one body; and three whole records, heads and all.
log=$work/data/commitlog/00000000000000000000
read -r one _ < <(place 500)
read -r three size < <(place 1200)
printf X | dd of="$log" bs=1 seek=$((one + 95)) conv=notrunc 2> /dev/null
head -c $((3 * size - 20)) /dev/urandom | dd of="$log" bs=1 seek="$three" conv=notrunc 2> /dev/null
"$bin" store check "$work/data" > "$work/check" && verdict 1 "mainstem store check finds the damage"
for position in $one $three; do
  grep -q -- "--bury-at $position\$" "$work/check"
  verdict $? "mainstem store check proposes to bury the damage at $position"
done
"$bin" store repair "$work/data" --bury-at "$one" --bury-at "$three" > "$work/repair"
verdict $? "mainstem store repair buries it"
cp -a "$work/data" "$work/repaired"

for first in apache mainstem; do
  if [ $first = mainstem ]; then
    rm -rf "$work/data" && mv "$work/repaired" "$work/data"
    serve mainstem && rest
  fi
  what="apache, on a directory that $first opened first,"
  serve apache
  reach T
  "$bin" consume T --until-end --format json > "$work/all" 2> /dev/null
  [ "$(wc -l < "$work/all")" = 2000 ] && [ "$(grep -c '"BURIED":' "$work/all")" = 4 ]
  verdict $? "$what serves 2000 messages, 4 of them for buried ones"
  "$bin" consume T --until-end 2> /dev/null | sort > "$work/lines"
  [ "$(sort "$work/keys" | comm -23 - "$work/lines" | wc -l)" = 4 ] && [ "$(sort "$work/keys" | comm -13 - "$work/lines" | grep -c .)" = 0 ]
  verdict $? "$what serves all lines but the lost ones, and no others"
  rm -rf "$work/out"
  "$here/lines.sh" consume --namesrv "$NAMESRV_ADDR" --topic T --out "$work/out" > "$work/out.log" 2>&1
  grep -q 'done: 2000 messages, 0 duplicates' "$work/out.log"
  verdict $? "$what serves every queue to the official client without a hole"
  for key in key1 key499 key1500 key2000; do
    [ "$(admin queryMsgByKey -t T -k "$key" | grep -cE '^[0-9A-F]{32} ')" = 1 ]
    verdict $? "$what finds $key"
  done
  seq -f "new%.0f" 1 100 | "$bin" produce T > /dev/null 2>&1
  [ "$("$bin" consume T --until-end 2> /dev/null | grep -c '^new')" = 100 ]
  verdict $? "$what takes and serves new messages"
  rest
  "$bin" store check "$work/data" > "$work/check"
  verdict $? "mainstem store check finds nothing afterwards"
done
exit $failed
