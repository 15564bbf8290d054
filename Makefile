# Everything is set up in .venv on first use; nothing is installed elsewhere.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Files of tests that run at once: most of them wait more than they compute.
JOBS   ?= 3
READY  := $(VENV)/.ready

.PHONY: help demo up test check format lint types bench simulate chaos clean

help:  ## show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY)  ## run the main job from end to end on this machine, and prove its sums
	@$(BIN)/astakos-worker demo

up: $(READY)  ## the same stack, left running; Ctrl-C ends it
	@$(BIN)/astakos-worker up

test: $(READY)  ## the whole test suite: make test JOBS=3
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder

# FULL=1: everything, with plots; AUTH_URL=... TOKEN=...: against a real Astakos.
bench: export ASTAKOS_TOKEN := $(or $(TOKEN),$(ASTAKOS_TOKEN))
bench: $(READY)  ## against direct calls and plain Celery; make bench FULL=1 for everything
	@$(BIN)/python -m bench $(if $(FULL),--full --plots docs) \
	  $(if $(AUTH_URL),--auth-url '$(AUTH_URL)') $(if $(ONLY),--only $(ONLY))

simulate: $(READY)  ## search the protocol for faults: N=1000000, or FAULTS=2 SCRIPT=issue
	$(BIN)/python -m tests.simulation $(if $(N),--random $(N)) $(if $(FAULTS),--faults $(FAULTS)) \
	  $(addprefix --script ,$(SCRIPT)) $(addprefix --case ,$(CASE))

chaos: $(READY)  ## commissions under fire, and the proof: make chaos MINUTES=10 COMMISSIONS=5000 SEED=7
	@$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),10) \
	  --commissions $(or $(COMMISSIONS),5000) --seed $(or $(SEED),1)

check: lint types test  ## format, lint, types, tests

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

format: $(READY)  ## format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove what was made here, the environment too
	rm -rf $(VENV) run build dist .mypy_cache .ruff_cache .hypothesis

# Installed once; again only when what is to be installed has changed.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3'; exit 1; }
	@echo 'Setting up $(VENV) (once, about a minute) ...'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
