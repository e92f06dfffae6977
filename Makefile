# make test   everything that CI runs; as root, installs the Debian packages it needs
# make demo   builds, and shows a login, a message sent and fetched again: as root through the
#             Exim or Postfix that is installed, unless OWN=1; KEEP=1: keeps running
# make test-shipped   what strangers talk to, tested as it is shipped; part of make test
# make lint   formatting and lints only
# make fuzz SECONDS=60   each fuzz target for so long, with libFuzzer; docs/fuzzing.md
# make miri, make sanitize   proto's tests in Miri, unix's with AddressSanitizer
# make bench  ours beside a bare server, nginx, Dovecot, tlswrapper and the C programs
#             (C_ACCEPTUTILS=DIR); make bench-docs puts it into docs/performance.md
# make completions   writes completions/ anew, after a change of acceptutils' options
# make portable   checks that what is not TLS compiles for other systems; part of make test
# make aarch64  builds for Linux on aarch64, and runs unit tests by qemu-user; part of make test
# make release   all that is published of a release, made twice in two clones and compared;
#             make source only the archive of the source with all crates
# make version VERSION=1.2.3   sets the version everywhere; make changelog closes its section
# make picture   draws docs/chain.svg of docs/chain.dot (Debian's graphviz)
# make        builds release binaries: target/release
# make install   installs what is built: programs, manual pages, completions, examples, and a
#                PAM service where there is none; knows DESTDIR, PREFIX, BINDIR, SBINDIR,
#                MANDIR, DATADIR and SYSCONFDIR; BUILD=fast, here and above, takes another
#                profile than release
# make deb    a Debian package of what make builds, in target/debian; BUILD as above

PACKAGES = $(shell cat */packages */tests/packages 2>/dev/null)
PROFILE = fast
BUILD = release
CARGO = cargo
DEMO = acceptutils tlsserver authup checkpassword-file checknotroot fiximapio fixsmtpio \
	demo-smtp-into-maildir demo-pop3-from-maildir
CARGO_TARGET_DIR ?= target
PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
# Where programs go that administrators and services run; Debian has /usr/sbin for them.
SBINDIR = $(BINDIR)
DATADIR = $(PREFIX)/share
MANDIR = $(DATADIR)/man
# Where PAM looks, whatever the prefix.
SYSCONFDIR = /etc

all:
	$(CARGO) build --locked --profile $(BUILD) --workspace --exclude tools --exclude acceptance \
		--exclude bench --exclude bench-stand-ins --exclude test-support
	@$(MAKE) --no-print-directory static
	install $(STATIC_PROGRAMS:%=$(STATIC)/%) $(BUILT)

# The programs that start for each connection are linked statically, with musl where that is to
# be had: tools/static.sh says why and how. Always as they are released, whatever BUILD is, so
# that tests of the package and of what is shipped need one build of them.
STATIC_CARGO = CARGO="$(CARGO)" CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" tools/static.sh
STATIC = $(CARGO_TARGET_DIR)/static/$(shell tools/static.sh target)/release
STATIC_PROGRAMS = $(TALKING) $(FIXED) checkpassword-file
TALKING = authup fiximapio fixsmtpio
# These read nothing from strangers, so they are relocated here and not at each start.
FIXED = checknotroot qmail-qfilter-addtlsheader

static:
	@tools/static.sh advice
	$(STATIC_CARGO) build --locked --release -p tools $(TALKING:%=--bin %)
	for program in $(FIXED); do \
		$(STATIC_CARGO) rustc --locked --release -p tools --bin $$program -- -C relocation-model=static || exit 1; \
	done
	$(STATIC_CARGO) build --locked --release -p checkpassword --no-default-features

# tlsserver, too, for machines whose C library is another or older: for releases.
static-all: static
	$(STATIC_CARGO) build --locked --release -p tlsserver --bin tlsserver

# Each page of section 8 is a program's. Nothing is built here: whoever installs may
# be root, and need not have cargo.
PAGES = $(notdir $(wildcard man/*.[0-9]))
PROGRAMS = $(basename $(filter %.8,$(PAGES)))
BUILT = $(CARGO_TARGET_DIR)/$(BUILD)
# What only makes packages is no example.
EXAMPLES = $(shell cd contrib && find . -type f ! -path './debian/*' ! -path './packaging/*')

install:
	@for program in $(PROGRAMS); do \
		test -f $(BUILT)/$$program || \
			{ echo "make: $(BUILT)/$$program: not built: run make first" >&2; exit 1; }; \
	done
	install -d $(DESTDIR)$(SBINDIR)
	install -m 755 $(addprefix $(BUILT)/,$(PROGRAMS)) $(DESTDIR)$(SBINDIR)
	for page in $(PAGES); do \
		install -D -m 644 man/$$page \
			$(DESTDIR)$(MANDIR)/man$${page##*.}/$$page || exit 1; \
	done
	@test -e $(DESTDIR)/var/empty || install -d -m 755 $(DESTDIR)/var/empty || \
		echo "make: without /var/empty, which root makes, each login takes longer" >&2
	install -D -m 644 completions/acceptutils.bash \
		$(DESTDIR)$(DATADIR)/bash-completion/completions/acceptutils
	install -D -m 644 completions/_acceptutils \
		$(DESTDIR)$(DATADIR)/zsh/site-functions/_acceptutils
	install -D -m 644 completions/acceptutils.fish \
		$(DESTDIR)$(DATADIR)/fish/vendor_completions.d/acceptutils.fish
	test -e $(DESTDIR)$(SYSCONFDIR)/pam.d/checkpassword || \
		install -D -m 644 contrib/pam.d/checkpassword \
			$(DESTDIR)$(SYSCONFDIR)/pam.d/checkpassword || \
		echo "make: without $(SYSCONFDIR)/pam.d/checkpassword PAM asks $(SYSCONFDIR)/pam.d/other" >&2
	for file in $(EXAMPLES); do \
		if test -x contrib/$$file; then mode=755; else mode=644; fi; \
		install -D -m $$mode contrib/$$file \
			$(DESTDIR)$(DATADIR)/doc/acceptutils/examples/$$file || exit 1; \
	done

# cargo-deb is taken where it is installed, or else built here, for here.
CARGO_DEB = $(CARGO_TARGET_DIR)/cargo-deb

# Without it the package would say that it depends on nothing.
dpkg-dev:
	@command -v dpkg-shlibdeps >/dev/null || \
		{ echo "make: dpkg-shlibdeps not found: install dpkg-dev" >&2; exit 1; }

cargo-deb:
	@command -v cargo-deb >/dev/null || test -x $(CARGO_DEB)/bin/cargo-deb || \
		$(CARGO) install cargo-deb --version ^3.8 --locked --debug --root $(CARGO_DEB)

deb: dpkg-dev cargo-deb all
	PATH="$$PATH:$(abspath $(CARGO_DEB))/bin" $(CARGO) deb -p admin --profile $(BUILD) --no-build \
		$(if $(filter release,$(BUILD)),,--fast) --output $(CARGO_TARGET_DIR)/debian/

# The same of what lists the crates in a program.
CARGO_CYCLONEDX = $(CARGO_TARGET_DIR)/cargo-cyclonedx

cargo-cyclonedx:
	@command -v cargo-cyclonedx >/dev/null || test -x $(CARGO_CYCLONEDX)/bin/cargo-cyclonedx || \
		$(CARGO) install cargo-cyclonedx --version ^0.5 --locked --debug --root $(CARGO_CYCLONEDX)

musl-gcc:
	@case "$$(tools/static.sh target)" in *-musl*) command -v musl-gcc >/dev/null || \
		{ echo "make: musl-gcc not found: install musl-tools" >&2; exit 1; } ;; esac

# A release, in target/dist; CONTRIBUTING.md says what comes first.
release: dpkg-dev musl-gcc cargo-deb cargo-cyclonedx
	PATH="$$PATH:$(abspath $(CARGO_DEB))/bin:$(abspath $(CARGO_CYCLONEDX))/bin" release/release.sh release

source:
	release/release.sh source

version:
	release/version.sh set $(VERSION)

# What is unreleased becomes the version's that Cargo.toml has.
changelog:
	sed -i "s/^## Unreleased$$/## $$(sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml) - $$(date -u +%Y-%m-%d)/" \
		CHANGELOG.md

# Other systems, as far as a compiler can tell.
portable:
	@CARGO="$(CARGO)" CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" tools/portable.sh

# Another processor, as far as qemu-user can tell.
aarch64:
	@CARGO="$(CARGO)" CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" tools/aarch64.sh

test: packages lint portable aarch64
	$(CARGO) build --locked --profile $(PROFILE) --workspace --all-targets
	$(CARGO) test --locked --profile $(PROFILE) --workspace
	$(CARGO) test --quiet $(FUZZ)
	@$(MAKE) --no-print-directory test-shipped

# What strangers talk to, as it is shipped: the programs of each connection are others than
# cargo builds for the tests above.
SHIPPED = $(CARGO_TARGET_DIR)/shipped

test-shipped: static
	install -d $(SHIPPED)
	install $(STATIC_PROGRAMS:%=$(STATIC)/%) $(SHIPPED)
	install $(addprefix $(CARGO_TARGET_DIR)/$(PROFILE)/,acceptutils tlsserver) $(SHIPPED)
	ACCEPTANCE_PROGRAMS=$(abspath $(SHIPPED)) $(CARGO) test --locked --profile $(PROFILE) -p acceptance \
		--test cases --test privileges --test hostile

lint:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --quiet --profile $(PROFILE) --workspace --all-targets -- -D warnings
	$(CARGO) clippy --quiet $(FUZZ) --lib --tests -- -D warnings
	@if command -v cargo-deny >/dev/null; then \
		$(CARGO) deny --offline --locked check --hide-inclusion-graph licenses bans sources; \
	else \
		echo "make: NOT INSTALLED, deny.toml was not asked: cargo-deny" >&2; \
	fi

# The completions that are installed, as the options are now.
completions:
	WRITE_COMPLETIONS=1 $(CARGO) test --locked --profile $(PROFILE) -p admin --lib completions

# Outside the workspace: what must hold, and the fuzz targets that try it.
FUZZ = --locked --manifest-path fuzz/Cargo.toml

# What is missing is installed by root, and named to everybody else: the tests that
# need it then say that they were skipped.
packages:
	@command -v $(CARGO) >/dev/null || \
		{ echo "make: cargo not found: install Rust 1.88 or later, https://rustup.rs" >&2; exit 1; }
	@missing=$$(for package in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}\n' $$package 2>/dev/null | grep -q ' installed$$' || echo $$package; \
	done); \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q && \
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; \
	else \
		echo "make: NOT INSTALLED, tests that need them will be skipped:" $$missing >&2; \
	fi

# Nothing of it is installed, and nothing of it stays, but what is built.
demo: PACKAGES = $(shell cat checkpassword/packages)
demo: packages
	$(CARGO) build --locked --profile $(PROFILE) $(DEMO:%=--bin %)
	@$(CARGO_TARGET_DIR)/$(PROFILE)/acceptutils demo $(if $(KEEP),--keep) $(if $(OWN),--own-server)

# Everything, in about a quarter of an hour; ONLY=sessions (throughput, idle, startup, logged-in,
# failures, imap, growth) one part, QUICK=1 just to see that it works. Writes into target/bench.
bench:
	@$(MAKE) --no-print-directory packages PACKAGES="$(shell cat bench/peers)"
	$(CARGO) build --locked --profile $(BUILD) --bin tlsserver --bin checkpassword-file --bin bench
	@$(MAKE) --no-print-directory static
	$(STATIC_CARGO) build --locked --release -p bench-stand-ins
	install $(addprefix $(STATIC)/,$(STATIC_PROGRAMS) bench-stand-in) $(BUILT)
	$(BUILT)/bench --output $(CARGO_TARGET_DIR)/bench $(ONLY:%=--only %) $(if $(QUICK),--quick)

# The tables and plots of the last whole run become docs/performance.md's.
bench-docs:
	$(BUILT)/bench docs --output $(CARGO_TARGET_DIR)/bench --docs docs

# The words' widths are those of the font that the source names.
picture: PACKAGES = graphviz fonts-dejavu-core
picture: packages
	dot -Tsvg -o docs/chain.svg docs/chain.dot

# These need a nightly compiler, for what no other has. Each says what is missing.
NIGHTLY = +nightly
SECONDS = 60

fuzz:
	@CARGO="$(CARGO)" NIGHTLY="$(NIGHTLY)" fuzz/run.sh $(SECONDS) $(TARGETS)

# Left out are tests that try thousands of inputs, or search: they would take hours.
MIRI_SKIPS = d19_client_and message_octets whatever_the_cuts the_hash_is_found \
	each_day reach:: lint:: many_stars

miri:
	@$(CARGO) $(NIGHTLY) miri --version || { echo "make: no Miri:" \
		"rustup component add miri rust-src --toolchain nightly" >&2; exit 1; }
	MIRIFLAGS=-Zmiri-strict-provenance $(CARGO) $(NIGHTLY) miri test -p proto --lib \
		-- $(MIRI_SKIPS:%=--skip %)

# Not the jail's own tests: the sanitizer makes system calls that a jail forbids.
sanitize:
	@$(CARGO) $(NIGHTLY) --version || { echo "make: no nightly toolchain:" \
		"rustup toolchain install nightly (or NIGHTLY= RUSTC_BOOTSTRAP=1)" >&2; exit 1; }
	RUSTFLAGS=-Zsanitizer=address $(CARGO) $(NIGHTLY) test -p unix --all-features --lib \
		--target $(shell rustc -vV | sed -n "s,^host: ,,p") --target-dir $(CARGO_TARGET_DIR)/sanitize

.PHONY: aarch64 cargo-cyclonedx cargo-deb changelog portable release source version completions deb dpkg-dev all static install test test-shipped lint packages bench demo picture bench-docs fuzz miri sanitize musl-gcc static-all
