#!/usr/bin/env bash
# A real Apache RocketMQ name server and broker on loopback, from Maven Central; the verbs are in common.sh, and
#   apache.sh fetch     download the jars (once)
# Wants a JDK 17 or newer, and Maven for the first time. Every server listens on 127.0.0.1, but for the broker's
# replication port (its port + 1), for which Apache has no bind address.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
version=5.5.0
jars=${INTEROP_BUILD:-$here/../../../target/interop}/apache-$version
java=${JAVA_HOME:+$JAVA_HOME/bin/}java

fetch() {
  [ -f "$jars/complete" ] && return
  mkdir -p "$jars"
  mvn -q -B -f "$here/pom.xml" -Drocketmq.version=$version dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$jars" >&2
  touch "$jars/complete"
}

logging() { # warnings only, into DIR
  mkdir -p "$dir/conf"
  local part
  for part in namesrv broker client; do
    cat > "$dir/conf/rmq.$part.logback.xml" <<X
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

# C1 alone and the serial collector: a broker that lives for two minutes spends less CPU so.
launch() { # NAME CLASS OUT JVM_OPTIONS...
  local part=$1 class=$2 out=$3; shift 3
  : > "$out"
  nohup "$java" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "$@" -Duser.home="$dir" -cp "$dir/conf:$jars/*" \
    "$class" -c "$dir/$part.conf" > "$out" 2> "$dir/stderr" < /dev/null &
  echo $! > "$dir/$part.pid"
  await_line "$dir/$part.pid" "$out" 'boot success'
}

start_nameserver() {
  printf 'listenPort=%s\nbindAddress=127.0.0.1\n' "$namesrv_port" > "$dir/namesrv.conf"
  launch namesrv org.apache.rocketmq.namesrv.NamesrvStartup "$dir/namesrv.out" -Xmx128m
}

start_broker() {
  {
    printf '%s\n' brokerClusterName=DefaultCluster "brokerName=$name" brokerId=0 brokerIP1=127.0.0.1 bindAddress=127.0.0.1
    printf '%s\n' "listenPort=$broker_port" "namesrvAddr=$namesrv" "storePathRootDir=$dir/store" "storePathCommitLog=$dir/store/commitlog"
    # Durable, and patient on a busy machine: by default a request that waits for 200 ms is refused.
    printf '%s\n' flushDiskType=SYNC_FLUSH mappedFileSizeCommitLog=67108864 registerNameServerPeriod=10000 diskMaxUsedSpaceRatio=95 \
      waitTimeMillsInSendQueue=10000 waitTimeMillsInPullQueue=20000 osPageCacheBusyTimeOutMills=10000 syncFlushTimeout=10000 \
      deleteWhen=04 fileReservedTime=72
    [ ${#settings[@]} = 0 ] || printf '%s\n' "${settings[@]}"
  } > "$dir/broker.conf"
  launch broker org.apache.rocketmq.broker.BrokerStartup "$dir/broker.out" -Xmx1g -XX:MaxDirectMemorySize=512m \
    --add-opens java.base/java.nio=ALL-UNNAMED --add-opens java.base/sun.nio.ch=ALL-UNNAMED \
    --add-opens java.base/java.lang=ALL-UNNAMED --add-exports java.base/jdk.internal.ref=ALL-UNNAMED
}

case ${1:-} in
  fetch) fetch ;;
  standalone | nameserver | broker)
    parse "$@"
    fetch
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    remember "$@"
    logging
    export ROCKETMQ_HOME=$dir
    unset NAMESRV_ADDR
    if [ "$verb" != broker ] && ! alive "$dir/namesrv.pid"; then start_nameserver; fi
    if [ "$verb" != nameserver ]; then start_broker; fi
    ;;
  again) again "$2" ;;
  stop) finish TERM "$2/broker.pid"; finish TERM "$2/namesrv.pid" ;;
  crash) if [ -f "$2/broker.pid" ]; then finish KILL "$2/broker.pid"; else finish KILL "$2/namesrv.pid"; fi ;;
  *) die "usage: see the head of $here/common.sh" ;;
esac
