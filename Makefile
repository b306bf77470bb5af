.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# Stamped by the locks and the four package files: a changed lock installs anew, an unchanged one costs nothing.
PACKAGES := shared services/control_plane services/recorder services/camera_simulator
$(VENV)/.installed: requirements/development.txt $(PACKAGES:%=%/pyproject.toml)
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
	@$(VENV)/bin/pip install --quiet --quiet --require-hashes --requirement requirements/development.txt
	@$(VENV)/bin/pip install --quiet --quiet --no-deps --no-build-isolation $(PACKAGES:%=--editable %)
	@touch $@

.PHONY: setup
setup: $(VENV)/.installed ## Install everything into .venv, both commands in .venv/bin

# More than this machine's cores may be: most tests wait for a camera, which plays no faster than life.
TEST_WORKERS ?= 4
.PHONY: test
test: setup ## Run every test; what they need is installed and started by itself
	@tests/install-system-packages
	@$(VENV)/bin/pytest --numprocesses $(TEST_WORKERS) --dist worksteal $(TEST_ARGS)

.PHONY: check
check: setup ## Format, lint, types, boundaries
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports

.PHONY: format
format: setup ## Put every file into the house format
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

.PHONY: demo
demo: setup ## Run everything on this machine with simulated cameras; DEMO_ARGS="--help" lists the options
	@exec $(VENV)/bin/python -m demo $(DEMO_ARGS)

.PHONY: bench
bench: setup ## Measure speed and memory beside a reference; BENCH=prefix runs those whose name starts so
	@tests/install-system-packages
	@$(VENV)/bin/python -m bench $(BENCH)

.PHONY: kills
kills: setup ## Kill a recorder 200 times at random moments: what each costs; KILLS_ARGS="--times N --seed N"
	@$(VENV)/bin/python -m trials kills $(KILLS_ARGS)

.PHONY: power-cuts
power-cuts: setup ## Cut the power of a recorder's disk at random moments (root, Linux); POWER_CUTS_ARGS as above
	@$(VENV)/bin/python -m trials power-cuts $(POWER_CUTS_ARGS)

.PHONY: openapi
openapi: setup ## Write docs/openapi/*.json anew, after a change of either API
	@mkdir -p docs/openapi
	@for api in cctv local-client; do $(VENV)/bin/control-plane openapi $$api >docs/openapi/$$api.json || exit 1; done

.PHONY: soak
soak: setup ## Half an hour of camera faults and two restarts; SOAK_ARGS="--minutes N --cameras N --seed N"
	@$(VENV)/bin/python -m trials soak $(SOAK_ARGS)

.PHONY: drain
drain: setup ## Kill everything while 1,000 segments are brought: stored once, none gone early; DRAIN_ARGS="--times N --seed N"
	@$(VENV)/bin/python -m trials drain $(DRAIN_ARGS)

.PHONY: replicas
replicas: setup ## Ten minutes of background work by two control planes, one killed in the middle; REPLICAS_ARGS="--minutes N"
	@$(VENV)/bin/python -m trials replicas $(REPLICAS_ARGS)

.PHONY: push
push: setup ## 2,000 recorders wait for news on two replicas while cameras are edited; PUSH_ARGS="--recorders N --replicas N --edits N"
	@$(VENV)/bin/python -m trials push $(PUSH_ARGS)
