# Sourced by run.sh and lines.sh: which toolchains are there, and the builds of the clients, kept below INTEROP_BUILD.

interop=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export INTEROP_BUILD=${INTEROP_BUILD:-$(cd "$interop/../.." && pwd)/target/interop}
mkdir -p "$INTEROP_BUILD"
java=${JAVA_HOME:+$JAVA_HOME/bin/}java

# Succeeds with a reason if Java clients cannot be built and run here.
java_missing() {
  local compiler=${JAVA_HOME:+$JAVA_HOME/bin/}javac version
  version=$("$java" -version 2>&1 | sed -n 's/.*version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -1)
  if ! command -v "$java" > /dev/null || ! command -v "$compiler" > /dev/null || [ "${version:-0}" -lt 17 ]; then
    echo "no JDK 17+ found; install one (Debian: apt install openjdk-17-jdk-headless) or set JAVA_HOME"
  elif ! command -v mvn > /dev/null; then
    echo "no Maven found; install it (Debian: apt install maven)"
  else
    return 1
  fi
}

go_missing() {
  command -v go > /dev/null && return 1
  echo "no Go found; install Go 1.21 or newer (https://go.dev/dl)"
}

# Runs a build unless its inputs are those of the last one.
cached() { # NAME INPUTS COMMAND...
  local name=$1 inputs=$2 sum log; shift 2
  sum=$(find $inputs -type f -print0 | sort -z | xargs -0 cat | cksum)
  [ "$(cat "$INTEROP_BUILD/$name.sum" 2> /dev/null)" = "$sum" ] && return
  echo "building $name" >&2
  log=$INTEROP_BUILD/$name.log
  "$@" > "$log" 2>&1 || { tail -n 30 "$log" >&2; return 1; }
  echo "$sum" > "$INTEROP_BUILD/$name.sum"
}

build_java() { # java5 or java4
  cached "$1" "$interop/java/pom.xml $interop/java/src" maven "$1"
}

maven() {
  local command=(mvn -q -B -f "$interop/java/pom.xml" "-P$1" "-Dbuild.dir=$INTEROP_BUILD/$1" process-classes)
  rm -rf "${INTEROP_BUILD:?}/$1/classes"
  "${command[@]}" -o || "${command[@]}" # from the second time on it needs no network
}

build_go() { cached go "$interop/go" compile_go; }

compile_go() { (cd "$interop/go" && go build -o "$INTEROP_BUILD/go/interop" .); }
