#!/bin/sh
# make fuzz: every target for so many seconds, as many at a time as there are cores, and
# a line for each. What is found stays in target/artifacts, what was tried and is worth
# keeping in target/corpus. Exit code 1 when anything was found.
set -eu
cd "$(dirname "$0")"
CARGO=${CARGO:-cargo}
NIGHTLY=${NIGHTLY-+nightly}
SECONDS_EACH=$1
shift

missing() {
	echo "make: $1" >&2
	exit 1
}
$CARGO fuzz --version >/dev/null 2>&1 ||
	missing "cargo-fuzz not found: cargo install cargo-fuzz --locked"
$CARGO $NIGHTLY --version >/dev/null 2>&1 ||
	missing "no nightly toolchain: rustup toolchain install nightly (or NIGHTLY= RUSTC_BOOTSTRAP=1)"
command -v c++ >/dev/null || missing "no C++ compiler, which libFuzzer needs: install g++"

TARGETS=${*:-$(ls corpus)}
for target in $TARGETS; do
	$CARGO $NIGHTLY fuzz build -O --debug-assertions --features libfuzzer "$target"
done

host=$(rustc -vV | sed -n 's/^host: //p')
export SECONDS_EACH host
# shellcheck disable=SC2086
printf '%s\n' $TARGETS | xargs -P "$(nproc)" -I NAME sh -c '
	mkdir -p target/corpus/NAME target/artifacts
	code=0
	target/$host/release/NAME target/corpus/NAME corpus/NAME -max_total_time=$SECONDS_EACH \
		-max_len=4096 -timeout=30 -rss_limit_mb=3000 -print_final_stats=1 \
		-artifact_prefix=target/artifacts/NAME- >target/NAME.log 2>&1 || code=$?
	executions=$(sed -n "s/^stat::number_of_executed_units: *//p" target/NAME.log)
	coverage=$(sed -n "s/.* cov: \([0-9]*\) .*/\1/p" target/NAME.log | tail -n 1)
	found=$(sed -n "s/.*Test unit written to //p" target/NAME.log | tr "\n" " ")
	[ $code = 0 ] || found="${found:-exit code $code, see fuzz/target/NAME.log}"
	echo "NAME: $executions executions, coverage $coverage, found: ${found:-nothing}"
	[ $code = 0 ]
'
