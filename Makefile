# make test   everything that CI runs; as root, installs the Debian packages it needs
# make demo   builds, and shows a login, a message sent and fetched again; KEEP=1: keeps running
# make lint   formatting and lints only
# make        builds for use: target/release

PACKAGES = $(shell cat */packages */tests/packages 2>/dev/null)
PROFILE = fast
CARGO = cargo
DEMO = acceptutils tlsserver authup checkpassword-file checknotroot fixsmtpio \
	demo-smtp-into-maildir demo-pop3-from-maildir

all:
	$(CARGO) build --release --workspace

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
demo: PACKAGES = $(shell cat */packages 2>/dev/null)
demo: packages
	$(CARGO) build --quiet --profile $(PROFILE) $(DEMO:%=--bin %)
	@target/$(PROFILE)/acceptutils demo $(if $(KEEP),--keep)

.PHONY: all test lint packages demo
