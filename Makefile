PYTHON ?= python3
READY := .venv/.ready
# DVC starts `python` of the environment it finds first.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help repro test lint bench

help:
	@echo "make repro   run the pipeline on the data sets of params.yaml and say where the tables are"
	@echo "make test    run the tests"
	@echo "make lint    check format, style and types"
	@echo "make bench   time us against ourselves; nothing else should run"

repro: $(READY)
	mfaranet params
	dvc repro
	@ls results/*/tables/*.md

test: $(READY)
	pytest

lint: $(READY)
	ruff format --check .
	ruff check .
	snakefmt --check Snakefile
	mypy

bench: $(READY)
	python benchmarks/pruning.py
	python benchmarks/engines.py

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: Python 3.11 or newer with its venv module is needed (Debian: apt install python3-venv;" \
		  "another Python: make PYTHON=/path/to/python3.11)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)
