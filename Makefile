# Each target sets up what it needs first. `make` lists them.
# ARGS= passes arguments on (make run ARGS="--port 3002"); PYTHON= chooses the Python to set up with.

.PHONY: help setup install uninstall run demo dev test test-darwin fuzz fresh package-test check e2e bench soak screenshots build bundle tarball man completions deb app sbom release-check lock clean

BIN := .venv/bin
EXAMPLES ?= 2000
# Tests wait much of the time, so two more run at once than there are processors.
PYTEST_XDIST_AUTO_NUM_WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
export PYTEST_XDIST_AUTO_NUM_WORKERS

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	@echo '  ARGS="..." passes arguments on; PYTHON=python3.12 chooses the Python of make setup.'

setup: ## Create .venv with everything in it (PYTHON=python3.12 chooses the Python)
	@sh packaging/setup.sh

install: ## Install or upgrade Offramp for yourself, started at login (ARGS="--yes")
	@sh packaging/install.sh $(ARGS)

uninstall: ## Remove Offramp; your history stays (ARGS="--purge" deletes it too)
	@sh packaging/uninstall.sh $(ARGS)

run: setup ## Run the daemon in the foreground (ARGS="--port 3002")
	@$(BIN)/offramp serve $(ARGS)

demo: setup ## Try it with simulated services: no key, no network
	@$(BIN)/offramp demo $(ARGS)

dev: setup ## Run the daemon, and restart it when the code changes
	@$(BIN)/watchfiles --filter python --target-type command --sigint-timeout 15 '$(BIN)/offramp serve $(ARGS)' daemon

test: setup ## Run every test (ARGS="tests/daemon -k meter" for some)
	@$(BIN)/python -m pytest -m "not e2e" -n auto $(ARGS)

test-darwin: setup ## On Linux: run the tests that could differ on macOS as if this were a Mac
	@sh packaging/test-darwin.sh $(ARGS)

fuzz: setup ## Test with random and broken bytes, for minutes (ARGS="-k codings"; EXAMPLES=)
	@FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest tests/fuzz -n auto -o timeout=3600 $(ARGS)

fresh: ## Run every test on bare Debian systems, as root and as a user (ARGS="trixie user")
	@sh packaging/fresh.sh $(ARGS)

package-test: setup ## Prove the packages on bare Debian systems, as root (ARGS="trixie uv" for some)
	@sh packaging/package-test.sh $(ARGS)

check: setup ## Check formatting, lint, types, import rules and what the tree must not hold
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@# As this system sees them and as a Mac does, side by side.
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin & \
		$(BIN)/mypy; status=$$?; wait $$! && exit $$status
	$(BIN)/lint-imports
	sh packaging/check-tree.sh

e2e: setup ## Drive two versions of the real Claude Code (npm, Node 20; CLAUDE_CODE=latest for the newest)
	@sh packaging/claude-code.sh
	@$(BIN)/python -m pytest -m e2e -n auto tests/e2e $(ARGS)

bench: setup ## Measure the daemon beside a bare aiohttp pass-through and nginx
	@$(BIN)/python benchmarks/run.py $(ARGS)

soak: setup ## Load the daemon for 30 minutes, with faults among it (ARGS="--minutes 10" for less)
	@$(BIN)/python benchmarks/soak.py $(ARGS)

screenshots: setup ## Draw the pictures of the charts window into docs/images/
	@sh packaging/screenshots.sh

build: setup ## Build the wheel and the sdist into dist/
	@rm -f dist/*.whl
	@$(BIN)/python -m build --no-isolation --outdir dist

bundle: ## Build Offramp with its own Python into dist/: runs on Debian 12 or newer, needs nothing
	@sh packaging/bundle/build.sh

tarball: bundle ## Pack the bundle with an installer for one user (Linux) into dist/
	@sh packaging/bundle/tarball.sh

man: setup ## Write the manual pages into dist/man/, from the help texts
	@$(BIN)/python packaging/man_pages.py dist/man

completions: setup ## Write the completions for bash, zsh and fish into dist/completions/
	@$(BIN)/python packaging/completions.py dist/completions

deb: bundle man completions ## Build the Debian package into dist/ (on Debian 12, so that it runs there and on newer ones)
	@sh packaging/deb/build.sh

app: bundle ## On macOS: build Offramp.app into dist/, as a zip, and with a certificate as a disk image
	@sh packaging/macos/package.sh

sbom: setup ## Write the list of everything inside, with licences, into dist/ (CycloneDX)
	@mkdir -p dist
	@$(BIN)/python packaging/release/sbom.py "$$(sh packaging/release/sbom-name.sh)"

release-check: build ## Check all that a release is made of (ARGS="--tag v0.2.0")
	@test -e "$$(sh packaging/release/sbom-name.sh)" || $(MAKE) --no-print-directory sbom
	@$(BIN)/python packaging/release/check.py $(ARGS)

lock: ## Write constraints/ again from pyproject.toml (ARGS=--upgrade takes the newest)
	@sh packaging/lock.sh $(ARGS)

clean: ## Remove .venv and everything else that was created here
	rm -rf .venv .cache build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find daemon tray dashboard_qt tests benchmarks packaging -name __pycache__ -type d -prune -exec rm -rf {} +
