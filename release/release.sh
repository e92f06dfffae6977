#!/bin/sh
# Makes a release of HEAD, or its source archive only, in target/dist: twice, each time in a
# fresh clone in another folder, and compared; what comes out differently is no release.
# CONTRIBUTING.md says what is done before. Called by `make release` and `make source`.
#
#   release/release.sh release|source
set -eu
cd "$(dirname "$0")/.."
fail() {
	echo "release: $*" >&2
	exit 1
}

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
release/version.sh check
grep -q "^## $version - [0-9]" CHANGELOG.md ||
	fail "CHANGELOG.md: no section \"## $version - DATE\": make changelog"
[ -z "$(git status --porcelain)" ] || fail "uncommitted changes"
cargo metadata --locked --no-deps --format-version 1 >/dev/null || fail "Cargo.lock: not up to date"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
# Folders whose names are not of the same length.
for clone in "$work/one" "$work/another/one"; do
	git clone --quiet --no-hardlinks . "$clone"
	"$clone/release/build.sh" "$version" "$1"
done
diff "$work/one/target/dist/SHA256SUMS" "$work/another/one/target/dist/SHA256SUMS" || {
	# For whoever looks for the reason.
	rm -rf target/differs
	mkdir -p target/differs
	cp -R "$work/one/target/dist" target/differs/one
	cp -R "$work/another/one/target/dist" target/differs/another
	fail "two clones make two different releases: target/differs"
}
rm -rf target/dist
mkdir -p target
cp -R "$work/one/target/dist" target/dist
cat target/dist/SHA256SUMS
echo "release: made twice, with the same sums: target/dist"
