#!/bin/sh
# Builds the programs for Linux on aarch64, and runs there, by qemu-user, the unit tests of what is
# not TLS. Debian's compiler builds the standard library along (tools/static.sh), with its cross
# compiler and C library. Not run: jails, whose system calls qemu cannot hand to this machine's
# kernel, and whatever runs a program, since the kernel cannot start a foreign one.
# `make aarch64` calls this.
set -eu
here=$(dirname "$0")
target=aarch64-unknown-linux-gnu
compiler=$("$here/static.sh" compiler)
for needed in "${compiler:-rustc-web}" aarch64-linux-gnu-gcc qemu-aarch64; do
	command -v "$needed" >/dev/null || {
		echo "make: SKIPPED aarch64: needs Debian's rustc-web, rust-web-src, gcc-aarch64-linux-gnu," \
			"libc6-dev-arm64-cross and qemu-user" >&2
		exit
	}
done
export RUSTC="$compiler" RUSTC_BOOTSTRAP=1
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
# Tests unwind, whatever the profile says; built for both ways, there would be two standard libraries.
export CARGO_PROFILE_FAST_PANIC=unwind
run() {
	command=$1
	shift
	"${CARGO:-cargo}" "$command" --locked --quiet --profile fast -Zbuild-std --target $target \
		--target-dir "${CARGO_TARGET_DIR:-target}/aarch64" "$@"
}
run test -p proto -p unix -p tools --lib -- --skip landlock --skip seccomp
# checkpassword-pam wants the system's PAM, for that processor.
run build -p tlsserver -p admin -p tools
run build -p checkpassword --no-default-features
