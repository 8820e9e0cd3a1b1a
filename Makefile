# The way in. `make help` lists the targets; each says what it lacks. Nothing here asks a question.

SWIFT ?= swift
# Addresses of the demo's five hosts begin with this (127.0.1.1, 127.0.2.1 …).
export DEMO_PREFIX ?= 127.0
# Everything that building, running and testing need. Never mariadb-server: that one starts a service.
PACKAGES := libsqlite3-dev libyaml-dev libgit2-dev libmariadb-dev pkg-config git mariadb-server-core \
	mariadb-client-core mariadb-client mariadb-backup galera-4 haproxy iproute2 nftables openssl python3
# What is released carries Swift's own libraries: hosts have none.
RELEASE := -c release --static-swift-stdlib
SEEDS ?= 10000
FIRST ?= 0
# What `make test` simulates, a run each.
SIMULATIONS := "--seeds 7500" "--seeds 500 --leading" "--seeds 1000 --rolling" "--seeds 500 --when-alone continue" "--seeds 500 --galera"
# Tests that use both cores and wait for nothing.
PURE := ^(FleetModel|JSONStream|ControlAPI|Manifests|Planning|Simulation)Tests\.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo -n)

.PHONY: help deps build demo demo-down test test-full e2e bench check golden simulate plants clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## Install what is missing of the Debian packages (never one that starts a service)
	@missing=""; for package in $(PACKAGES); do \
		case $$(dpkg-query -W -f '$${db:Status-Abbrev}' $$package 2>/dev/null) in ii*) ;; *) missing="$$missing $$package" ;; esac; \
	done; \
	[ -z "$$missing" ] || { echo "deps: installing$$missing" && $(SUDO) apt-get update -qq && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } || \
		{ echo "deps: become root (or allow sudo without a password) and run: apt-get install -y --no-install-recommends$$missing" >&2; exit 1; }
	@# Databases never run as root: the user that Debian's own package would make.
	@[ "$$(id -u)" -ne 0 ] || getent passwd mysql >/dev/null || \
		useradd --system --user-group --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin mysql
	@command -v $(firstword $(SWIFT)) >/dev/null || { echo "deps: install Swift 6.3 from https://www.swift.org/install/linux/" >&2; exit 1; }

build: deps ## Build the release binary, .build/release/evenkeel
	@$(SWIFT) build $(RELEASE) --product evenkeel

demo: build ## A server, five agents in three zones, a MariaDB cluster from a git commit
	@examples/three-zones/demo up

demo-down: ## Stop everything that make demo started, and remove .demo
	@examples/three-zones/demo down

test: deps ## Every test: units, properties, simulator, real databases, end to end
	@$(SWIFT) build --build-tests
	@# What only computes goes first: beside it what waits for clocks, processes and databases would wait for a turn.
	@# Few at a time: all at once they wait for the pool's threads longer than any bound of theirs.
	@: >.build/make-test.log; for which in --filter --skip; do \
		SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=4 $(SWIFT) test --skip-build $$which '$(PURE)' 2>&1 | tee -a .build/make-test.log | grep -avE '^(◇|􀟈|✔|􁁛) ' || true; \
	done
	@[ $$(grep -acE 'Test run with [0-9]+ tests? .*passed' .build/make-test.log) = 2 ]
	@$(SWIFT) build $(RELEASE) --product evenkeel-simulate
	@for which in $(SIMULATIONS) --kept; do .build/release/evenkeel-simulate --quiet $$which || exit 1; done
	@.build/release/evenkeel-simulate --plants --seeds 1000
	@EVENKEEL_BIN=$$($(SWIFT) build --show-bin-path)/evenkeel python3 -B Tests/EndToEnd/run.py

e2e: build ## Only the end-to-end tests, with the release binary
	@EVENKEEL_BIN=.build/release/evenkeel python3 -B Tests/EndToEnd/run.py

test-full: build ## Every fault at every moment, with the release binary (more than an hour)
	@EVENKEEL_TEST_FULL=1 EVENKEEL_TEST_TIMES=1 EVENKEEL_BIN=.build/release/evenkeel python3 -B Tests/EndToEnd/run.py

bench: build ## Benchmarks: a table, side by side with what one would otherwise use
	@Tests/Benchmarks/run
	@EVENKEEL_BIN=.build/release/evenkeel python3 -B Tests/Benchmarks/one_file_commit.py
	@EVENKEEL_BIN=.build/release/evenkeel python3 -B Tests/Benchmarks/commit_to_converged.py

check: ## Warnings as errors, and the manifests in examples/
	@$(SWIFT) build
	@for fleet in examples/*/; do if find $$fleet -name '*.yaml' | grep -q .; then .build/debug/evenkeel validate $$fleet || exit 1; fi; done

golden: ## Record the golden files anew; look at the diff
	@EVENKEEL_RECORD=1 $(SWIFT) test --filter 'Golden|ReferenceTests'

simulate: ## The simulator, many seeds (SEEDS=10000 FIRST=0 FLAGS=--leading), release build of it alone
	@$(SWIFT) build $(RELEASE) --product evenkeel-simulate
	@.build/release/evenkeel-simulate --start $(FIRST) --seeds $(SEEDS) $(FLAGS)

plants: ## Every bug that can be planted into the simulator has to be found within 1,000 seeds
	@$(SWIFT) build $(RELEASE) --product evenkeel-simulate
	@.build/release/evenkeel-simulate --plants --seeds 1000

clean: demo-down ## Remove what was built
	@$(SWIFT) package clean
