# Targets for people: `make help` lists them. Everything that is needed gets installed by the targets themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# What embedded nodes need: machines, a switch, and the tools that build the node image.
PACKAGES := qemu-system-x86 qemu-utils vde2 mmdebstrap debian-archive-keyring uidmap fakeroot e2fsprogs cpio zstd \
            openssh-client python3-venv
# What the tests need besides: a real sshd on loopback, and a second user.
TEST_PACKAGES := openssh-server passwd

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: lab
lab: venv system ## from a fresh machine to a verified three-node swarm
	$(BIN)/lab up
	$(BIN)/lab verify
	@echo
	@echo "The swarm is up. Next:"
	@echo "  $(BIN)/lab status               what is there, and where to point a browser"
	@echo "  $(BIN)/lab ssh n1 -- docker ps  look around on a node"
	@echo "  $(BIN)/lab down                 take everything away again"

.PHONY: test
test: venv system testsystem ## install what is needed and run the tests, real clusters included
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -m "not long"

.PHONY: soak
soak: venv system testsystem ## the end-to-end tests that take long: dying nodes, moved snapshots
	$(BIN)/pytest -m long

.PHONY: check
check: venv ## lint, types and hermetic tests: no machine is started
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -m "not e2e"

.PHONY: generated
generated: venv ## write the schemas and the pages that are made from the code anew
	$(BIN)/lab schema inventory > schemas/inventory.schema.json
	$(BIN)/lab schema lab > schemas/lab.schema.json
	$(BIN)/lab checks --markdown > docs/checks.md
	$(BIN)/lab labs --markdown > docs/claims.md

.PHONY: bench
bench: venv system ## measure: ratios within one run, each with what was compared
	$(BIN)/python -m benchmarks

.PHONY: chaos
chaos: venv system ## kill commands at random points on real nodes: POINTS=100 SEED=1 GROUND=ssh (or vm); takes hours
	$(BIN)/python -m tests.chaos --points $(or $(POINTS),100) --seed $(or $(SEED),1) --ground $(or $(GROUND),ssh) --json chaos.json

.PHONY: down
down: ## take the lab of inventory.yaml away
	$(BIN)/lab down

.PHONY: clean
clean: ## take the lab away, then delete the virtual environment and the node images
	-[ ! -x $(BIN)/lab ] || $(BIN)/lab down
	-[ ! -x $(BIN)/lab ] || $(BIN)/lab image rm
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: venv
venv: $(VENV)/.installed

# python3-venv is its own package on Debian and Ubuntu; everything else comes into the virtual environment.
$(VENV)/.installed: pyproject.toml requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(SUDO) apt-get update -q && $(SUDO) apt-get install -yq python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

.PHONY: system
system:
	@$(call install,$(PACKAGES))

.PHONY: testsystem
testsystem:
	@$(call install,$(TEST_PACKAGES))

# Ask dpkg first: where everything is there, neither root nor a network is needed.
define install
	missing=""; for package in $(1); do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  echo "installing:$$missing"; \
	  $(SUDO) apt-get update -q && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends $$missing; \
	fi
endef
