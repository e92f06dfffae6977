#!/bin/sh
# Cargo for programs that are linked statically. The Makefile calls it for those that
# start for each connection: most of their start would be the dynamic linker's.
#
#   tools/static.sh build|rustc ARGUMENTS   runs cargo
#   tools/static.sh target                  prints what it builds for
#   tools/static.sh advice                  says what is missing, if anything is
#   tools/static.sh compiler                prints which compiler has the standard library's source
#
# They are linked with musl, since glibc asks the processor what it is at each start, and
# in a virtual machine each question is a trap. rustup's target is taken, if installed.
# Otherwise the standard library is compiled for musl, by a compiler that comes with its
# source (Debian's rustc-web and rust-web-src) and with Debian's musl-dev. Without
# either, glibc it is. What is in C, of tlsserver, musl-gcc compiles (Debian's musl-tools).
#
# Knows CARGO, CARGO_TARGET_DIR, and RUSTFLAGS, which are added to its own.
set -eu
cargo=${CARGO:-cargo}
folder=${CARGO_TARGET_DIR:-target}/static
host=$(rustc -vV | sed -n 's/^host: //p')
case $host in
*-musl*) musl=$host ;;
*) musl=${host%-gnu*}-musl${host##*-gnu} ;;
esac
# Debian has one name for all processors of a kind.
case $host in
arm*) kind=arm ;;
i?86-*) kind=i386 ;;
riscv64*) kind=riscv64 ;;
*) kind=${host%%-*} ;;
esac
# Where it has musl's library and the objects that a program begins and ends with.
library=/usr/lib/$kind-linux-${musl##*-}

# The first compiler that has the standard library's source, and is recent enough for us.
with_source() {
	for compiler in rustc /usr/bin/rustc; do
		sysroot=$($compiler --print sysroot 2>/dev/null) || continue
		minor=$($compiler --version | cut -d. -f2)
		if [ -f "$sysroot/lib/rustlib/src/rust/library/Cargo.lock" ] && [ "$minor" -ge 88 ]; then
			echo $compiler
			return
		fi
	done
}

compiler=
target=$host
if [ -d "$(rustc --print sysroot)/lib/rustlib/$musl/lib" ]; then
	target=$musl
elif [ -f "$library/rcrt1.o" ]; then
	compiler=$(with_source)
	[ -z "$compiler" ] || target=$musl
fi

case $1 in
compiler)
	with_source
	exit
	;;
target)
	echo "$target"
	exit
	;;
advice)
	[ "$target" = "$musl" ] || cat >&2 <<-END
		make: linked with glibc, so that each start takes up to three times as long in a virtual
		make: machine; with musl: rustup target add $musl,
		make: or Debian's rustc-web (1.88 or later), rust-web-src and musl-dev
	END
	# Where there is none, the compiler repeats the name.
	[ "$target" != "$host" ] || [ "$(${CC:-cc} -print-file-name=libc.a)" != libc.a ] || cat >&2 <<-END
		make: no libc.a, so that nothing can be linked statically: install Fedora's glibc-static
		make: or openSUSE's glibc-devel-static
	END
	exit
	;;
esac

flags="-C target-feature=+crt-static"
if [ -n "$compiler" ]; then
	# What programs begin with: relocated by themselves, or where they are linked.
	case " $* " in
	*" relocation-model=static "*) begin=crt1.o ;;
	*) begin=rcrt1.o ;;
	esac
	# Nothing unwinds, as a panic aborts; the standard library asks for the archive anyway.
	mkdir -p "$folder"
	printf '!<arch>\n' >"$folder/libunwind.a"
	flags="$flags -C link-self-contained=no -C link-arg=-nostartfiles \
		-L native=$library -L native=$folder"
	for object in $begin crti.o libc.a crtn.o; do
		flags="$flags -C link-arg=$library/$object"
	done
	# musl has none of the kernel's headers.
	name=$(echo "$musl" | tr - _)
	export "CC_$name=musl-gcc" \
		"CFLAGS_$name=-idirafter /usr/include -idirafter /usr/include/$kind-linux-gnu${musl##*-musl} ${CFLAGS:-}"
	RUSTC=$compiler
	RUSTC_BOOTSTRAP=1
	export RUSTC RUSTC_BOOTSTRAP
fi

command=$1
shift
RUSTFLAGS="$flags ${RUSTFLAGS:-}" exec $cargo "$command" --target "$target" --target-dir "$folder" \
	${compiler:+-Zbuild-std=std,panic_abort -Zbuild-std-features=} "$@"
