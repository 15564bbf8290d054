# Everything is set up in .venv on first use; nothing is installed elsewhere.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# How many files of tests run at once. Most tests wait more than they compute.
JOBS   ?= 3
READY  := $(VENV)/.ready

.PHONY: help demo up quick unit test check format lint types bench simulate chaos mutate outbox-kills dist pythons docs clean

help:  ## show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY)  ## a thousand commissions on this machine, from end to end, and the proof
	@$(BIN)/astakos-worker demo

up: $(READY)  ## the same stack, until Ctrl-C
	@$(BIN)/astakos-worker up

quick: format types unit  ## format, lint, types and the unit tests in under a minute: for every save

unit: $(READY)  ## the unit tests that take no longer than two seconds each
	$(BIN)/python -m pytest --quiet --numprocesses 2 --dist worksteal -m 'not long' tests/unit

# EVERYTHING=1: fail if a test lacks its server. Without it such tests are left out.
test: $(READY)  ## the whole test suite: make test JOBS=3
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder \
	  $(if $(EVERYTHING),--leave-none-out)

# FULL=1: all scenarios, with plots. AUTH_URL=... TOKEN=...: against a real Astakos.
bench: export ASTAKOS_TOKEN := $(or $(TOKEN),$(ASTAKOS_TOKEN))
bench: $(READY)  ## beside direct calls and plain Celery; make bench FULL=1 for everything
	@$(BIN)/python -m bench $(if $(FULL),--full --plots docs) \
	  $(if $(AUTH_URL),--auth-url '$(AUTH_URL)') $(if $(ONLY),--only $(ONLY))

simulate: $(READY)  ## search the protocol for faults: make simulate N=1000000, FAULTS=2 SCRIPT=issue
	$(BIN)/python -m tests.simulation $(if $(N),--random $(N)) $(if $(FAULTS),--faults $(FAULTS)) \
	  $(addprefix --script ,$(SCRIPT)) $(addprefix --case ,$(CASE))

chaos: $(READY)  ## kill, cut and pause a real stack, and the proof: make chaos MINUTES=10 SEED=7
	@$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),10) \
	  --commissions $(or $(COMMISSIONS),5000) --seed $(or $(SEED),1)

mutate: $(READY)  ## change one thing at a time: does a test notice? make mutate FILE=policy EVERY=10
	@$(BIN)/python -m tests.mutation --every $(or $(EVERY),1) $(addprefix --file ,$(FILE))

outbox-kills: $(READY)  ## kill services, relays and the ledger at random, and the proof: make outbox-kills N=1000
	@$(BIN)/python -m tests.integration.outbox.kills --kills $(or $(N),1000) \
	  --seed $(or $(SEED),1) $(if $(SQLITE),--sqlite)

dist: $(VENV)/.ready-release  ## build the release, check it, and run the demo from it in an empty environment
	@$(BIN)/python -m tests.package

# PYTHONS="/path/to/python3.12 ...": use these, instead of searching for others.
pythons: $(READY)  ## the unit tests, and a few others, under each other Python that is promised and found
	@$(BIN)/python -m tests.package.pythons $(PYTHONS)

docs: $(VENV)/.ready-docs  ## the documentation as a site, in build/docs; warnings are errors
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -c docs/site . build/docs
	@echo 'build/docs/index.html'

check: lint types test  ## format, lint, types and the whole test suite: before you hand it in

lint: $(READY)  ## the format and the linter, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)  ## mypy, strict
	$(BIN)/mypy

format: $(READY)  ## format the code, and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove what was made here, and the environment
	rm -rf $(VENV) run build dist .mypy_cache .ruff_cache .hypothesis

# Packages are installed once, and again only after pyproject.toml or constraints.txt has changed.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3'; exit 1; }
	@echo 'Setting up $(VENV) (once, about a minute) ...'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# The packages of one more extra: .ready-docs, .ready-release.
$(VENV)/.ready-%: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@
