#!/bin/sh
# The version of the next release, which stands in Cargo.toml, in all that has to repeat it:
#
#   release/version.sh set VERSION   writes it everywhere
#   release/version.sh check         says which file names another than Cargo.toml
#
# Called by `make version` and by release.sh.
set -eu
cd "$(dirname "$0")/.."

# Files, and the line of each, with @ for the version.
repeated() {
	cat <<-'END'
		contrib/debian/changelog|acceptutils (@-1) unstable; urgency=medium
		contrib/packaging/alpine/APKBUILD|pkgver=@
		contrib/packaging/freebsd/Makefile|DISTVERSION=	@
		contrib/packaging/pkgsrc/Makefile|DISTNAME=	acceptutils-@
		contrib/packaging/rpm/acceptutils.spec|Version:        @
	END
}

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
case $1 in
check)
	repeated | while IFS='|' read -r file line; do
		line=$(echo "$line" | sed "s/@/$version/")
		grep -qxF "$line" "$file" || {
			echo "release: $file: no line \"$line\": make version VERSION=$version" >&2
			exit 1
		}
	done
	;;
set)
	new=$2
	echo "$new" | grep -qx '[0-9]*\.[0-9]*\.[0-9]*' || {
		echo "release: $new: no version like 1.2.3" >&2
		exit 1
	}
	[ "$new" != "$version" ] || exit 0
	sed -i "s/^version = \"$version\"\$/version = \"$new\"/" Cargo.toml
	# Debian's list of versions has the old ones, too.
	entry=$(printf 'acceptutils (%s-1) unstable; urgency=medium\n\n  * CHANGELOG.md says what is new.\n\n -- The acceptutils developers <acceptutils@example.org>  %s\n' \
		"$new" "$(LC_ALL=C date -uR)")
	printf '%s\n\n%s\n' "$entry" "$(cat contrib/debian/changelog)" >contrib/debian/changelog.new
	mv contrib/debian/changelog.new contrib/debian/changelog
	old=$(echo "$version" | sed 's/\./\\./g')
	repeated | grep -v '^contrib/debian' | while IFS='|' read -r file line; do
		before=$(echo "$line" | sed "s/@/$old/")
		after=$(echo "$line" | sed "s/@/$new/")
		sed -i "s/^$before\$/$after/" "$file"
	done
	sed -i "s/^\* .* - $old-1\$/* $(LC_ALL=C date -u '+%a %b %d %Y') The acceptutils developers <acceptutils@localhost> - $new-1/" \
		contrib/packaging/rpm/acceptutils.spec
	cargo update --quiet --workspace
	cargo update --quiet --workspace --manifest-path fuzz/Cargo.toml
	exec "$0" check
	;;
*)
	echo "usage: release/version.sh set VERSION | check" >&2
	exit 2
	;;
esac
