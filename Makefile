# make test   everything that CI runs; as root, installs the Debian packages it needs
# make demo   builds, and shows a login, a message sent and fetched again; KEEP=1: keeps running
# make lint   formatting and lints only
# make fuzz SECONDS=60   each fuzz target for so long, with libFuzzer; docs/fuzzing.md
# make miri, make sanitize   proto's tests in Miri, unix's with AddressSanitizer
# make bench  ours beside a bare server, nginx, Dovecot, tlswrapper and the C programs
#             (C_ACCEPTUTILS=DIR); make bench-docs puts it into docs/performance.md
# make picture   draws docs/chain.svg of docs/chain.dot (Debian's graphviz)
# make        builds for use: target/release
# make install   installs what is built: programs, manual pages and examples; knows DESTDIR
#                and PREFIX; BUILD=fast, here and above, takes another profile than release
# make deb    a Debian package of what make builds, in target/debian; BUILD as above

PACKAGES = $(shell cat */packages */tests/packages 2>/dev/null)
PROFILE = fast
BUILD = release
CARGO = cargo
DEMO = acceptutils tlsserver authup checkpassword-file checknotroot fixsmtpio \
	demo-smtp-into-maildir demo-pop3-from-maildir
CARGO_TARGET_DIR ?= target
PREFIX = /usr/local

all:
	$(CARGO) build --profile $(BUILD) --workspace --exclude tools --exclude acceptance \
		--exclude bench --exclude bench-stand-ins
	@$(MAKE) --no-print-directory static

# The programs that start for each connection are linked statically: most of the time
# that one takes to start would be the dynamic linker's. Best with musl, where rustc has
# it: glibc asks the processor what it is at each start, which takes longer than all
# else in a virtual machine.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
MUSL = $(HOST:%-gnu=%-musl)
STATIC = $(if $(wildcard $(shell rustc --print sysroot)/lib/rustlib/$(MUSL)/lib),$(MUSL),$(HOST))

STATICALLY = RUSTFLAGS="-C target-feature=+crt-static" $(CARGO)
TOOLS = --profile $(BUILD) -p tools --target $(STATIC)
# These read nothing from strangers, so they are relocated here and not at each start.
FIXED = checknotroot qmail-qfilter-addtlsheader

static:
	@test $(STATIC) = $(MUSL) || \
		echo "make: these programs start faster after: rustup target add $(MUSL)" >&2
	$(STATICALLY) build $(TOOLS) --bin authup --bin fiximapio --bin fixsmtpio
	for program in $(FIXED); do \
		$(STATICALLY) rustc $(TOOLS) --bin $$program -- -C relocation-model=static || exit 1; \
	done
	$(STATICALLY) build --profile $(BUILD) -p checkpassword --no-default-features --target $(STATIC)
	install -d $(BUILT)
	cd $(CARGO_TARGET_DIR)/$(STATIC)/$(BUILD) && install authup checknotroot fiximapio fixsmtpio \
		qmail-qfilter-addtlsheader checkpassword-file $(abspath $(BUILT))

# Each page of section 8 is a program's. Nothing is built here: whoever installs may
# be root, and need not have cargo.
PAGES = $(notdir $(wildcard man/*.[0-9]))
PROGRAMS = $(basename $(filter %.8,$(PAGES)))
BUILT = $(CARGO_TARGET_DIR)/$(BUILD)
# What is the package's alone, dpkg's scripts, is no example.
EXAMPLES = $(shell cd contrib && find . -type f ! -path './debian/*')

install:
	@for program in $(PROGRAMS); do \
		test -f $(BUILT)/$$program || \
			{ echo "make: $(BUILT)/$$program: not built: run make first" >&2; exit 1; }; \
	done
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(addprefix $(BUILT)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin
	for page in $(PAGES); do \
		install -D -m 644 man/$$page \
			$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$$page || exit 1; \
	done
	for file in $(EXAMPLES); do \
		if test -x contrib/$$file; then mode=755; else mode=644; fi; \
		install -D -m $$mode contrib/$$file \
			$(DESTDIR)$(PREFIX)/share/doc/acceptutils/examples/$$file || exit 1; \
	done

# cargo-deb is taken where it is installed, or else built here, for here.
CARGO_DEB = $(CARGO_TARGET_DIR)/cargo-deb

deb: all
	@command -v cargo-deb >/dev/null || test -x $(CARGO_DEB)/bin/cargo-deb || \
		$(CARGO) install cargo-deb --version ^3.8 --locked --debug --root $(CARGO_DEB)
	PATH="$$PATH:$(abspath $(CARGO_DEB))/bin" $(CARGO) deb -p admin --profile $(BUILD) --no-build \
		$(if $(filter release,$(BUILD)),,--fast) --output $(CARGO_TARGET_DIR)/debian/

test: packages lint
	$(CARGO) build --profile $(PROFILE) --workspace --all-targets
	$(CARGO) test --profile $(PROFILE) --workspace
	$(CARGO) test --quiet $(FUZZ)

lint:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --quiet --profile $(PROFILE) --workspace --all-targets -- -D warnings
	$(CARGO) clippy --quiet $(FUZZ) --lib --tests -- -D warnings

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
	$(CARGO) build --profile $(PROFILE) $(DEMO:%=--bin %)
	@$(CARGO_TARGET_DIR)/$(PROFILE)/acceptutils demo $(if $(KEEP),--keep)

# Everything, in about a quarter of an hour; ONLY=sessions (throughput, idle, startup,
# growth) one part, QUICK=1 just to see that it works. Writes into target/bench.
bench:
	@$(MAKE) --no-print-directory packages PACKAGES="$(shell cat bench/peers)"
	$(CARGO) build --profile $(BUILD) --bin tlsserver --bin checkpassword-file --bin bench
	@$(MAKE) --no-print-directory static
	$(STATICALLY) build --profile $(BUILD) -p bench-stand-ins --target $(STATIC)
	install $(CARGO_TARGET_DIR)/$(STATIC)/$(BUILD)/bench-stand-in $(BUILT)
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
		--target $(HOST) --target-dir $(CARGO_TARGET_DIR)/sanitize

.PHONY: deb all static install test lint packages bench demo picture bench-docs fuzz miri sanitize
