#!/bin/sh
# Makes a release, or its source archive only, and their sums, in target/dist of this clone,
# which has just been made for that. What differs from clone to clone, its path and the time,
# is kept out of it. Called by release.sh.
#
#   release/build.sh VERSION release|source
set -eu
cd "$(dirname "$0")/.."
name=acceptutils-$1
what=$2
dist=$PWD/target/dist
stage=$PWD/target/stage
LC_ALL=C
TZ=UTC
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export LC_ALL TZ SOURCE_DATE_EPOCH
umask 022
mkdir -p "$dist" "$stage"

# pack FOLDER NAME ARCHIVE
pack() {
	tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
		--format=ustar -C "$1" -cf - "$2" | gzip -n >"$dist/$3.tar.gz"
}

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
pack "$stage" "$name" "$name"

if [ "$what" = release ]; then
	# From here on as somebody would who has the archive. Paths are in what compilers write
	# for panics and debuggers.
	CARGO_NET_OFFLINE=true
	RUSTFLAGS="--remap-path-prefix=$PWD=/usr/src/$name"
	CFLAGS="-ffile-prefix-map=$PWD=/usr/src/$name"
	export CARGO_NET_OFFLINE RUSTFLAGS CFLAGS
	unset CARGO_TARGET_DIR
	make --silent deb
	cp target/debian/*.deb "$dist"

	# Programs for any Linux on this kind of processor. Not checkpassword-pam, as PAM loads
	# modules, nor acceptutils, as musl would find the users of /etc/passwd only; tlsserver only
	# with musl, as glibc loads what looks up hosts.
	target=$(tools/static.sh target)
	programs="authup fiximapio fixsmtpio checknotroot qmail-qfilter-addtlsheader checkpassword-file"
	case $target in
	*-musl*)
		make --silent static-all
		programs="$programs tlsserver"
		;;
	esac
	static=$stage/$name-$target
	mkdir -p "$static/bin" "$static/man"
	for program in $programs; do
		cp "target/static/$target/release/$program" "$static/bin"
		cp "man/$program.8" "$static/man"
	done
	cp -R LICENSE* README.md CHANGELOG.md man/acceptutils-control.5 contrib/control "$static"
	pack "$stage" "$name-$target" "$name-$target"

	# What each program is made of. The programs' own packages are named by their path.
	cargo cyclonedx --quiet --format json --target all --override-filename sbom
	for package in admin checkpassword tlsserver tools; do
		sed "s,$PWD,/usr/src/$name,g" "$package/sbom.json" >"$dist/$name-$package.cdx.json"
	done
fi
cd "$dist"
sha256sum -- * >../SHA256SUMS
mv ../SHA256SUMS .
