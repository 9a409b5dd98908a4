PYTHON ?= python3
READY := .venv/.ready
TOOLS := .tools/.ready
SEED ?= 0
# DVC starts `python` of the environment it finds first.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# Nothing is installed, and nothing built with, but files whose SHA-256 stands in the file given.
LOCKED := -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes
# Three at once on two cores: tests of clusters, kills and locks mostly wait.
TESTS := pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=20

.PHONY: help repro verify test record fuzz faults mutants lint docs bench lock sbom audit scm

help:
	@echo "make repro    run the pipeline on the data sets of params.yaml and say where the tables are"
	@echo "make verify   make again what is committed and depends on no machine, and name what differs; writes nothing"
	@echo "make test     run the tests"
	@echo "make record   run all tests, of the night too, and write which promises hold, and which branches none takes"
	@echo "make fuzz     try 10000 bad inputs, another 10000 by SEED=1; ten minutes, as for a night"
	@echo "make faults   kill, fill disks, corrupt and cut records, and more; an hour, as for a night"
	@echo "make mutants  put small faults into the code, one at a time, and name those that no test notices; 20 minutes"
	@echo "make lint     check format, style and types"
	@echo "make docs     build the pages as a site, in site/"
	@echo "make bench    time us beside the straightforward code, a quarter of an hour; nothing else should run"
	@echo "make lock     write constraints.txt anew from pyproject.toml, with checksums; versions that are in it stay"
	@echo "make sbom     write sbom.json, what is installed, with licences and checksums (CycloneDX)"
	@echo "make audit    ask PyPI for known vulnerabilities of what is locked"

repro: $(READY) scm
	dvc repro
	@ls results/*/tables/*.md

verify: $(READY)
	python -m workflow.verify

test: $(READY) scm
	$(TESTS)

# With what takes minutes and seldom fails alone. Of programs that the tests start the branches count too.
record: $(READY) scm
	rm -rf logs/coverage && mkdir -p logs/coverage
	coverage run -m $(TESTS) --night --record
	coverage combine --quiet
	coverage json --quiet
	python -m tests.covered

fuzz: $(READY)
	python -m tests.fuzz --seed $(SEED) --record

faults: $(READY)
	python -m tests.faults --seed $(SEED) --record

mutants: $(READY)
	python -m tests.mutants --seed $(SEED) --record

lint: $(READY)
	ruff format --check .
	ruff check .
	snakefmt --check Snakefile
	mypy

# With --quiet it would not see warnings. The variable leaves out an advertisement of what comes after mkdocs.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict
	@echo site/index.html

bench: $(READY)
	missed=0; python -m benchmarks || missed=1; python -m benchmarks.growth || missed=1; exit $$missed

# A downloaded zip has no .git, and DVC wants to be told.
scm: $(READY)
	@[ -e .git ] || git rev-parse --git-dir > /dev/null 2>&1 || dvc config --local core.no_scm true

lock: $(TOOLS)
	. .tools/bin/activate && .ci/lock constraints.txt --prod --group dev
	. .tools/bin/activate && .ci/lock .ci/tools.txt --no-default --dev --group tools

sbom: $(READY) $(TOOLS)
	PYTHONWARNINGS=ignore .tools/bin/python .ci/sbom.py

audit: $(TOOLS)
	. .tools/bin/activate && .ci/audit

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: Python 3.11 or newer with its venv module is needed (Debian: apt install python3-venv;" \
		  "another Python: make PYTHON=/path/to/python3.11)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	sed -n '/^setuptools==/,/[^\\]$$/p' constraints.txt > .venv/builder.txt
	.venv/bin/python $(LOCKED) -r .venv/builder.txt
	.venv/bin/python $(LOCKED) --no-build-isolation -r constraints.txt
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	.venv/bin/python -m workflow.plots
	touch $(READY)

$(TOOLS): .ci/tools.txt
	$(PYTHON) -m venv .tools
	.tools/bin/python $(LOCKED) -r .ci/tools.txt
	touch $(TOOLS)
