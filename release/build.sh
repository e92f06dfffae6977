#!/bin/sh
# Makes the source archive of a release, and its sum, in target/dist of this clone, which has
# just been made for that. What differs from clone to clone, its path and the time, is kept
# out of it. Called by release.sh.
#
#   release/build.sh VERSION
set -eu
cd "$(dirname "$0")/.."
name=acceptutils-$1
dist=$PWD/target/dist
stage=$PWD/target/stage
LC_ALL=C
TZ=UTC
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export LC_ALL TZ SOURCE_DATE_EPOCH
umask 022
mkdir -p "$dist" "$stage"

git archive --prefix="$name/" HEAD | tar -C "$stage" -xf -
cd "$stage/$name"
# All that it is built from; where the standard library is built along (tools/static.sh), what
# that needs, too.
set -- --sync fuzz/Cargo.toml
compiler=$(tools/static.sh compiler)
if [ -n "$compiler" ]; then
	set -- "$@" --sync "$("$compiler" --print sysroot)/lib/rustlib/src/rust/library/Cargo.toml"
fi
mkdir .cargo
# The standard library's manifest has what only unreleased compilers take.
RUSTC_BOOTSTRAP=1 cargo vendor --quiet --locked --versioned-dirs "$@" vendor
cat >.cargo/config.toml <<END
[source.crates-io]
replace-with = "vendored-sources"

[source.vendored-sources]
directory = "vendor"
END
# Nothing is missing, for somebody who has never built anything.
CARGO_HOME=$stage/home cargo metadata --offline --locked --format-version 1 >/dev/null

tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=ustar \
	-C "$stage" -cf - "$name" | gzip -n >"$dist/$name.tar.gz"
cd "$dist"
sha256sum "$name.tar.gz" >SHA256SUMS
