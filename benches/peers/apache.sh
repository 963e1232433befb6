#!/usr/bin/env bash
# A real Apache RocketMQ name server and broker on loopback, as one runs it for speed (the interop tests run it for quick starts); jars
# from Maven Central:
#
#   apache.sh start DIR [--flush async|sync] [--heap 4g] [--port N] [--set key=value]...    prints "broker=127.0.0.1:N pid=P"
#   apache.sh stop DIR
#   apache.sh missing                   succeeds with the reason if it cannot be run here
#   apache.sh fetch                     downloads the jars (once)
#
# DIR keeps the settings, process ids, logs and data. INTEROP_BUILD is where the jars are kept (default target/interop).
set -euo pipefail
. "$(dirname "$0")/common.sh"
version=5.5.0
jars=$build/apache-$version
pom=$root/tests/interop/peers/pom.xml

usage() { sed -n '5,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }

launch() { # PART CLASS JVM_OPTIONS...
  local part=$1 class=$2; shift 2
  ROCKETMQ_HOME=$dir nohup "$java" -server "$@" -Duser.home="$dir" -cp "$dir/conf:$jars/*" "$class" -c "$dir/$part.conf" \
    > "$dir/$part.out" 2>&1 < /dev/null &
  echo $! > "$dir/$part.pid"
  await "$dir/$part.pid" "$dir/$part.out" grep -q 'boot success' "$dir/$part.out"
}

quiet_logging() {
  local part
  mkdir -p "$dir/conf"
  for part in namesrv broker client; do
    cat > "$dir/conf/rmq.$part.logback.xml" << X
<configuration>
  <appender name="file" class="org.apache.rocketmq.logging.ch.qos.logback.core.FileAppender">
    <file>$dir/$part.log</file>
    <encoder><pattern>%d %p %t - %m%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="file"/></root>
</configuration>
X
  done
}

start() {
  local flush=async heap=4g port='' namesrv settings=()
  dir=${1:-} && [ -n "$dir" ] || usage
  shift
  while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || die "$1 wants a value"
    case $1 in
      --flush) flush=$2 ;;
      --heap) heap=$2 ;;
      --port) port=$2 ;;
      --set) settings+=("$2") ;;
      *) die "unknown option $1" ;;
    esac
    shift 2
  done
  case $flush in async) flush=ASYNC_FLUSH ;; sync) flush=SYNC_FLUSH ;; *) die "--flush takes async or sync, not '$flush'" ;; esac
  fetch_jars "$pom" "rocketmq.version=$version"
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  quiet_logging
  namesrv=$(free_port)
  [ -n "$port" ] || port=$(free_port)
  printf '%s\n' "listenPort=$namesrv" bindAddress=127.0.0.1 > "$dir/namesrv.conf"
  printf '%s\n' brokerClusterName=DefaultCluster brokerName=broker-a brokerId=0 brokerIP1=127.0.0.1 bindAddress=127.0.0.1 "listenPort=$port" \
    "namesrvAddr=127.0.0.1:$namesrv" "storePathRootDir=$dir/store" "storePathCommitLog=$dir/store/commitlog" "flushDiskType=$flush" \
    diskMaxUsedSpaceRatio=95 waitTimeMillsInSendQueue=10000 osPageCacheBusyTimeOutMills=10000 syncFlushTimeout=10000 \
    ${settings[@]+"${settings[@]}"} > "$dir/broker.conf"
  launch namesrv org.apache.rocketmq.namesrv.NamesrvStartup -Xmx256m
  launch broker org.apache.rocketmq.broker.BrokerStartup -Xms"$heap" -Xmx"$heap" -XX:+UseG1GC -XX:G1HeapRegionSize=16m \
    -XX:MaxDirectMemorySize=2g --add-opens java.base/java.nio=ALL-UNNAMED --add-opens java.base/sun.nio.ch=ALL-UNNAMED \
    --add-opens java.base/java.lang=ALL-UNNAMED --add-exports java.base/jdk.internal.ref=ALL-UNNAMED
  echo "broker=127.0.0.1:$port pid=$(cat "$dir/broker.pid")"
}

verb=${1:-}
[ $# -gt 0 ] && shift
case $verb in
  start) start "$@" ;;
  stop) finish "${1:?which directory}/broker.pid"; finish "$1/namesrv.pid" ;;
  missing) java_missing ;;
  fetch) fetch_jars "$pom" "rocketmq.version=$version" ;;
  *) usage ;;
esac
