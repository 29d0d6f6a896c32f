# On a fresh machine with python3, git and make, two commands do everything: `make demo` and `make test`.

PYTHON ?= python3
BIN := .venv/bin
UV ?= $(BIN)/uv
PIP := -m pip --disable-pip-version-check
INSTALL := $(BIN)/python $(PIP) install --quiet --quiet
# A lock names all that is needed. Without --no-deps pip looks once more for what an extra needs (`coverage[toml]`), and
# refuses the lock on the day that PyPI has a newer one.
LOCKED := --no-deps --require-hashes

# Stamps, each touched last, so that an interrupted set-up starts over instead of being taken for whole.
LIBRARIES := .venv/.libraries
PROJECT := .venv/.project
TOOLS := .venv/.tools

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow soak fuzz model coverage lint format image container-test emulator-test bench bench-short bench-xl bench-branches bench-growth bench-contention bench-peers lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(TOOLS) ## make .venv with everything that the other targets need

demo: $(PROJECT) ## one frame of ten workers, from delta files to the merge commit (ARGS=lost-update, ARGS=zombie)
	@$(BIN)/dreamcatcher demo $(ARGS)

test: $(TOOLS) ## run the tests
	$(BIN)/python -m pytest -n auto $(ARGS)

test-slow: $(TOOLS) ## run the tests that take minutes
	$(BIN)/python -m pytest -n auto -m slow $(ARGS)

soak: $(TOOLS) ## workers, merges and their remote die for 200 frames; every operation is accounted for (ARGS=--seed 2)
	$(BIN)/python -m tests.soak $(ARGS)

fuzz: $(TOOLS) ## mutate deltas, settings, schemas, state and manifests, by chance and led by coverage (ARGS=a pytest option)
	$(BIN)/python -m pytest -n auto -rP --hypothesis-profile=fuzz tests/test_fuzz.py $(ARGS)
	@$(INSTALL) $(LOCKED) -r requirements-fuzz.lock || echo "atheris cannot be installed here." >&2
	@$(BIN)/python -m tests.fuzz_atheris || test $$? -eq 75

model: $(PROJECT) ## check the model of the protocol, and that each guard's absence breaks it (rumur, gcc; ARGS=--short)
	$(BIN)/python -m model.check $(ARGS)

coverage: $(TOOLS) ## run the tests and show which lines they do not reach
	$(BIN)/python -m pytest -n auto --cov --cov-report=term $(ARGS)

lint: $(TOOLS) ## style, types, workflows, Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict merge_bot
	$(BIN)/actionlint .github/workflows/*.yml merge_bot/templates/workflow.yml
	$(BIN)/zizmor --offline --quiet .
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml merge_bot/templates/workflow.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck .ci/run .ci/release

format: $(TOOLS) ## rewrite the code in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

image: ## build the container image of the action (docker)
	docker build --tag dreamcatcher:test .

container-test: $(TOOLS) ## start the image as the runner does (DREAMCATCHER_TEST_ENGINE, DREAMCATCHER_TEST_IMAGE)
	$(BIN)/python -m pytest -m container -rP tests/container $(ARGS)

emulator-test: $(TOOLS) ## hold the pull requests against an emulator of GitHub that others wrote (npm)
	$(BIN)/python -m pytest -m emulator -rs tests/emulator $(ARGS)

bench: $(TOOLS) ## measure frames of all sizes beside a plain implementation
	$(BIN)/python -m tests.benchmarks $(ARGS)

bench-short: $(TOOLS) ## measure small frames, in under a minute
	$(BIN)/python -m tests.benchmarks --short --output tests/benchmarks/results/scratch/short $(ARGS)

bench-xl: $(TOOLS) ## measure a frame of a million records (ARGS="--cache FOLDER")
	$(BIN)/python -m tests.benchmarks --sizes XL --runs 3 --output tests/benchmarks/results/xl $(ARGS)

bench-branches: $(TOOLS) ## measure a frame whose deltas came by 1,000 branches, from fetch to push
	$(BIN)/python -m tests.benchmarks.branches $(ARGS)

bench-growth: $(TOOLS) ## measure how a repository grows over 1,000 frames
	$(BIN)/python -m tests.benchmarks.growth $(ARGS)

bench-contention: .cache/peers/.whole ## let up to 100 workers push at once, to one branch and to a branch each
	.cache/peers/bin/python -m tests.benchmarks.contention $(ARGS)

bench-peers: .cache/peers/.whole ## give the same frames to other tools: jsonmerge, SQLite, DuckDB, CRDTs, git (ARGS=--help)
	.cache/peers/bin/python -m tests.benchmarks.peers $(ARGS)

# The peers live in an environment of their own: nothing else needs them.
.cache/peers/.whole: requirements.lock tests/benchmarks/peers/requirements.lock
	@$(PYTHON) -m venv --clear .cache/peers
	@.cache/peers/bin/python $(PIP) install --quiet --quiet $(LOCKED) \
		-r requirements.lock -r tests/benchmarks/peers/requirements.lock
	@touch $@

lock: $(UV) ## write the lock files from pyproject.toml; UPGRADE=--upgrade moves to the newest versions
	$(COMPILE) --extra dev pyproject.toml --output-file requirements-dev.lock
	$(COMPILE) --constraint requirements-dev.lock pyproject.toml --output-file requirements.lock
	$(COMPILE) --constraint requirements-dev.lock --group build --output-file requirements-build.lock
	$(COMPILE) --group fuzz --output-file requirements-fuzz.lock
	$(COMPILE) --group emulator --output-file tests/emulator/requirements.lock
	$(COMPILE) --constraint requirements-dev.lock --group peers --output-file tests/benchmarks/peers/requirements.lock
COMPILE = $(UV) pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"

clean: ## remove everything that was made here
	rm -rf .venv .cache build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*

$(LIBRARIES): requirements.lock requirements-build.lock
	@command -v git >/dev/null || { echo "git is missing. Install it, then run make again." >&2; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing. Install Python 3.11 or newer, then run make again." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1), and Python 3.11 or newer is needed. If you have one, name it: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: its parts venv and ensurepip are missing. On Debian and Ubuntu: apt install python3-venv. Then run make again." >&2; exit 1; }
	@echo "Setting up .venv …"
	@$(PYTHON) -m venv --clear .venv
	@$(INSTALL) $(LOCKED) -r requirements.lock -r requirements-build.lock
	@touch $@

# Compiled, as pip does with what is not editable: where Python may write no bytecode, each start would compile it all.
$(PROJECT): $(LIBRARIES) pyproject.toml
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q merge_bot
	@touch $@

$(TOOLS): $(PROJECT) requirements-dev.lock
	@echo "Adding the tools for tests and checks …"
	@$(INSTALL) $(LOCKED) -r requirements-dev.lock
	@touch $@

$(BIN)/uv: $(TOOLS)
