# make test   everything that CI runs; as root, installs the Debian packages it needs
# make demo   builds, and shows a login, a message sent and fetched again; KEEP=1: keeps running
# make lint   formatting and lints only
# make bench  tlsserver beside nginx, Dovecot and tlswrapper, in one table
# make        builds for use: target/release
# make install   installs what is built: programs and manual pages; knows DESTDIR and
#                PREFIX; BUILD=fast, here and above, takes another profile than release

PACKAGES = $(shell cat */packages */tests/packages 2>/dev/null)
PROFILE = fast
BUILD = release
CARGO = cargo
DEMO = acceptutils tlsserver authup checkpassword-file checknotroot fixsmtpio \
	demo-smtp-into-maildir demo-pop3-from-maildir
CARGO_TARGET_DIR ?= target
PREFIX = /usr/local

all: static
	$(CARGO) build --profile $(BUILD) --workspace --exclude tools --exclude acceptance --exclude bench

# The programs that start for each connection are linked statically: most of the time
# that one takes to start would be the dynamic linker's.
STATIC = -C target-feature=+crt-static
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

static:
	RUSTFLAGS="$(STATIC)" $(CARGO) build --profile $(BUILD) -p tools --target $(HOST)
	install -d $(BUILT)
	cd $(CARGO_TARGET_DIR)/$(HOST)/$(BUILD) && \
		install authup checknotroot fixsmtpio qmail-qfilter-addtlsheader $(abspath $(BUILT))

# Each page of section 8 is a program's. Nothing is built here: whoever installs may
# be root, and need not have cargo.
PAGES = $(notdir $(wildcard man/*.[0-9]))
PROGRAMS = $(basename $(filter %.8,$(PAGES)))
BUILT = $(CARGO_TARGET_DIR)/$(BUILD)

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

test: packages lint
	$(CARGO) build --profile $(PROFILE) --workspace --all-targets
	$(CARGO) test --profile $(PROFILE) --workspace

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --profile $(PROFILE) --workspace --all-targets -- -D warnings

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

bench:
	@$(MAKE) --no-print-directory packages PACKAGES="$(shell cat bench/peers)"
	$(CARGO) build --release -p tlsserver -p bench
	@$(MAKE) --no-print-directory static BUILD=release
	$(CARGO_TARGET_DIR)/release/bench

.PHONY: all static install test lint packages bench demo
