# Diptych. Every target sets up what it needs in .venv; a fresh machine needs only make and Python 3.11, 3.12 or 3.13.
FITS   := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c '$(FITS)' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
OUT    ?= results
JOBS   ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 1)
VENV   := .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready
PEERS  := .venv-peers
TESTS  := OPENBLAS_NUM_THREADS=1 $(PY) -m pytest -q -n $(JOBS)
PIP    := $(PY) -m pip --disable-pip-version-check install --quiet -c constraints.txt

# One page, for make page and make diff
M_PATH = $(subst .,/,$(M))
TWINS  = $(wildcard reference/$(M_PATH).py accel/$(M_PATH).py)
NAMED  = test -n "$(M)" -a -n "$(TWINS)" || { echo "✗ name a page, such as M=density.maf; got M=$(M)" >&2; exit 1; }

# A GPU machine may have a Python of its own that holds CuPy: it is taken as it is, and nothing is installed into it.
GPU_PY    = $(shell $(PYTHON) -c 'import cupy' 2>/dev/null && echo $(PYTHON) || echo $(PY))
GPU_TESTS = tests/agreement $(shell grep -rl --include='test_*.py' 'mark\.gpu' tests)
NO_CUPY   = echo "✗ CuPy is neither in $(PYTHON) nor in $(VENV). Run make setup, then $(PY) -m pip install -e '.[cuda13]' (or cuda12)" >&2

.DEFAULT_GOAL := help
.PHONY: help setup test test-kernels test-slow page diff experiments records lint audit bench kernels test-gpu bench-gpu clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(READY)  ## make the virtual environment and say what was found
	@$(PY) -m experiments.harness.provenance

test: setup lint  ## lint, then all tests but those of kernels and the slow ones, JOBS (cores) side by side
	@$(TESTS) -m 'not slow and not kernels'

test-kernels: setup  ## the tests of CUDA kernels, compiled for the CPU by g++; no GPU is needed
	@$(TESTS) -m 'kernels and not slow'

test-slow: setup  ## the slow statistical tests
	@$(TESTS) -m slow

page: $(READY)  ## everything about one page: make page M=density.maf runs lint, truth, agreement, conformance, kernels and its example
	@$(NAMED)
	@$(PY) -m ruff check --quiet $(TWINS) $(wildcard tests/$(dir $(M_PATH))test_$(notdir $(M_PATH)).py) && echo "✓ ruff"
	@OPENBLAS_NUM_THREADS=1 $(PY) -m pytest -q --page $(M) -m 'not slow' $(wildcard tests/$(dir $(M_PATH))test_$(notdir $(M_PATH)).py) \
	  tests/agreement $(wildcard tests/conformance) tests/kernels tests/test_structure.py tests/test_examples.py

diff:  ## the twins of one page side by side: make diff M=density.maf
	@$(NAMED)
	@diff --side-by-side --expand-tabs --width=$${COLUMNS:-224} reference/$(M_PATH).py accel/$(M_PATH).py || test $$? -eq 1

experiments: setup  ## run every experiment into OUT (results), JOBS (cores) side by side, and gather one page
	@$(PY) -m experiments run all --jobs $(JOBS) --out $(OUT); status=$$?; $(PY) -m experiments report --out $(OUT) && exit $$status

records: $(READY)  ## keep the records of the last full run in git and renew the tables in the README
	@mkdir -p experiments/results; if ls $(OUT)/*.json >/dev/null 2>&1; then cp $(OUT)/*.json experiments/results/; fi
	@if ls $(OUT)/gpu/*.json >/dev/null 2>&1; then mkdir -p experiments/results/gpu && cp $(OUT)/gpu/*.json experiments/results/gpu/ \
	  && $(PY) -m experiments.bench.gpu.tables experiments/results/gpu; fi
	@if ls $(OUT)/bench/*.json >/dev/null 2>&1; then mkdir -p experiments/results/bench && cp $(OUT)/bench/*.json experiments/results/bench/ \
	  && $(PY) -m experiments.bench.tables experiments/results/bench; fi
	@$(PY) -m experiments.harness.readme

lint: $(READY)  ## check the style of the source
	@$(PY) -m ruff check --quiet . && echo "✓ ruff"

audit: $(READY)  ## measure the disagreement of the two packages and renew the table in the README
	@$(PY) -m tests.agreement.audit
	@$(PY) -m experiments.harness.readme

bench: $(PEERS)/.ready  ## measure speed on the CPU, against the peers, which get an environment of their own
	@$(PEERS)/bin/python -m experiments.bench run all --device cpu --out $(OUT)/bench
	@$(PEERS)/bin/python -m experiments.bench.tables $(OUT)/bench

kernels: $(READY)  ## compile every CUDA kernel (nvcc), count launches and bytes, and renew the page about the GPU; needs no GPU
	@$(PY) -m tests.kernels.compile --out experiments/results/gpu/kernels.md
	@$(PY) -m tests.kernels.counts --out experiments/results/gpu/counts.json
	@$(PY) -m experiments.bench.gpu.tables experiments/results/gpu

test-gpu:  ## the agreement tests on CUDA; fails where none ran on a device
	@$(GPU_PY) -c 'import cupy' 2>/dev/null || { $(NO_CUPY); exit 1; }
	@$(GPU_PY) -m experiments.harness.provenance
	@DIPTYCH_TEST_CUDA=1 $(GPU_PY) -m pytest -q -m gpu $(GPU_TESTS)

bench-gpu:  ## measure speed on CUDA, beside torch and JAX where they are installed
	@$(GPU_PY) -c 'import cupy' 2>/dev/null || { $(NO_CUPY); exit 1; }
	@$(GPU_PY) -m experiments.harness.provenance
	@$(GPU_PY) -m experiments.bench run all --device cuda --out $(OUT)/gpu

clean:  ## remove what make made: environments, caches, results
	@rm -rf $(VENV) $(PEERS) results build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c '$(FITS)' 2>/dev/null || { echo "✗ Python 3.11, 3.12 or 3.13 is needed, found:" \
	  "$$($(PYTHON) --version 2>&1). Name one: make PYTHON=/path/to/python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "✗ $(PYTHON) cannot make a virtual environment:" \
	  "its venv module is not complete (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "setting up $(VENV) with $$($(PYTHON) --version), a minute or two …"
	@$(PY) -c 'import pip' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@$(PIP) setuptools
	@$(PIP) --no-build-isolation -e '.[test,experiments]'
	@$(PY) -m pip check >/dev/null || { $(PY) -m pip check; exit 1; }
	@touch $@

$(PEERS)/.ready: experiments/bench/peers.txt constraints.txt
	@echo "setting up $(PEERS) with torch, sbi, jax and others, some minutes …"
	@$(PYTHON) -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet setuptools $$(grep '^torch==' experiments/bench/peers.txt)
	@$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet -r experiments/bench/peers.txt
	@$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --no-build-isolation -e '.[experiments]'
	@touch $@
