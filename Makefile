# The way in. `make help` lists the targets; each says what it lacks. Nothing here asks a question.

SWIFT ?= swift
# Addresses of the demo's five hosts begin with this (127.0.1.1, 127.0.2.1 …).
export DEMO_PREFIX ?= 127.0
BUILD_LOG := .build/make-build.log

.PHONY: help deps build demo demo-down test test-full e2e bench check golden simulate clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## Install what is missing of the Debian packages (never one that starts a service)
	@Scripts/deps

build: deps ## Build the release binary, .build/release/evenkeel
	@$(SWIFT) build -c release --product evenkeel

demo: build ## A server, five agents in three zones, a MariaDB cluster from a git commit
	@Scripts/demo up

demo-down: ## Stop everything that make demo started, and remove .demo
	@Scripts/demo down

test: deps ## Every test: units, properties, simulator, real databases, end to end
	@$(SWIFT) build --build-tests
	@$(SWIFT) test --skip-build 2>&1 | tee .build/make-test.log | grep -vE '^(◇|􀟈|✔|􁁛) ' || true
	@grep -qE 'Test run with [0-9]+ tests? .*passed' .build/make-test.log && ! grep -qE 'Test run with .*failed' .build/make-test.log
	@EVENKEEL_BIN=$$($(SWIFT) build --show-bin-path)/evenkeel python3 -B -m unittest discover -v -s Tests/EndToEnd -p 'test_*.py'

e2e: build ## Only the end-to-end tests, with the release binary
	@EVENKEEL_BIN=.build/release/evenkeel python3 -B -m unittest discover -v -s Tests/EndToEnd -p 'test_*.py'

test-full: build ## Every fault at every moment, with the release binary (about an hour)
	@EVENKEEL_TEST_FULL=1 EVENKEEL_TEST_TIMES=1 EVENKEEL_BIN=.build/release/evenkeel python3 -B -m unittest discover -v -s Tests/EndToEnd -p 'test_*.py'

bench: build ## Benchmarks: a table, side by side with what one would otherwise use
	@if [ -x Tests/Benchmarks/run ]; then Tests/Benchmarks/run; else echo "no benchmarks yet: Tests/Benchmarks/run is missing"; exit 1; fi

check: ## Warnings as errors, and the manifests in examples/
	@$(SWIFT) build
	@for fleet in examples/*/; do if find $$fleet -name '*.yaml' | grep -q .; then .build/debug/evenkeel validate $$fleet || exit 1; fi; done

golden: ## Record the golden files anew; look at the diff
	@EVENKEEL_RECORD=1 $(SWIFT) test --filter Golden

simulate: ## The simulator, many seeds, release build
	@$(SWIFT) build -c release --product evenkeel && .build/release/evenkeel simulate --seeds 1000

clean: demo-down ## Remove what was built
	@$(SWIFT) package clean
