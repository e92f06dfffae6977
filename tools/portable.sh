#!/bin/sh
# Checks, with clippy, that the programs compile for systems other than this one, for which
# there is no standard library here: it is checked along, from the source that comes with
# Debian's rustc-web. Nothing is linked or run. tlsserver and acceptutils are not among them:
# their cryptography is C, which needs each system's headers. `make portable` calls this.
#
#   tools/portable.sh [TARGET ...]
set -eu
here=$(dirname "$0")
compiler=$("$here/static.sh" compiler)
# Beside the compiler, as the two have to be of the same version.
linter=$(dirname "$(command -v "${compiler:-rustc}")")/cargo-clippy
if [ -z "$compiler" ] || [ ! -x "$linter" ]; then
	echo "make: SKIPPED portable: needs Debian's rustc-web, rust-web-src and rust-web-clippy" >&2
	exit
fi
# Those that pass, Linux with 32 bits and with the other byte order among them; others can be named.
# Linux on aarch64 is what `make aarch64` builds.
[ $# -gt 0 ] || set -- x86_64-unknown-freebsd x86_64-unknown-netbsd x86_64-unknown-openbsd \
	aarch64-apple-darwin i686-unknown-linux-gnu armv7-unknown-linux-gnueabihf \
	powerpc64le-unknown-linux-gnu s390x-unknown-linux-gnu
echo "portable: $*"
# All at once: the standard library is one crate after another, each of which has one processor busy.
for target in "$@"; do
	shift
	set -- "$@" --target "$target"
done
RUSTC=$compiler RUSTC_BOOTSTRAP=1 CARGO=$(command -v "${CARGO:-cargo}") "$linter" clippy --quiet \
	-Zbuild-std=std,panic_abort "$@" --profile fast --target-dir "${CARGO_TARGET_DIR:-target}/portable" \
	-p proto -p unix -p tools -p checkpassword --all-features -- -D warnings
