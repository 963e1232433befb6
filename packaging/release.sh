#!/usr/bin/env bash
# Builds the release: a stripped static binary and its checksum, in ./dist. usage: packaging/release.sh [TARGET]
# Static with musl where that target is installed (rustup target add x86_64-unknown-linux-musl), else with the static glibc of the host,
# which is as static but larger, and whose look-up of host names needs the same glibc on the machine that runs it (addresses always work);
# which of the two it was is printed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

machine=$(uname -m)
target=${1:-}
if [ -z "$target" ]; then
    target=$machine-unknown-linux-musl
    sysroot=$(rustc --print sysroot)
    if [ ! -d "$sysroot/lib/rustlib/$target" ]; then
        echo "target $target is not installed; linking glibc statically instead"
        target=$machine-unknown-linux-gnu
    fi
fi
# Both kinds of target link everything in with this flag; musl does so by default.
export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static"
cargo build --release --locked -p mainstem --target "$target"

version=$(cargo pkgid -p mainstem | sed 's/.*[#@]//')
name=mainstem-$version-$target
built=${CARGO_TARGET_DIR:-target}/$target/release/mainstem
mkdir -p dist
strip -o "dist/$name" "$built"
(cd dist && sha256sum "$name" > "$name.sha256" && sha256sum -c "$name.sha256")

if readelf -d "dist/$name" | grep -q NEEDED; then
    echo "dist/$name is not static:" >&2
    readelf -d "dist/$name" | grep NEEDED >&2
    exit 1
fi
"dist/$name" --version
ls -l "dist/$name"
